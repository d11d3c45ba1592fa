package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
)

// Container is a running container. Wait and Close are called once, the other methods at any time
// between.
type Container struct {
	state   string // Request.StateDir
	mounted bool   // a filesystem in memory at state
	bound   string // the root filesystem, bound on itself
	id      string
	own     *own                    // of launch; nil with libcontainer's init
	box     *libcontainer.Container // of libcontainer's init; nil without
	process process
	streams *streams
	network io.Closer
	owners  *ownership.Supervisor // Request.Owners
	served  chan error            // the supervisor's end; nil without one
	stop    context.CancelFunc

	pid         int
	mountns     string // the container's mount namespace, when it has no pid namespace
	mountnsHeld *os.File
	gone        chan struct{} // closed by Close: ends the locked thread
	joining     sync.RWMutex  // held by Exec while it joins, and by Close before it takes down
	down        bool
	closed      sync.Once
	waited      sync.Once
	status      int
	failed      error
}

// process is the container's first one.
type process interface {
	Signal(sig os.Signal) error
	Wait() (*os.ProcessState, error)
}

// Start makes the container and starts its payload. The error is a *StartError; nothing is left then.
// When ctx is cancelled before the payload starts, it does not start; afterwards ctx has no effect.
func Start(ctx context.Context, r Request) (*Container, error) {
	logrus.SetOutput(io.Discard) // libcontainer's advice is for its own command; its errors say enough
	c := &Container{id: r.ID, state: r.StateDir, owners: r.Owners, gone: make(chan struct{})}
	result := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread ends that made the child, so this
		// one lives as long as the container (prctl(2), PR_SET_PDEATHSIG). It is not unlocked:
		// libcontainer may have changed it.
		runtime.LockOSThread()
		err := c.climb(ctx, r)
		result <- err
		if err == nil {
			<-c.gone
		}
	}()
	if err := <-result; err != nil {
		return nil, err
	}
	return c, nil
}

// climb starts the container on the best rung the host allows.
func (c *Container) climb(ctx context.Context, r Request) error {
	if r.Owners != nil {
		// It must listen before the payload's filter is made.
		var serve context.Context
		serve, c.stop = context.WithCancel(context.WithoutCancel(ctx))
		c.served = make(chan error, 1)
		go func() { c.served <- r.Owners.Serve(serve) }()
	}
	var tried []string // another container may have met the same refusal meanwhile
	for {
		err := c.start(ctx, r)
		if err == nil {
			return nil
		}
		failed := startError(err)
		kind, again := refusal(failed)
		if again && !slices.Contains(tried, kind) {
			refuse(kind)
			tried = append(tried, kind)
			if err := c.undo(); err != nil {
				return startError(err)
			}
			continue
		}
		if err := errors.Join(c.undo(), c.endService()); err != nil {
			failed.Err = fmt.Errorf("%w (and taking it down: %w)", failed.Err, err)
		}
		return failed
	}
}

func (c *Container) start(ctx context.Context, r Request) error {
	if err := c.noDevices(r); err != nil {
		return err
	}
	if r.Spec == nil || r.Spec.Process == nil || r.Spec.Linux == nil || r.Spec.Root == nil {
		return errors.New("the specification is incomplete")
	}
	r.Spec = allowed(r.Spec)
	config, err := configure(r)
	if err != nil {
		return err
	}
	uid, ok := r.Shift.HereUID(r.Spec.Process.User.UID)
	if !ok {
		return fmt.Errorf("the container has no uid %d", r.Spec.Process.User.UID)
	}
	if c.streams, err = openStreams(r.Stdio, uid); err != nil {
		return err
	}
	if t := c.streams.term; t != nil {
		t.kill = func() { _ = c.Signal(unix.SIGKILL) }
	}
	if launchable(r) {
		return c.launch(ctx, r, config)
	}
	return c.startLibcontainer(ctx, r, config)
}

// startLibcontainer starts the container with libcontainer's init, which is this program again.
func (c *Container) startLibcontainer(ctx context.Context, r Request, config *configs.Config) error {
	err := c.makeState()
	if err != nil {
		return err
	}
	p, err := libcontainerProcess(r.Spec.Process)
	if err != nil {
		return err
	}
	if t := c.streams.term; t != nil {
		if err := t.throughSocket(p); err != nil {
			return err
		}
	} else {
		setStdio(p, c.streams.stdio)
	}
	if c.box, err = libcontainer.Create(r.StateDir, r.ID, config); err != nil {
		return fmt.Errorf("creating the container: %w", err)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		os.Setenv("GOMAXPROCS", "1") // libcontainer passes it to its init, whose threads cost time
	}
	if err := c.box.Start(p); err != nil {
		return err
	}
	c.process = p
	if c.pid, err = p.Pid(); err != nil {
		return err
	}
	c.streams.started()
	if err := c.holdMounts(r.Spec, strconv.Itoa(c.pid)); err != nil {
		return err
	}
	if err := c.connect(ctx, r, c.pid); err != nil {
		return err
	}
	if err := c.ready(ctx, r); err != nil {
		return err
	}
	return c.box.Exec()
}

// connect attaches the network to the namespace that the process or thread pid is in.
func (c *Container) connect(ctx context.Context, r Request, pid int) error {
	if r.Network == nil {
		return nil
	}
	attached, err := r.Network(ctx, pid)
	if err != nil {
		return err // attached may be a nil pointer in an interface that is not nil
	}
	c.network = attached
	return nil
}

