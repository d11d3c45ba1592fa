package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/reexec"
	"github.com/dhow-containers/dhow/run/log"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/storage"
)

// Role is the monitor of one detached container, for the table of roles in main.go: it reports false
// when something else is meant, and does not return otherwise.
//
// It is started by run -d and start in the namespaces of that command, or by the monitor of a container
// whose namespaces this one joins, in that one's user namespace and a mount namespace of its own. It has
// a session of its own, no terminal, and stdio on the null device. It holds the container's lock, network stack, ownership
// supervisor, log and door, and ends when the container has. SIGTERM stops the container. Killed, it
// takes the container along; the record then reads as exited with 137, and what is left on disk goes
// with rm.
func Role() bool {
	if name, ok := reexec.Role(os.Args); !ok || name != roleMonitor {
		return false
	}
	answer := os.NewFile(4, "command")
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	unix.CloseOnExec(5)
	err := watch(os.NewFile(3, "lock"), answer)
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
	return true
}

// watch is the monitor's life. An error before the start has been told to the command; one after it has
// been noted in the container's state.
func watch(lock, command *os.File) error {
	var h handover
	if err := json.NewDecoder(command).Decode(&h); err != nil {
		return err
	}
	enter.Adopt(h.Mapping)
	c, s, err := begin(lock, h)
	reply(command, err)
	if err != nil {
		return err
	}
	if c.w.network.Mode == network.Private {
		runtime.GOMAXPROCS(2) // a start is quicker with one, the network with two
	}
	go slim()
	status, err := c.box.Wait()
	err = errors.Join(err, s.end())
	return errors.Join(err, c.end(status))
}

func reply(command *os.File, err error) {
	var s started
	if err != nil {
		s.Error, s.Code = err.Error(), 125
		var start *sandbox.StartError
		if errors.As(err, &start) {
			s.Code = start.Status
		}
		var curable interface{ Hint() string }
		if errors.As(err, &curable) {
			s.Cure = curable.Hint()
		}
	}
	_ = json.NewEncoder(command).Encode(s) // the command may have been killed: the container is wanted all the same
	command.Close()
}

// service is what a monitor does for others while the container runs.
type service struct {
	hub    *monitor.Hub // nil in the foreground
	door   *monitor.Server
	ending chan struct{}
}

// begin starts the container.
func begin(lock *os.File, h handover) (_ *container, _ *service, err error) {
	var first net.Conn
	if h.Attached {
		f := os.NewFile(5, "caller")
		if first, err = net.FileConn(f); err != nil {
			return nil, nil, err
		}
		f.Close()
	}
	options := Options{Dir: h.Dir, Mapping: h.Mapping}
	e, err := options.book().Inherit(h.ID, lock)
	if err != nil {
		return nil, nil, err
	}
	c, err := h.container(e)
	if err != nil {
		return nil, nil, err
	}
	if c.w.Join.Any() {
		if err := leaveOthers(c.o.book().Dir, e.Dir(), c.w.Join); err != nil {
			return nil, nil, err
		}
	}
	signals := make(chan os.Signal, 8)
	signal.Ignore(unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	signal.Notify(signals, unix.SIGTERM)
	s := &service{ending: make(chan struct{})}
	if err := c.launch(s, first, h.Stdin); err != nil {
		err = errors.Join(err, s.end())
		if h.New {
			c.o.CIDFile, c.cidFile = h.CIDFile, h.CIDFile != ""
			return nil, nil, c.giveUp(err)
		}
		return nil, nil, errors.Join(err, c.failed(err))
	}
	go func() {
		for range signals {
			_ = c.box.Signal(c.stopSignal())
		}
	}()
	return c, s, nil
}

func (h handover) container(e *record.Entry) (*container, error) {
	store, err := storage.Open(storage.Options{Dir: h.Dir, Mapping: h.Mapping})
	if err != nil {
		return nil, err
	}
	c, err := load(h.Dir, h.Mapping, store, e)
	return c, errors.Join(err, store.Close())
}

// launch makes the streams and the door and starts the payload.
func (c *container) launch(s *service, first net.Conn, stdin bool) error {
	if err := c.entry.Begin(); err != nil {
		return err
	}
	options, err := log.ParseOptions(c.entry.LogDriver, c.entry.LogOptions)
	if err != nil {
		return err
	}
	var w *log.Writer
	if c.entry.LogDriver != log.None {
		if w, err = log.Create(log.Path(c.entry.Dir(), c.entry.ID), options); err != nil {
			return err
		}
	}
	s.hub = monitor.NewHub(w)
	s.hub.Terminal = c.o.Terminal
	s.hub.StdinOnce = c.entry.StdinOnce && !c.o.Terminal
	var stdio sandbox.Stdio
	if stdio.In, stdio.Out, stdio.Err, err = s.hub.Open(c.o.Interactive); err != nil {
		return fmt.Errorf("making the container's streams: %w", err)
	}
	stdio.Terminal, stdio.Owned = c.o.Terminal, true
	c.streams = &stdio
	if first != nil {
		s.hub.Attach(first, stdin)
	}
	if err := os.RemoveAll(c.stateDir()); err != nil { // of a monitor that was killed
		return fmt.Errorf("removing old state: %w", err)
	}
	if err := c.freeCgroup(); err != nil {
		return err
	}
	if err := c.prepare(); err != nil {
		return err
	}
	if err := s.open(c); err != nil {
		return err
	}
	if err := c.start(context.Background()); err != nil {
		return err
	}
	if !c.o.Terminal {
		s.hub.Started() // with a terminal they are the sandbox's to read and write
	}
	s.serve(c)
	return nil
}

// open makes the door, so that it is there before the state says "running".
func (s *service) open(c *container) error {
	var err error
	s.door, err = monitor.Listen(c.entry.Dir(), s.hub)
	return err
}

// serve answers at the door, and sees to it that a slow caller does not keep the end from being noted.
func (s *service) serve(c *container) {
	s.door.Idle = func() { time.AfterFunc(time.Second, release) }
	go s.door.Serve(&held{c: c})
	fd, err := unix.PidfdOpen(c.box.Pid(), 0)
	if err != nil || s.hub == nil {
		return
	}
	go func() {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(p, -1); err != unix.EINTR {
				break
			}
		}
		unix.Close(fd)
		select {
		case <-s.ending:
		case <-time.After(slowest):
			s.hub.Hurry()
		}
	}()
}

// slowest is how long the end of a container may wait for a caller that does not read.
const slowest = 500 * time.Millisecond

// end lets everybody go: the payload has ended.
func (s *service) end() error {
	close(s.ending)
	var errs []error
	if s.hub != nil {
		s.hub.Started()
		errs = append(errs, s.hub.Finish(slowest))
	}
	if s.door != nil {
		errs = append(errs, s.door.Close())
	}
	return errors.Join(errs...)
}

// failed notes that a container did not start; it stays.
func (c *container) failed(cause error) error {
	err := c.teardown()
	s, serr := c.entry.State()
	if s.Status == record.Running || s.Status == "" {
		s = record.State{Status: record.Created}
	}
	s.Error, s.ExitCode, s.Pid, s.StartTime, s.Monitor = cause.Error(), 125, 0, 0, 0
	var start *sandbox.StartError
	if errors.As(cause, &start) {
		s.ExitCode = start.Status
	}
	return errors.Join(err, serr, c.entry.SetState(s), c.entry.Close())
}
