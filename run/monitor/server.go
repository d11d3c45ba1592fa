package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Container is what a monitor can do with the container it holds.
type Container interface {
	// Signal sends a signal to the payload; stop says that its policy is not to start it again.
	Signal(sig unix.Signal, stop bool) error
	Resize(width, height uint16) error
	// Exec starts a further process. The files are stdin, stdout and stderr, nil for none; they stay the
	// caller's.
	Exec(ctx context.Context, e Exec, files [3]*os.File, width, height uint16) (Process, error)
	// Processes are those in the container, by the host's numbers; users are theirs where the kernel does
	// not know them.
	Processes() (pids []int, users []uint32, err error)
	// Usage is what those use of the machine.
	Usage() (Usage, error)
	// Root opens the root directory of the payload, by name only; the server closes it.
	Root() (*os.File, error)
	// Own records the owner of a file that can not carry it itself; the file stays the server's.
	Own(file *os.File, o Own) error
	// Spawn starts this binary in a role that goes on by itself.
	Spawn(args []string, files []*os.File) error
	// Run executes this binary in a named role in the monitor's namespaces and gives its exit status.
	Run(ctx context.Context, args []string, files []*os.File) (int, error)
}

// Process is a started exec.
type Process interface {
	Pid() int
	// Master is the terminal's other side, nil without one. It is closed by Wait.
	Master() *os.File
	Wait() (int, error)
}

// Server answers at the door of one container.
type Server struct {
	c        Container
	hub      atomic.Pointer[Hub]
	without  atomic.Pointer[string] // why there is none
	listener *net.UnixListener
	path     string
	// Idle is called after a request that may have left much memory behind.
	Idle func()
}

// SetHub says where callers meet the payload's streams; with nil they are told why they can not.
func (s *Server) SetHub(h *Hub, why string) {
	s.without.Store(&why)
	s.hub.Store(h)
}

// Listen opens the door of the container in dir. Requests are answered by Serve.
func Listen(dir string) (*Server, error) {
	path, done, err := at(dir, socketName)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening the monitor's socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("opening the monitor's socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // its path is not the one it was made by
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the monitor's socket: %w", err), l.Close())
	}
	return &Server{listener: l, path: filepath.Join(dir, socketName)}, nil
}

// Serve answers until Close.
func (s *Server) Serve(c Container) {
	s.c = c
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(100 * time.Millisecond) // no descriptors: they come back
			continue
		}
		go s.serve(conn)
	}
}

// Close closes the door; what is being answered goes on.
func (s *Server) Close() error {
	err := s.listener.Close()
	if rerr := os.Remove(s.path); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// patience is how long a caller may take to say what it wants.
const patience = 30 * time.Second

func (s *Server) serve(conn *net.UnixConn) {
	keep := false
	defer func() {
		if !keep {
			conn.Close()
		}
	}()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var r Request
	files, err := receive(conn, &r)
	if err != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	answer := func(err error) { _ = send(conn, refusal(err)) }
	switch r.Op {
	case "signal":
		answer(s.c.Signal(unix.Signal(r.Signal), r.Stop))
	case "resize":
		answer(s.c.Resize(r.Width, r.Height))
	case "processes":
		pids, users, err := s.c.Processes()
		reply := refusal(err)
		reply.Processes, reply.Users = pids, users
		_ = send(conn, reply)
	case "usage":
		u, err := s.c.Usage()
		reply := refusal(err)
		reply.Usage = &u
		_ = send(conn, reply)
	case "attach":
		hub := s.hub.Load()
		if hub == nil {
			answer(errors.New(*s.without.Load()))
			return
		}
		if send(conn, Reply{Terminal: hub.Terminal}) == nil {
			keep = true
			hub.Attach(conn, r.Stdin)
		}
	case "exec":
		s.exec(conn, r, &files)
	case "root":
		root, err := s.c.Root()
		if err != nil {
			answer(err)
			return
		}
		_ = send(conn, Reply{}, root)
		root.Close()
	case "own":
		if r.Own == nil || len(files) != 1 {
			answer(errors.New("own: no file"))
			break
		}
		answer(s.c.Own(files[0], *r.Own))
	case "spawn":
		answer(s.c.Spawn(r.Run, files))
	case "run":
		status, err := s.c.Run(context.Background(), r.Run, files)
		reply := refusal(err)
		reply.Status = status
		_ = send(conn, reply)
	default:
		answer(fmt.Errorf("this container was started by another version of dhow, which does not know %q", r.Op))
	}
	if s.Idle != nil && r.Op != "own" { // which comes often and leaves nothing
		s.Idle()
	}
}

// exec starts a process, hands its terminal over, and tells of its end.
func (s *Server) exec(conn *net.UnixConn, r Request, files *[]*os.File) {
	if r.Exec == nil {
		_ = send(conn, refusal(errors.New("exec: no process")))
		return
	}
	var streams [3]*os.File
	next := 0
	for i, given := range r.Exec.Streams {
		if given && next < len(*files) {
			streams[i] = (*files)[next]
			next++
		}
	}
	p, err := s.c.Exec(context.Background(), *r.Exec, streams, r.Width, r.Height)
	for _, f := range *files {
		f.Close()
	}
	*files = nil
	if err != nil {
		_ = send(conn, refusal(err))
		return
	}
	reply := Reply{Pid: p.Pid()}
	if master := p.Master(); master != nil {
		_ = send(conn, reply, master)
		// The caller has it now. When it goes before the process does, somebody must read, or the
		// process would stand still.
		go func() {
			var b [1]byte
			if _, err := conn.Read(b[:]); err != nil {
				drain(master)
			}
		}()
	} else {
		_ = send(conn, reply)
	}
	status, err := p.Wait()
	reply = refusal(err)
	reply.Ended, reply.Status = err == nil, status
	_ = send(conn, reply)
}

func drain(f *os.File) {
	buf := make([]byte, 4<<10)
	for {
		if _, err := f.Read(buf); err != nil {
			return
		}
	}
}

// ErrBetween is wrapped by what a Container says between two runs.
var ErrBetween = errors.New("is restarting, wait until the container is running")

// refusal is the reply that tells of err, if it is one.
func refusal(err error) Reply {
	if err == nil {
		return Reply{}
	}
	r := Reply{Error: err.Error(), Code: 1, Between: errors.Is(err, ErrBetween)}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		r.Code = coded.ExitCode()
	}
	if errors.Is(err, os.ErrProcessDone) {
		r.Error, r.Gone = ErrGone.Error(), true
	}
	return r
}

// hungUp tells whether the other side has closed the connection, not just its writing half.
func hungUp(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	gone := true
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLHUP}}
		_, err := unix.Poll(p, 0)
		gone = err == nil && p[0].Revents&unix.POLLHUP != 0
	})
	return gone
}
