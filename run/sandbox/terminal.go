package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// terminal is the payload's pseudo-terminal, made in the container's devpts.
type terminal struct {
	in, out       *os.File
	console       *os.File
	width, height uint16
	parent, child *os.File // the ends of throughSocket
	master        *os.File
	output        sync.WaitGroup
	saved         *unix.Termios // the caller's settings while they are changed
	resized       chan os.Signal
	once          sync.Once

	kill   func() // ends the payload
	hung   sync.Once
	closed chan struct{}
}

// hangupGrace is how long a payload may go on after its terminal was hung up.
var hangupGrace = 10 * time.Second

func openTerminal(io Stdio) *terminal {
	return &terminal{in: io.In, out: io.Out, console: io.Console, width: io.Width, height: io.Height, closed: make(chan struct{})}
}

// size is the terminal's first size, 0 for none.
func (t *terminal) size() (width, height uint16) {
	if t.console != nil {
		if size, err := unix.IoctlGetWinsize(int(t.console.Fd()), unix.TIOCGWINSZ); err == nil {
			return size.Col, size.Row
		}
	}
	return t.width, t.height
}

// throughSocket has libcontainer's init make the terminal and send its master.
func (t *terminal) throughSocket(p *libcontainer.Process) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making the terminal's socket: %w", err)
	}
	t.parent, t.child = os.NewFile(uintptr(fds[0]), "console"), os.NewFile(uintptr(fds[1]), "console")
	p.ConsoleSocket = t.child
	p.ConsoleWidth, p.ConsoleHeight = t.size()
	return nil
}

// attach takes the master and begins to pass data.
func (t *terminal) attach() error {
	if t.master == nil {
		t.child.Close()
		defer t.parent.Close()
		master, err := receiveFile(int(t.parent.Fd()))
		if err != nil {
			return fmt.Errorf("receiving the container's terminal: %w", err)
		}
		t.master = master
	}
	if t.console != nil {
		t.followSize()
	}
	if t.out != nil {
		// See streams.outputTo for why it is not 1.
		fd, err := unix.FcntlInt(t.out.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fmt.Errorf("copying the descriptor of the output: %w", err)
		}
		out := os.NewFile(uintptr(fd), t.out.Name())
		t.output.Add(1)
		go func() {
			defer t.output.Done()
			defer out.Close()
			// A terminal without a process answers EIO, which is its end of file.
			_, err := io.Copy(out, t.master)
			var failed *os.PathError
			switch {
			case errors.Is(err, unix.EPIPE):
				// Nobody reads: as a terminal that was hung up.
				t.master.Close()
			case t.console != nil && errors.As(err, &failed) && failed.Op == "write" && errors.Is(err, unix.EIO):
				t.hangUp()
			}
		}()
	}
	if t.in != nil {
		if t.console != nil {
			if err := t.raw(); err != nil {
				return err
			}
		}
		go t.copyInput()
	}
	return nil
}

// copyInput passes the caller's input on. Its end becomes the terminal's end-of-file character, as a
// person would type it; the terminal itself has no other end. A terminal that was made a wire ends
// only when it is hung up: its window was closed, or its connection was lost.
func (t *terminal) copyInput() {
	_, err := io.Copy(t.master, t.in)
	switch {
	case t.console != nil && (err == nil || errors.Is(err, unix.EIO)):
		t.hangUp()
	case err == nil:
		_, _ = t.master.Write([]byte{4})
	}
}

// hangUp hangs up the payload's terminal after the caller's. What does not end by that, as a first
// process without a handler does not, is killed: nobody could ever reach it again.
func (t *terminal) hangUp() {
	t.hung.Do(func() {
		t.master.Close()
		go func() {
			select {
			case <-t.closed:
			case <-time.After(hangupGrace):
				t.kill()
			}
		}()
	})
}

// raw turns the caller's terminal into a mere wire: what is typed and shown is the container's
// terminal's matter (termios(3), cfmakeraw).
func (t *terminal) raw() error {
	fd := int(t.console.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("reading the terminal's settings: %w", err)
	}
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return fmt.Errorf("changing the terminal's settings: %w", err)
	}
	t.saved = old
	return nil
}

func (t *terminal) followSize() {
	t.resized = make(chan os.Signal, 1)
	signal.Notify(t.resized, unix.SIGWINCH)
	update := func() {
		if size, err := unix.IoctlGetWinsize(int(t.console.Fd()), unix.TIOCGWINSZ); err == nil {
			_ = t.resize(size.Col, size.Row)
		}
	}
	update()
	go func() {
		for range t.resized {
			update()
		}
	}()
}

func (t *terminal) resize(width, height uint16) error {
	if t.master == nil {
		return nil
	}
	return unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height})
}

func (t *terminal) drain() { t.output.Wait() }

func (t *terminal) close() {
	t.once.Do(func() {
		close(t.closed)
		if t.resized != nil {
			signal.Stop(t.resized)
			close(t.resized)
		}
		if t.saved != nil {
			_ = unix.IoctlSetTermios(int(t.console.Fd()), unix.TCSETSW, t.saved)
		}
		if t.parent != nil {
			t.child.Close()
			t.parent.Close()
		}
		if t.master != nil {
			t.master.Close()
		}
	})
}

// receiveFile takes one descriptor from a unix socket (unix(7), SCM_RIGHTS).
func receiveFile(socket int) (*os.File, error) {
	name := make([]byte, 4096)
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	var err error
	for {
		n, oobn, _, _, err = unix.Recvmsg(socket, name, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		if len(fds) > 0 {
			// So that closing it ends a read of it.
			if err := unix.SetNonblock(fds[0], true); err != nil {
				return nil, err
			}
			return os.NewFile(uintptr(fds[0]), string(name[:n])), nil
		}
	}
	return nil, errors.New("the message carries no descriptor")
}
