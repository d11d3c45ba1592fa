package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// ErrDetached is returned when the person typed the detach keys.
var ErrDetached = errors.New("read escape sequence")

// Caller is one who attaches: the streams of a command and what it does with them.
type Caller struct {
	In       *os.File // nil passes no input
	Out, Err *os.File // nil drops the output
	// Keys are the detach keys as bytes, nil for none; they count only on a terminal.
	Keys []byte
	// SigProxy passes signals on when the payload has no terminal, and SigProxyTerminal when it has one.
	SigProxy, SigProxyTerminal bool
}

// Pair gives a connection to be handed to a monitor that is yet to be started, and the caller's side.
func Pair() (ours, theirs *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making the caller's socket: %w", err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "caller")
		c, cerr := net.FileConn(f)
		f.Close()
		if cerr != nil {
			err = errors.Join(err, cerr)
			continue
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1], err
}

// Attach connects the caller to a running container until that ends or the person detaches
// (ErrDetached).
func Attach(ctx context.Context, dir string, c Caller) error {
	conn, err := Dial(dir)
	if err != nil {
		return err
	}
	if err := request(conn, Request{Op: "attach", Stdin: c.In != nil}); err != nil {
		conn.Close()
		return err
	}
	reply, _, err := receiveReply(conn)
	if err != nil {
		conn.Close()
		return err
	}
	if screen := c.screen(reply.Terminal); screen != nil {
		// Another size for a moment makes programs draw their screen anew, as docker does.
		if size, err := unix.IoctlGetWinsize(int(screen.Fd()), unix.TIOCGWINSZ); err == nil {
			_, _ = Ask(dir, Request{Op: "resize", Width: size.Col + 1, Height: size.Row + 1}, answer)
		}
	}
	return c.Follow(ctx, dir, conn, reply.Terminal)
}

// Follow passes data over a connection that is attached already; it closes it.
func (c Caller) Follow(ctx context.Context, dir string, conn *net.UnixConn, terminal bool) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	screen := c.screen(terminal)
	if screen != nil {
		if c.In != nil {
			restore, err := raw(screen)
			if err != nil {
				return err
			}
			defer restore()
		}
		defer followSize(screen, func(width, height uint16) {
			_, _ = Ask(dir, Request{Op: "resize", Width: width, Height: height}, answer)
		})()
	}
	if c.SigProxy && !terminal || c.SigProxyTerminal && terminal {
		defer forward(dir)()
	}
	detached := make(chan error, 1)
	if c.In != nil {
		go func() {
			keys := c.Keys
			if screen == nil {
				keys = nil
			}
			err := input(conn, c.In, keys)
			if errors.Is(err, ErrDetached) {
				detached <- err
				conn.Close()
				return
			}
			_ = conn.CloseWrite()
		}()
	}
	err := output(conn, c.Out, c.Err)
	select {
	case err := <-detached:
		return err
	default:
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Feed passes the caller's input over a connection that is attached already, until that ends or the
// container does; it closes the connection when the monitor has all of it.
func (c Caller) Feed(ctx context.Context, dir string, conn *net.UnixConn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if c.SigProxy {
		defer forward(dir)()
	}
	ended, fed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn)
	}()
	go func() {
		defer close(fed)
		if c.In != nil {
			_ = input(conn, c.In, nil)
		}
		_ = conn.CloseWrite()
		for unread(conn) {
			time.Sleep(5 * time.Millisecond)
		}
	}()
	select {
	case <-ended:
	case <-fed:
	}
	return ctx.Err()
}

// unread tells whether the other side has not yet read all that was written: closing the socket while
// something lies in it unread on our side would take that away (unix(7), ECONNRESET).
func unread(conn *net.UnixConn) (yes bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		yes = err == nil && n > 0
	})
	return yes
}

// answer is how long a living monitor takes at most for a small question.
const answer = 5 * time.Second

// screen is the caller's terminal, nil when there is none or the payload has none.
func (c Caller) screen(terminal bool) *os.File {
	if !terminal {
		return nil
	}
	for _, f := range []*os.File{c.In, c.Out} {
		if f == nil {
			continue
		}
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			return f
		}
	}
	return nil
}

// output writes frames to where they belong until the connection ends.
func output(conn io.Reader, out, errOut *os.File) error {
	var head [8]byte
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
				return nil
			}
			return fmt.Errorf("reading the container's output: %w", err)
		}
		to := out
		if head[0] == stderr {
			to = errOut
		}
		n := int64(binary.BigEndian.Uint32(head[4:]))
		var w io.Writer = io.Discard
		if to != nil {
			w = to
		}
		if _, err := io.CopyN(w, conn, n); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
	}
}

// input passes what is typed on; the detach keys end it.
func input(to io.Writer, from io.Reader, keys []byte) error {
	buf := make([]byte, 4<<10)
	k := keyReader{keys: keys}
	for {
		n, err := from.Read(buf)
		if n > 0 {
			data, found := k.filter(buf[:n])
			if len(data) > 0 {
				if _, werr := to.Write(data); werr != nil {
					return werr
				}
			}
			if found {
				return ErrDetached
			}
		}
		if err != nil {
			return err
		}
	}
}

// raw turns the terminal into a mere wire (termios(3), cfmakeraw) until restore.
func raw(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("reading the terminal's settings: %w", err)
	}
	t := *old
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &t); err != nil {
		return nil, fmt.Errorf("changing the terminal's settings: %w", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETSW, old) }, nil
}

// Size is the size of the caller's terminal, for a payload that gets one; 0 without.
func (c Caller) Size(terminal bool) (width, height uint16) {
	if screen := c.screen(terminal); screen != nil {
		if size, err := unix.IoctlGetWinsize(int(screen.Fd()), unix.TIOCGWINSZ); err == nil {
			return size.Col, size.Row
		}
	}
	return 0, 0
}

// followSize tells the terminal's size now and at every change, until the function it gives is called.
func followSize(f *os.File, tell func(width, height uint16)) func() {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, unix.SIGWINCH)
	done := make(chan struct{})
	update := func() {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			tell(size.Col, size.Row)
		}
	}
	go func() {
		update()
		for {
			select {
			case <-ch:
				update()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(ch); close(done) }
}

// forward passes signals to the payload until the function it gives is called.
func forward(dir string) func() {
	ch := make(chan os.Signal, 32)
	signal.Notify(ch, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-ch:
				if sig, ok := s.(unix.Signal); ok {
					_, _ = Ask(dir, Request{Op: "signal", Signal: int(sig)}, answer)
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(ch); close(done) }
}