// ready is the last thing before the payload: data may pass, and who asked for the container is told.
func (c *Container) ready(ctx context.Context, r Request) error {
	if err := c.streams.attach(); err != nil {
		return err
	}
	if r.Ready != nil {
		if err := r.Ready(c.pid); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// makeState makes the directory for libcontainer's files. It lies in memory where it may: nothing in it
// is of use to another process, and libcontainer can not show its init this binary through an overlay
// when the directory lies below the binary's (it would copy the binary instead).
func (c *Container) makeState() error {
	if err := os.MkdirAll(c.state, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	if enter.Entered() { // else the mount namespace may be everybody's
		err := unix.Mount("tmpfs", c.state, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700,size=16m")
		c.mounted = err == nil
	}
	return nil
}

func (c *Container) removeState() error {
	if c.bound != "" {
		if err := unix.Unmount(c.bound, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmounting the root filesystem: %w", err)
		}
		c.bound = ""
	}
	if c.mounted {
		if err := unix.Unmount(c.state, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting the state directory: %w", err)
		}
		c.mounted = false
	}
	return os.RemoveAll(c.state)
}

// noDevices keeps plain root's containers from opening devices they make: without a user namespace
// nothing else does (the kernel's device cgroup is not used).
func (c *Container) noDevices(r Request) error {
	if r.Mapping.Kind != idmap.Root || r.Devices {
		return nil
	}
	err := nodev(r.Rootfs)
	if err == unix.EINVAL { // not a mount point yet
		if err = unix.Mount(r.Rootfs, r.Rootfs, "", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			c.bound = r.Rootfs
			err = nodev(r.Rootfs)
		}
	}
	if err != nil {
		return fmt.Errorf("mounting the root filesystem without devices: %w", err)
	}
	return nil
}

func nodev(path string) error {
	err := unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV})
	if err == unix.ENOSYS { // before Linux 5.12
		err = unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NODEV, "")
	}
	return err
}

// Pid is the payload's process id as this process sees it.
func (c *Container) Pid() int { return c.pid }

// Wait waits for the payload's end and until all its output has been passed on. The status is the
// payload's own, or 128+n when signal n ended it; with an error it is still the payload's when output
// was lost, and 125 otherwise.
func (c *Container) Wait() (int, error) {
	c.waited.Do(func() {
		c.status, c.failed = c.wait()
	})
	return c.status, c.failed
}

func (c *Container) wait() (int, error) {
	state, err := c.process.Wait()
	if state == nil {
		return 125, fmt.Errorf("waiting for the container: %w", err)
	}
	killMembers(c.mountns)
	lost := c.streams.drain()
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok {
		return 125, fmt.Errorf("waiting for the container: no status")
	}
	if ws.Signaled() {
		return 128 + int(ws.Signal()), lost
	}
	return ws.ExitStatus(), lost
}

// Signal sends sig to the payload; os.ErrProcessDone when it is gone.
func (c *Container) Signal(sig unix.Signal) error { return c.process.Signal(sig) }

// Resize gives the payload's terminal a size; without a terminal it does nothing.
func (c *Container) Resize(width, height uint16) error {
	c.joining.RLock()
	defer c.joining.RUnlock()
	if c.down || c.streams == nil {
		return nil
	}
	return c.streams.resize(width, height)
}

// Close ends the container if it still runs and removes its state. It may be called more than once.
func (c *Container) Close() error {
	var err error
	c.closed.Do(func() {
		_ = c.Signal(unix.SIGKILL)
		_, _ = c.Wait()
		c.joining.Lock()
		c.down = true
		c.joining.Unlock()
		err = errors.Join(c.undo(), c.endService())
		close(c.gone)
	})
	return err
}

// undo takes down what start has built, as far as it came, and leaves c as before start.
func (c *Container) undo() error {
	var errs []error
	if c.streams != nil {
		c.streams.close()
	}
	if c.network != nil {
		errs = append(errs, c.network.Close())
	}
	if c.process != nil {
		_ = c.process.Signal(unix.SIGKILL)
		if c.own != nil && c.own.child != nil {
			c.own.child.Kill()
			c.own.child = nil
		}
		_, _ = c.process.Wait()
		killMembers(c.mountns)
	}
	if c.mountnsHeld != nil {
		errs = append(errs, c.mountnsHeld.Close())
		c.mountns, c.mountnsHeld = "", nil
	}
	if c.box != nil {
		errs = append(errs, c.box.Destroy())
	}
	if c.own != nil {
		errs = append(errs, c.own.end())
	}
	errs = append(errs, c.removeState())
	c.streams, c.network, c.box, c.own = nil, nil, nil, nil
	return errors.Join(errs...)
}

// serviceGrace is how long the supervisor may take to see that the container is gone.
const serviceGrace = 2 * time.Second

// endService waits for the supervisor, which ends by itself with the container's last process.
func (c *Container) endService() error {
	if c.served == nil {
		return nil
	}
	defer c.stop()
	if c.pid == 0 {
		c.stop() // nobody has come to be served
	}
	select {
	case err := <-c.served:
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	case <-time.After(serviceGrace):
		return nil
	}
}
