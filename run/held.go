package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/rootless/reexec"
	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/limit"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/run/standby"
)

// held is a running container as its monitor shows it to others.
type held struct{ p *post }

// Signal sends a signal to the payload. One that ends it for good also ends its being started again, as
// docker has it.
func (h *held) Signal(sig unix.Signal, stop bool) error {
	l := h.p.current()
	if l == nil {
		if stop = stop || h.p.ends(sig); stop {
			h.p.dismiss()
		}
		return nil
	}
	if stop || h.p.ends(sig) {
		h.p.dismiss()
	}
	err := l.box.Signal(sig)
	if err == nil {
		l.noteSignal(sig)
	}
	return err
}

// Resize gives the payload's terminal a size.
func (h *held) Resize(width, height uint16) error {
	l := h.p.current()
	if l == nil {
		return nil
	}
	l.note("resize", "height", strconv.Itoa(int(height)), "width", strconv.Itoa(int(width)))
	return l.box.Resize(width, height)
}

// Processes are those in the container, with the users they believe to be where their owners are emulated.
func (h *held) Processes() (pids []int, users []uint32, err error) {
	l := h.p.current()
	if l == nil {
		return nil, nil, h.p.resting()
	}
	if pids, err = l.box.Processes(); err != nil || l.owners == nil {
		return pids, nil, err
	}
	for _, pid := range pids {
		uid, _ := l.owners.User(pid)
		users = append(users, uid)
	}
	return pids, users, nil
}

// Root opens the payload's root directory. The payload is asked for after the door to it was opened: a
// number that was given to another process meanwhile opens nothing.
func (h *held) Root() (*os.File, error) {
	l := h.p.current()
	if l == nil {
		return nil, h.p.resting()
	}
	pid := l.box.Pid()
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		if err = l.box.Signal(0); err == nil {
			return os.NewFile(uintptr(fd), "root"), nil
		}
		unix.Close(fd)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		err = os.ErrProcessDone
	}
	return nil, fmt.Errorf("opening the container's root directory: %w", err)
}

// Own records the owner of a symlink or FIFO with the supervisor of owners.
func (h *held) Own(file *os.File, o monitor.Own) error {
	l := h.p.current()
	if l == nil {
		return h.p.resting()
	}
	if l.owners == nil {
		return nil // the file has it
	}
	return l.owners.Own(int(file.Fd()), o.Path, ownership.Owner{UID: o.UID, GID: o.GID})
}

// coded is a failure with docker's exit status.
type coded struct {
	error
	code int
}

func (c coded) ExitCode() int { return c.code }
func (c coded) Unwrap() error { return c.error }

// Exec starts a further process with the container's configuration, as docker exec does: variables are
// added to the container's, user and directory replace them.
func (h *held) Exec(_ context.Context, e monitor.Exec, files [3]*os.File, width, height uint16) (monitor.Process, error) {
	l := h.p.current()
	if l == nil {
		return nil, h.p.resting()
	}
	j, err := h.join(l, e, files, width, height)
	if err != nil {
		return nil, err
	}
	id := record.NewID()
	did := ": " + strings.Join(e.Args, " ")
	l.journal().Add(event.Container(l.record, "exec_create"+did, "execID", id),
		event.Container(l.record, "exec_start"+did, "execID", id))
	return &execution{Joined: j, l: l, id: id}, nil
}

// join is Exec without a word to others.
func (h *held) join(l *live, e monitor.Exec, files [3]*os.File, width, height uint16) (*sandbox.Joined, error) {
	w := l.wishes
	w.EntrypointSet, w.Entrypoint, w.Args = true, nil, e.Args
	w.Env = append(append([]string(nil), w.Env...), e.Env...)
	w.Init, w.Terminal, w.Mounts, w.Devices = false, e.Terminal, nil, nil
	w.Limits = limit.Limits{} // the group's, which the process joins
	if e.WorkingDir != "" {
		w.WorkingDir = e.WorkingDir
	}
	if e.User != "" {
		w.User = e.User
	}
	if e.Privileged && !w.Privileged {
		if l.mapping.Kind == idmap.Single {
			return nil, coded{errors.New("exec --privileged needs subordinate ids: a single user's container has one set of capabilities"), 125}
		}
		w.CapAdd, w.CapDrop = []string{"ALL"}, nil
	}
	host := spec.Host{ID: l.record.ID, Mapping: l.mapping, Shift: shiftOf(l.mapping, l.record), Rootfs: l.root}
	if w.HostNetwork || w.HostUTS {
		host.Hostname, _ = os.Hostname()
	}
	s, p, err := spec.Make(specImage(l.image.Config), w, host)
	if err != nil && h.p.current() != l { // it has ended, and its filesystem may be gone
		return nil, fmt.Errorf("starting a process: %w", os.ErrProcessDone)
	}
	if err != nil {
		return nil, coded{err, 126}
	}
	h.p.joining.Lock()
	defer h.p.joining.Unlock()
	j, err := l.box.Exec(sandbox.ExecRequest{
		Process: s.Process, UID: p.UID, GID: p.GID, Groups: p.Groups,
		Stdio: sandbox.Stdio{
			In: files[0], Out: files[1], Err: files[2], Owned: true,
			Terminal: e.Terminal, Width: width, Height: height,
		},
	})
	if err != nil {
		var start *sandbox.StartError
		if errors.As(err, &start) {
			return nil, coded{err, start.Status}
		}
		return nil, err
	}
	return j, nil
}

// Spawn starts the monitor of a container that is to have namespaces of this one: in its user
// namespace, with a mount namespace of its own.
func (h *held) Spawn(args []string, files []*os.File) error {
	if len(args) != 1 || args[0] != roleMonitor {
		return errors.New("no role")
	}
	cmd := reexec.Command(context.Background(), roleMonitor)
	cmd.Dir, cmd.ExtraFiles = "/", files
	cmd.Env = standby.Environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting a monitor: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

// execution is a further process whose end is noted.
type execution struct {
	*sandbox.Joined
	l  *live
	id string
}

func (e *execution) Wait() (int, error) {
	status, err := e.Joined.Wait()
	if err == nil {
		e.l.note("exec_die", "execID", e.id, "exitCode", strconv.Itoa(status))
	}
	return status, err
}

// Run executes a role in the monitor's namespaces, where the container's filesystem is mounted.
func (h *held) Run(ctx context.Context, args []string, files []*os.File) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("no role")
	}
	cmd := reexec.Command(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.ExtraFiles = "/", files
	cmd.Env = standby.Environment()
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", args[0], err)
	}
	return 0, nil
}
