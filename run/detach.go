package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/reexec"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/run/standby"
)

// roleMonitor is the name under which this binary is the monitor of one container, see Monitor.
const roleMonitor = "monitor"

// handover is the one message to a monitor, with descriptors: the container's lock, and the connection
// of a first caller if there is one.
type handover struct {
	Dir     string // paths.Store
	ID      string
	Mapping idmap.Mapping
	// New says that the container was made for this start: when it fails, nothing remains of it.
	New     bool
	CIDFile string `json:",omitempty"`
	// Attached says that a first caller is there, and Stdin that its input is the payload's.
	Attached, Stdin bool
	// Width and Height are those of the first caller's terminal: the payload finds it so.
	Width, Height uint16 `json:",omitempty"`
}

// started is the monitor's one answer.
type started struct {
	Error string `json:",omitempty"`
	Code  int    `json:",omitempty"` // docker's exit status
	Cure  string `json:",omitempty"` // what a person can do
}

// curable is a monitor's error with what its error said to do.
type curable struct {
	error
	cure string
}

func (c curable) Hint() string { return c.cure }

// Create makes a container without starting it and gives its id.
func Create(ctx context.Context, o Options) (string, error) {
	c, err := create(ctx, o)
	if err != nil {
		return "", err
	}
	return c.entry.ID, c.entry.Close()
}

// create makes the container and keeps its lock.
func create(ctx context.Context, o Options) (*container, error) {
	o.defaults()
	w, err := o.wishes()
	if err != nil {
		return nil, err
	}
	img, err := o.image(ctx)
	if err != nil {
		return nil, err
	}
	c, err := newContainer(ctx, o, img, w)
	if err != nil {
		return nil, err
	}
	if err := c.save(); err != nil {
		return nil, errors.Join(err, c.discard())
	}
	c.noted = true
	c.journal().Add(c.created())
	return c, nil
}

// Detach runs a container in the background and gives its id when its payload has started. The error is
// that of Run; nothing remains of a container that did not start.
func Detach(ctx context.Context, o Options) (string, error) {
	s := early(o)
	c, err := create(ctx, o)
	if err != nil {
		s.dismiss()
		return "", err
	}
	h := handover{Dir: o.Dir, ID: c.entry.ID, Mapping: o.Mapping, New: true, CIDFile: o.CIDFile}
	return c.entry.ID, handOver(h, c.entry, nil, s)
}

// Start starts a container that was created or has ended, in the background. It returns when its
// payload has started; a container that runs already is no error, as in docker.
func Start(o Options, name string) (record.Found, error) {
	return o.start(name, nil, false)
}

func (o Options) start(name string, first *net.UnixConn, stdin bool) (record.Found, error) {
	f, err := o.book().Find(name)
	if err != nil {
		return f, err
	}
	if f.State.Paused {
		return f, fmt.Errorf("cannot start a paused container, try unpause instead: container %s %w", f.Name, ErrPaused)
	}
	if f.State.Active() {
		return f, nil
	}
	e, err := o.book().Take(f.ID)
	if errors.Is(err, record.ErrRunning) {
		// Somebody else starts or removes it, just now.
		if now, ferr := o.book().Find(f.ID); ferr == nil && now.State.Active() {
			return now, nil
		}
		return f, fmt.Errorf("cannot start container %s: another command is at work on it", f.Name)
	}
	if err != nil {
		return f, err
	}
	h := handover{Dir: o.Dir, ID: f.ID, Mapping: o.Mapping, Attached: first != nil, Stdin: stdin}
	return f, handOver(h, e, first, nil)
}

// stander is a monitor that waits for its container.
type stander struct {
	conn    *net.UnixConn
	process *os.Process // nil when another monitor has started it
}

// early gives the monitor of a container that is still to be made, which starts meanwhile on another
// processor. Nil when it is to be started later: by another container's monitor, or because it can not
// be now, which is told then.
func early(o Options) *stander {
	for _, mode := range []string{o.Network, o.PID, o.IPC} {
		if strings.HasPrefix(mode, "container:") {
			standby.Dismiss()
			return nil
		}
	}
	s, err := spawn(nil)
	if err != nil {
		return nil
	}
	return s
}

