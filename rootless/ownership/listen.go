package ownership

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxState bounds the message that comes with a notification descriptor.
const maxState = 1 << 20

// accept takes notification descriptors from the runtime until the socket is closed.
func (s *Supervisor) accept() error {
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			return err
		}
		state, fd, err := receiveState(conn)
		conn.Close()
		if err == nil {
			err = s.adopt(state, fd)
		}
		if err != nil {
			return fmt.Errorf("taking a container's seccomp listener: %w", err)
		}
	}
}

// receiveState reads a ContainerProcessState and the seccomp descriptor it tells of (runtime-spec,
// config-linux.md, "The Container Process State").
func receiveState(conn *net.UnixConn) (*specs.ContainerProcessState, int, error) {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, -1, err
	}
	var fds []int
	drop := func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	var message []byte
	buf := make([]byte, 32<<10)
	oob := make([]byte, unix.CmsgSpace(16*4))
	for {
		n, oobn, flags, _, err := conn.ReadMsgUnix(buf, oob)
		message = append(message, buf[:n]...)
		if oobn > 0 {
			got, perr := parseRights(oob[:oobn])
			fds = append(fds, got...)
			err = errors.Join(err, perr)
		}
		switch {
		case flags&unix.MSG_CTRUNC != 0:
			err = errors.New("more descriptors than expected")
		case len(message) > maxState:
			err = errors.New("message too long")
		case err == nil && n > 0 && !json.Valid(message):
			continue
		case n == 0 && !json.Valid(message):
			err = errors.Join(err, errors.New("message is cut short"))
		case n == 0:
			err = nil
		}
		if err != nil {
			drop()
			return nil, -1, err
		}
		break
	}
	var state specs.ContainerProcessState
	if err := json.Unmarshal(message, &state); err != nil {
		drop()
		return nil, -1, err
	}
	found := -1
	for i, name := range state.Fds {
		if name == specs.SeccompFdName && i < len(fds) && found < 0 {
			found, fds[i] = fds[i], -1
		}
	}
	drop() // closing -1 is harmless
	if found < 0 {
		return nil, -1, errors.New("no seccomp descriptor in the message")
	}
	return &state, found, nil
}

func parseRights(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		got, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, err
		}
		for _, fd := range got {
			unix.CloseOnExec(fd)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

// adopt starts to serve a descriptor, which it takes over.
func (s *Supervisor) adopt(state *specs.ContainerProcessState, fd int) error {
	l, err := s.newListener(state.Pid, fd)
	if err != nil {
		unix.Close(fd)
		return err
	}
	s.serving.Add(1)
	for range workersPerListener {
		s.workers.Add(1)
		go l.work()
	}
	return nil
}

// Adopt serves the notification descriptor of a process that is about to execute its payload, which it
// takes over: what the socket is for a runtime that is another process.
func (s *Supervisor) Adopt(pid, fd int) error {
	return s.adopt(&specs.ContainerProcessState{Pid: pid}, fd)
}
