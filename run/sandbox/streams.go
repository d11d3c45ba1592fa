package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// streams are the payload's stdin, stdout and stderr.
//
// They are given to the payload's uid by fchown(2), which must not happen to what belongs to
// the caller, and a terminal handed in could be typed into from inside (TIOCSTI). So a descriptor is
// passed as it is only when it is no terminal and belongs to the payload's uid already; otherwise a
// pipe stands between and is pumped.
type streams struct {
	stdio  [3]*os.File // the payload's, without a terminal; nil is the null device
	child  []*os.File  // passed to the container, closed once it has them
	ours   []*os.File  // closed at the end
	output sync.WaitGroup
	begin  []func() // pumps, started with the payload
	lost   atomic.Pointer[error]
	term   *terminal
}

// openStreams prepares the streams of a payload with that uid, as this process sees it.
func openStreams(io Stdio, uid uint32) (*streams, error) {
	s := &streams{}
	if io.Terminal {
		s.term = openTerminal(io)
		return s, nil
	}
	var err error
	if s.stdio[0], err = s.input(io.In, uid, io.Owned); err != nil {
		return s, err
	}
	if s.stdio[1], err = s.outputTo(io.Out, uid, io.Owned); err != nil {
		return s, err
	}
	s.stdio[2] = s.stdio[1]
	if !SameStream(io.Out, io.Err) {
		s.stdio[2], err = s.outputTo(io.Err, uid, io.Owned)
	}
	return s, err
}

// setStdio hands streams to libcontainer. A nil *os.File in an interface is not nil: os/exec would not
// open /dev/null.
func setStdio(p *libcontainer.Process, stdio [3]*os.File) {
	if f := stdio[0]; f != nil {
		p.Stdin = f
	}
	if f := stdio[1]; f != nil {
		p.Stdout = f
	}
	if f := stdio[2]; f != nil {
		p.Stderr = f
	}
}

func (s *streams) input(f *os.File, uid uint32, owned bool) (*os.File, error) {
	if f == nil || owned || direct(f, uid) {
		return f, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.child = append(s.child, r)
	s.begin = append(s.begin, func() {
		// Not waited for: it may stand in a read that only the caller can end.
		go func() {
			_, _ = io.Copy(w, f)
			w.Close()
		}()
	})
	return r, nil
}

func (s *streams) outputTo(f *os.File, uid uint32, owned bool) (*os.File, error) {
	if f == nil || owned || direct(f, uid) {
		return f, nil
	}
	// Go ends the process at EPIPE on 1 and 2; on another number it is an error like others.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, &fs.PathError{Op: "dup", Path: f.Name(), Err: err}
	}
	to := os.NewFile(uintptr(fd), f.Name())
	r, w, err := os.Pipe()
	if err != nil {
		to.Close()
		return nil, err
	}
	s.child = append(s.child, w)
	s.ours = append(s.ours, to)
	s.output.Add(1)
	s.begin = append(s.begin, func() {
		go func() {
			defer s.output.Done()
			// When the reader has gone, the payload must get EPIPE too.
			defer r.Close()
			if _, err := io.Copy(to, r); err != nil && !errors.Is(err, unix.EPIPE) {
				s.lost.CompareAndSwap(nil, &err)
			}
		}()
	})
	return w, nil
}

// direct reports whether f can be handed to a payload of that uid without a change of owner.
func direct(f *os.File, uid uint32) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR {
		// The container's own null device is opened in its place.
		return isNull(st)
	}
	return st.Uid == uid
}

// SameStream reports whether two descriptors lead to one pipe, socket or terminal ("2>&1"): one pump
// then keeps the order of what is written to both. Two openings of a regular file have places of
// their own.
func SameStream(a, b *os.File) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	var x, y unix.Stat_t
	if unix.Fstat(int(a.Fd()), &x) != nil || unix.Fstat(int(b.Fd()), &y) != nil {
		return false
	}
	return x.Dev == y.Dev && x.Ino == y.Ino && x.Mode&unix.S_IFMT != unix.S_IFREG
}

// started closes the container's ends here: it has them now.
func (s *streams) started() {
	for _, f := range s.child {
		f.Close()
	}
	s.child = nil
}

// attach begins to pass data.
func (s *streams) attach() error {
	for _, f := range s.begin {
		f()
	}
	s.begin = nil
	if s.term != nil {
		return s.term.attach()
	}
	return nil
}

// drain waits until everything the payload wrote has been passed on. The error tells that some of it
// could not be; that nobody wanted it any more is none.
func (s *streams) drain() error {
	if len(s.begin) == 0 {
		s.output.Wait()
	}
	if s.term != nil {
		s.term.drain()
	}
	if err := s.lost.Load(); err != nil {
		return fmt.Errorf("passing on the container's output: %w", *err)
	}
	return nil
}

func (s *streams) resize(width, height uint16) error {
	if s.term == nil {
		return nil
	}
	return s.term.resize(width, height)
}

func (s *streams) close() {
	s.started()
	for _, f := range s.ours {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			continue
		}
	}
	if s.term != nil {
		s.term.close()
	}
}