// dismiss ends a monitor that gets no container.
func (s *stander) dismiss() {
	if s == nil {
		return
	}
	s.conn.Close()
	if s.process != nil {
		_, _ = s.process.Wait()
	}
}

// handOver gives the entry to a monitor, s or a new one. It returns when the payload has started, or with
// the reason why not.
//
// The monitor is this binary in a role, in the namespaces of this process, which outlive it by the
// monitor's being in them.
func handOver(h handover, e *record.Entry, first *net.UnixConn, s *stander) (err error) {
	defer func() { err = errors.Join(err, e.Close()) }() // ours; the monitor has a copy of the lock
	files := []*os.File{e.LockFile()}
	if first != nil {
		f, err := first.File()
		if err != nil {
			s.dismiss()
			return fmt.Errorf("starting the container's monitor: %w", err)
		}
		defer f.Close()
		files = append(files, f)
	}
	if s == nil {
		if s, err = spawn(h.donor(e)); err != nil {
			return fmt.Errorf("starting the container's monitor: %w", err)
		}
	}
	defer s.conn.Close()
	var answer started
	err = monitor.Send(s.conn, h, files...)
	if err != nil && h.donor(e) == nil {
		// It was killed while it waited, which may have been for a long pull.
		s.dismiss()
		if s, err = spawn(nil); err != nil {
			return fmt.Errorf("starting the container's monitor: %w", err)
		}
		defer s.conn.Close()
		err = monitor.Send(s.conn, h, files...)
	}
	if err == nil {
		_, err = monitor.Receive(s.conn, &answer)
	}
	if err != nil {
		// It was killed, or could not begin.
		if s.process != nil {
			state, werr := s.process.Wait()
			if werr == nil {
				err = errors.New(state.String())
			}
		}
		return fmt.Errorf("starting the container: its monitor ended: %w", err)
	}
	if answer.Error != "" {
		if s.process != nil {
			_, _ = s.process.Wait()
		}
		return &sandbox.StartError{Status: answer.Code, Err: curable{errors.New(answer.Error), answer.Cure}}
	}
	if s.process != nil {
		_ = s.process.Release()
	}
	return nil
}

// donor gives how the monitor is to be started by that of the container whose namespaces it joins; nil
// when it joins none.
func (h handover) donor(e *record.Entry) func(socket *os.File) error {
	ids := donors(e.Asked)
	if len(ids) == 0 {
		return nil
	}
	return func(socket *os.File) error {
		f, err := Options{Dir: h.Dir}.book().Find(ids[0])
		if err != nil {
			return noSuch(err, ids[0])
		}
		err = monitor.Spawn(f.Dir, roleMonitor, socket)
		if errors.Is(err, monitor.ErrGone) {
			err = fmt.Errorf("cannot join a non running container: %s", f.Name)
		}
		return err
	}
}

// spawn gives a monitor: a child of this process, which may have been started with it, or one started by
// donor.
func spawn(donor func(socket *os.File) error) (*stander, error) {
	if donor == nil {
		if m := standby.Take(); m != nil {
			return &stander{conn: m.Conn, process: m.Process}, nil
		}
	}
	ours, theirs, err := monitor.Pair()
	if err != nil {
		return nil, err
	}
	socket, err := theirs.File()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer socket.Close()
	s := &stander{conn: ours}
	if donor != nil {
		if err := donor(socket); err != nil {
			ours.Close()
			return nil, err
		}
		return s, nil
	}
	// What the caller had open besides is not the monitor's to hold: a lock, or the end of a pipe that
	// somebody reads to its end. Where the kernel can not (before 5.11), it stays open.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	cmd := reexec.Command(context.Background(), roleMonitor)
	cmd.Dir = "/"
	cmd.Env = standby.Environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = []*os.File{socket}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	s.process = cmd.Process
	return s, nil
}
