package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// socketName is the monitor's door in the container's directory.
const socketName = "control"

// maxMessage bounds a request or reply, in bytes.
const maxMessage = 4 << 20

// ErrGone tells that the container does not run: no monitor answers, or it closes its door just now, or
// its payload has ended.
var ErrGone = errors.New("container is not running")

// Request asks for one thing; Op says which of the other fields count.
type Request struct {
	Op string // "attach", "exec", "signal", "resize", "processes", "usage", "root", "own", "run", "spawn"

	Signal        int    `json:",omitempty"` // signal
	Stop          bool   `json:",omitempty"` // signal: the container is not to be started again
	Width, Height uint16 `json:",omitempty"` // resize; exec: the first size
	Stdin         bool   `json:",omitempty"` // attach: this caller's input is the payload's
	Exec          *Exec  `json:",omitempty"`
	Own           *Own   `json:",omitempty"` // own: of the file that comes with the request
	Run           []string
}

// Own is the owner that a symlink or FIFO in the container is to have.
type Own struct {
	Path     string // from the container's root directory
	UID, GID uint32
}

// Exec is a further process in a container. Its stdin, stdout and stderr are the descriptors that come
// with the request, as Streams counts them; without Terminal a missing one is /dev/null.
type Exec struct {
	Args       []string
	Env        []string // "NAME=value"
	WorkingDir string
	User       string
	Terminal   bool
	Privileged bool
	Detach     bool
	Streams    [3]bool // which of stdin, stdout and stderr come with the request
}

// Reply answers a request.
type Reply struct {
	Error string `json:",omitempty"`
	// Code is docker's exit status that goes with Error.
	Code int `json:",omitempty"`
	// Between says that Error is only because the container is between two runs.
	Between bool `json:",omitempty"`
	// Gone says that Error is because the payload has ended: the monitor is about to note that.
	Gone     bool `json:",omitempty"`
	Terminal bool `json:",omitempty"` // attach: the payload has a terminal
	Pid      int  `json:",omitempty"`
	Ended    bool `json:",omitempty"` // exec: Status is the process's exit status
	Status   int
	Usage    *Usage `json:",omitempty"` // usage
	// Processes are those in the container, as the host numbers them.
	Processes []int `json:",omitempty"`
	// Users are theirs, where the kernel knows no more than one.
	Users []uint32 `json:",omitempty"`
}

// at gives a path to name in dir that fits into a socket's address (unix(7), 108 bytes), and what to
// close when it was used.
func at(dir, name string) (string, func(), error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(fd), name), func() { unix.Close(fd) }, nil
}

// Dial connects to the monitor of the container in dir. ErrGone when there is none.
func Dial(dir string) (*net.UnixConn, error) {
	path, done, err := at(dir, socketName)
	if errors.Is(err, unix.ENOENT) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("reaching the container's monitor: %w", err)
	}
	return c, nil
}

// Ask sends a request and reads the reply, in not more than the time given (0 is without limit). The
// error is the monitor's own too, as *Refusal.
func Ask(dir string, r Request, limit time.Duration) (Reply, error) {
	c, err := Dial(dir)
	if err != nil {
		return Reply{}, err
	}
	defer c.Close()
	if limit > 0 {
		_ = c.SetDeadline(time.Now().Add(limit))
	}
	if err := request(c, r); err != nil {
		return Reply{}, err
	}
	reply, _, err := receiveReply(c)
	return reply, err
}

// Spawn has the monitor of the container in dir start a role with descriptors.
func Spawn(dir, role string, files ...*os.File) error {
	c, err := Dial(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := request(c, Request{Op: "spawn", Run: []string{role}}, files...); err != nil {
		return err
	}
	_, _, err = receiveReply(c)
	return err
}

// Refusal is the monitor's answer that it could not do what it was asked for.
type Refusal struct {
	Text string
	Code int // docker's exit status
	// Between two runs of the container: it may be done a little later.
	Between bool
}

func (r *Refusal) Error() string { return r.Text }

// send writes v as one line with descriptors; they stay the caller's.
func send(c *net.UnixConn, v any, files ...*os.File) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if len(line) > maxMessage {
		return fmt.Errorf("message of %d bytes is too long", len(line))
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	n, _, err := c.WriteMsgUnix(line, oob, nil)
	if err == nil && n < len(line) {
		_, err = c.Write(line[n:])
	}
	if err != nil {
		return fmt.Errorf("talking to the container's monitor: %w", err)
	}
	return nil
}

// request is send to a monitor. ErrGone when it has closed its door with the caller before it: nobody
// will answer.
func request(c *net.UnixConn, r Request, files ...*os.File) error {
	err := send(c, r, files...)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return ErrGone
	}
	return err
}

// receive reads one line into v, and the descriptors that came with it. What follows the line stays in
// the socket.
func receive(c *net.UnixConn, v any) ([]*os.File, error) {
	var files []*os.File
	drop := func() {
		for _, f := range files {
			f.Close()
		}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var line []byte
	oob := make([]byte, unix.CmsgSpace(4*4))
	peek := make([]byte, 32<<10)
	for {
		var n int
		var failed error
		// Looked at first: only the line is taken out, what follows belongs to somebody else.
		err := raw.Read(func(fd uintptr) bool {
			n, _, failed = unix.Recvfrom(int(fd), peek, unix.MSG_PEEK|unix.MSG_DONTWAIT)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		if err == nil {
			err = failed
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			drop()
			return nil, err
		}
		take := n
		if i := bytes.IndexByte(peek[:n], '\n'); i >= 0 {
			take = i + 1
		}
		got, oobn, flags, _, err := c.ReadMsgUnix(peek[:take], oob)
		if err == nil && oobn > 0 {
			var more []*os.File
			more, err = rights(oob[:oobn])
			files = append(files, more...)
		}
		if err == nil && flags&unix.MSG_CTRUNC != 0 {
			err = errors.New("more descriptors than expected")
		}
		line = append(line, peek[:got]...)
		if err == nil && len(line) > maxMessage {
			err = errors.New("message is too long")
		}
		if err != nil {
			drop()
			return nil, err
		}
		if got > 0 && line[len(line)-1] == '\n' {
			break
		}
	}
	if err := json.Unmarshal(line, v); err != nil {
		drop()
		return nil, fmt.Errorf("reading a message of the container's monitor: %w", err)
	}
	return files, nil
}

func rights(oob []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// Send writes v as one line with descriptors, which stay the caller's: the message that Receive reads.
func Send(c *net.UnixConn, v any, files ...*os.File) error { return send(c, v, files...) }

// Receive reads one line into v, and the descriptors that came with it. io.ErrUnexpectedEOF means that
// the other side has closed without one.
func Receive(c *net.UnixConn, v any) ([]*os.File, error) { return receive(c, v) }

// receiveReply reads a reply; a refusal is an error.
func receiveReply(c *net.UnixConn) (Reply, []*os.File, error) {
	var r Reply
	files, err := receive(c, &r)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) {
		return r, nil, ErrGone
	}
	if err != nil {
		return r, nil, fmt.Errorf("talking to the container's monitor: %w", err)
	}
	if r.Error != "" {
		for _, f := range files {
			f.Close()
		}
		if r.Gone {
			return r, nil, ErrGone
		}
		return r, nil, &Refusal{Text: r.Error, Code: r.Code, Between: r.Between}
	}
	return r, files, nil
}
