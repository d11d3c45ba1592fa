package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ExecRequest is a further process for a running container.
type ExecRequest struct {
	Process *specs.Process
	// Stdio are files made for this process (Owned); with Terminal only the size counts, and the other
	// side of the terminal is Joined.Master.
	Stdio Stdio
	// UID, GID and Groups are the wished credentials in a single-id map, see spec.Process.
	UID, GID uint32
	Groups   []uint32
}

// Joined is a process that was started by Exec. Wait is called once.
type Joined struct {
	process process
	master  *os.File
	pid     int
	ended   chan struct{}
}

// Exec starts a process in the container's namespaces, with its filter. The error is a *StartError. The
// process dies with the container and with this process. Execs of one container must not be started at
// the same time where owners are supervised.
func (c *Container) Exec(r ExecRequest) (*Joined, error) {
	c.joining.RLock()
	defer c.joining.RUnlock()
	if c.down || c.box == nil && c.own == nil {
		return nil, &StartError{Status: 1, Err: os.ErrProcessDone}
	}
	j := &Joined{ended: make(chan struct{})}
	if c.own != nil {
		if c.owners != nil {
			c.owners.Expect(r.UID, r.GID, r.Groups)
		}
		v := newVisitor()
		if err := c.visit(v, r, j); err != nil {
			v.end()
			return nil, startError(err)
		}
		go func() {
			<-j.ended
			v.end()
		}()
		return j, nil
	}
	result := make(chan error)
	go func() {
		// See Start: the process dies with this thread.
		runtime.LockOSThread()
		err := c.join(j, r)
		result <- err
		if err == nil {
			<-j.ended
		}
	}()
	if err := <-result; err != nil {
		return nil, startError(err)
	}
	return j, nil
}

func (c *Container) join(j *Joined, r ExecRequest) error {
	p, err := libcontainerProcess(r.Process)
	if err != nil {
		return err
	}
	p.Init = false
	var t *terminal
	if r.Stdio.Terminal {
		t = openTerminal(Stdio{Width: r.Stdio.Width, Height: r.Stdio.Height})
		if err := t.throughSocket(p); err != nil {
			return err
		}
		defer t.parent.Close()
		defer t.child.Close()
	} else {
		setStdio(p, [3]*os.File{r.Stdio.In, r.Stdio.Out, r.Stdio.Err})
	}
	if c.owners != nil {
		c.owners.Expect(r.UID, r.GID, r.Groups)
	}
	if err := c.box.Start(p); err != nil {
		return err
	}
	j.process = p
	if j.pid, err = p.Pid(); err != nil {
		return err
	}
	if t == nil {
		return nil
	}
	t.child.Close()
	if j.master, err = receiveFile(int(t.parent.Fd())); err != nil {
		_ = p.Signal(unix.SIGKILL)
		_, _ = p.Wait()
		return fmt.Errorf("receiving the process's terminal: %w", err)
	}
	return nil
}

// Pid is the process's id as this process sees it.
func (j *Joined) Pid() int { return j.pid }

// Master is the other side of the process's terminal, nil when it has none. Wait closes it.
func (j *Joined) Master() *os.File { return j.master }

// Wait waits for the process's end and gives its status, 128+n when signal n ended it.
func (j *Joined) Wait() (int, error) {
	state, err := j.process.Wait()
	close(j.ended)
	if j.master != nil {
		j.master.Close()
	}
	if state == nil {
		return 125, fmt.Errorf("waiting for the process: %w", err)
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok {
		return 125, errors.New("waiting for the process: no status")
	}
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// Processes gives the ids, as this process sees them, of the processes in the container.
func (c *Container) Processes() ([]int, error) {
	kind := "pid"
	if c.mountns != "" {
		kind = "mnt"
	}
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", c.pid, kind))
	if err != nil {
		return nil, os.ErrProcessDone
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ns, err := os.Readlink(filepath.Join("/proc", e.Name(), "ns", kind)); err == nil && ns == own {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
