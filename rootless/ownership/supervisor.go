package ownership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// LayerRef is a committed layer below a container's upper directory.
type LayerRef struct {
	Dir   string
	Links Links
}

// SupervisorConfig says which container a Supervisor serves.
type SupervisorConfig struct {
	Mapping idmap.Mapping
	// Rootfs is the merged directory as dhow sees it.
	Rootfs string
	// Lowers are the layers of the root filesystem, top first.
	Lowers []LayerRef
	// Upper is the writable directory of the overlay; Table the file for the owners of what can not
	// carry xattrs in it (see FinishUpper), made when missing. Empty: such owners are forgotten.
	Upper, Table string
	// UID, GID and Groups are the credentials the payload is to have. They are given to it when the
	// container's first process executes it; until then that process is root.
	UID, GID uint32
	Groups   []uint32
	// Caller is how the caller's own files on Binds are shown; the zero value is root's.
	Caller Owner
	// Binds are the container paths that are bind mounts of host files. Owners asked for there are
	// shown as long as the container lives and never written.
	Binds []string
}

// Supervisor shows the processes of one container the owners an image records, and records those
// they set. It answers the seccomp notifications of every process that runs under a filter with
// SupervisorSyscalls in it.
//
// It must run in the user namespace of the container, outside of the container's mount and pid
// namespaces. Everything it does to files it does with the root directory of the process that asked,
// on threads of its own, and only to the file system objects that process could name itself.
type Supervisor struct {
	cfg      SupervisorConfig
	dir      string
	place    *os.File // dir, opened, when the socket lies beside the table
	listener *net.UnixListener

	creds credTable
	files files
	next  atomic.Pointer[expected]

	workers sync.WaitGroup
	serving atomic.Int32  // listeners with a living container process
	idle    chan struct{} // signalled when serving falls to 0
	done    chan struct{} // closed by Close
	closing sync.Once
	owning  sync.RWMutex // held by Own, and by Close when it says that this is over
	closed  bool
	trouble atomic.Pointer[error] // the first error of a worker
}

// lastBreath is how long Close waits for processes that were killed to be gone.
const lastBreath = 10 * time.Second

// workersPerListener is two so that one long answer (a copy-up) does not stop everybody.
const workersPerListener = 2

// NewSupervisor makes the socket and reads the table. The caller closes the supervisor.
func NewSupervisor(cfg SupervisorConfig) (*Supervisor, error) {
	s := &Supervisor{cfg: cfg, idle: make(chan struct{}, 1), done: make(chan struct{})}
	if err := s.files.open(cfg); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		s.files.close()
		return nil, err
	}
	return s, nil
}

// listen makes the socket in a directory nobody else can enter: beside the table, where it goes with
// the container's other files when this process is killed, else in a temporary place.
func (s *Supervisor) listen() error {
	var firstErr error
	if s.cfg.Table != "" {
		if firstErr = s.listenBeside(filepath.Dir(s.cfg.Table)); firstErr == nil {
			return nil
		}
	}
	for _, parent := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} {
		if parent == "" {
			continue
		}
		dir, err := os.MkdirTemp(parent, "dhow-owners-")
		if err == nil {
			s.dir = dir
			s.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.Socket(), Net: "unix"})
			if err == nil {
				s.listener.SetUnlinkOnClose(true)
				return nil
			}
			os.Remove(dir)
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	return fmt.Errorf("making the socket of the ownership supervisor: %w", firstErr)
}

// maxSocketPath is what unix(7) leaves of sun_path beside its final zero byte.
const maxSocketPath = 107

// listenBeside makes the socket in a directory below parent. A container's directory has a long path:
// when it is too long for a socket, that is reached through the directory's descriptor.
func (s *Supervisor) listenBeside(parent string) error {
	dir, err := os.MkdirTemp(parent, "owners-")
	if err != nil {
		return err
	}
	s.dir = dir
	if len(s.Socket()) > maxSocketPath {
		s.place, err = os.Open(dir)
	}
	if err == nil {
		s.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.Socket(), Net: "unix"})
	}
	if err != nil {
		if s.place != nil {
			s.place.Close()
			s.place = nil
		}
		os.Remove(dir)
		return err
	}
	s.listener.SetUnlinkOnClose(true)
	return nil
}

// Socket is the path of the unix socket that the listenerPath of a seccomp profile must name. It holds
// as long as this process lives, for every process that sees it, and takes any number of notification
// descriptors: one of the container's init, one of each exec.
func (s *Supervisor) Socket() string {
	if s.place != nil {
		return fmt.Sprintf("/proc/%d/fd/%d/notify", os.Getpid(), s.place.Fd())
	}
	return filepath.Join(s.dir, "notify")
}

// Serve answers notifications until the container is gone, ctx is done or Close is called. The
// container is gone when no process with one of its filters lives any more.
func (s *Supervisor) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	accepted := make(chan error, 1)
	go func() { accepted <- s.accept() }()
	select {
	case <-s.idle:
		s.workers.Wait()
		if err := s.trouble.Load(); err != nil {
			return *err
		}
		return nil
	case err := <-accepted:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return fmt.Errorf("serving owners: %w", err)
	}
}

// Close removes the socket and writes down what is still to be written for FinishUpper. The
// container must be gone.
func (s *Supervisor) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.done)
		s.listener.Close()
		if s.place != nil {
			defer s.place.Close()
		}
		gone := make(chan struct{})
		go func() { s.workers.Wait(); close(gone) }()
		select {
		case <-gone:
		case <-time.After(lastBreath):
			err = errors.Join(errors.New("closing the ownership supervisor: the container still runs"), os.RemoveAll(s.dir))
			return
		}
		s.owning.Lock()
		s.closed = true
		s.owning.Unlock()
		err = errors.Join(s.files.finish(), s.files.close(), os.RemoveAll(s.dir))
	})
	return err
}

// fail keeps the first error of a worker for Serve.
func (s *Supervisor) fail(err error) { s.trouble.CompareAndSwap(nil, &err) }

// openDir opens a directory as a place to resolve names from.
func openDir(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %q: %w", path, err)
	}
	return fd, nil
}
