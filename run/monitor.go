package run

import (
	"context"
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
	unix.CloseOnExec(3)
	if err := watch(os.NewFile(3, "command")); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
	return true
}

// watch is the monitor's life. An error before the start has been told to the command; one after it has
// been noted in the container's state.
func watch(socket *os.File) error {
	warm(socket)
	conn, err := net.FileConn(socket)
	socket.Close()
	if err != nil {
		return err
	}
	command, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("the command is behind no unix socket")
	}
	var h handover
	files, err := monitor.Receive(command, &h)
	if err != nil || len(files) == 0 {
		return errors.Join(err, command.Close()) // the command has made no container
	}
	enter.Adopt(h.Mapping)
	p, c, s, err := begin(files, h)
	reply(command, err)
	if err != nil {
		return err
	}
	if c.w.network.Mode == network.Private {
		runtime.GOMAXPROCS(2) // a start is quicker with one, the network with two
	}
	return p.keep(c, s)
}

func reply(command *net.UnixConn, err error) {
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
	_ = monitor.Send(command, s) // the command may have been killed: the container is wanted all the same
	command.Close()
}

// service is what a monitor does for others while the container runs.
type service struct {
	hub    *monitor.Hub // nil where the payload has the caller's own streams
	ending chan struct{}
}

// begin starts the container.
func begin(files []*os.File, h handover) (_ *post, _ *container, _ *service, err error) {
	var first net.Conn
	if h.Attached {
		if len(files) < 2 {
			return nil, nil, nil, errors.New("the caller's connection is missing")
		}
		if first, err = net.FileConn(files[1]); err != nil {
			return nil, nil, nil, err
		}
		files[1].Close()
	}
	options := Options{Dir: h.Dir, Mapping: h.Mapping}
	e, err := options.book().Inherit(h.ID, files[0])
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := h.container(e)
	if err != nil {
		return nil, nil, nil, err
	}
	if c.w.Join.Any() {
		if err := leaveOthers(c.o.book().Dir, e.Dir(), c.w.Join); err != nil {
			return nil, nil, nil, err
		}
	}
	c.noted = true
	c.width, c.height = h.Width, h.Height
	signals := make(chan os.Signal, 8)
	signal.Ignore(unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	signal.Notify(signals, unix.SIGTERM)
	p := &post{dismissed: make(chan struct{})}
	s, err := c.launch(p, first, h.Stdin)
	if err != nil {
		err = errors.Join(err, p.close())
		if h.New {
			c.o.CIDFile, c.cidFile = h.CIDFile, h.CIDFile != ""
			return nil, nil, nil, c.giveUp(err)
		}
		return nil, nil, nil, errors.Join(err, c.failed(err))
	}
	go func() {
		for range signals {
			_ = (&held{p: p}).Signal(c.stopSignal(), true)
		}
	}()
	return p, c, s, nil
}

func (h handover) container(e *record.Entry) (*container, error) {
	store, err := storage.Open(storage.Options{Dir: h.Dir, Mapping: h.Mapping})
	if err != nil {
		return nil, err
	}
	c, err := load(h.Dir, h.Mapping, store, e)
	return c, errors.Join(err, store.Close())
}

// launch makes the streams and the door and starts the payload. What it made it also takes back when it
// fails, but for the door and what teardown does.
func (c *container) launch(p *post, first net.Conn, stdin bool) (_ *service, err error) {
	s := &service{ending: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.end())
		}
	}()
	if err := c.entry.Begin(); err != nil {
		return nil, err
	}
	if p.turn == nil { // whatever the policy: it may be changed before the end
		if p.turn, err = c.entry.NewTurn(c.restarts); err != nil {
			return nil, err
		}
	}
	if s.hub, err = c.newHub(); err != nil {
		return nil, err
	}
	var stdio sandbox.Stdio
	if stdio.In, stdio.Out, stdio.Err, err = s.hub.Open(c.o.Interactive); err != nil {
		return nil, fmt.Errorf("making the container's streams: %w", err)
	}
	stdio.Terminal, stdio.Owned = c.o.Terminal, true
	stdio.Width, stdio.Height = c.width, c.height
	c.streams = &stdio
	if first != nil {
		s.hub.Attach(first, stdin)
	}
	if err := os.RemoveAll(c.stateDir()); err != nil { // of a monitor that was killed
		return nil, fmt.Errorf("removing old state: %w", err)
	}
	if err := c.freeCgroup(); err != nil {
		return nil, err
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if err := p.open(c); err != nil {
		return nil, err
	}
	if err := c.start(context.Background()); err != nil {
		return nil, err
	}
	if !c.o.Terminal {
		s.hub.Started() // with a terminal they are the sandbox's to read and write
	}
	p.serve(c, s)
	c.noteStart()
	p.watchHealth(c)
	return s, nil
}

// newHub makes the place where the container's streams meet, with its log.
func (c *container) newHub() (*monitor.Hub, error) {
	options, err := log.ParseOptions(c.entry.LogDriver, c.entry.LogOptions)
	if err != nil {
		return nil, err
	}
	var w *log.Writer
	if c.entry.LogDriver != log.None {
		if w, err = log.Create(log.Path(c.entry.Dir(), c.entry.ID), options); err != nil {
			return nil, err
		}
	}
	h := monitor.NewHub(w)
	h.Terminal = c.o.Terminal
	h.StdinOnce = c.entry.StdinOnce && !c.o.Terminal
	return h, nil
}

// slowest is how long the end of a container may wait for a caller that does not read.
const slowest = 500 * time.Millisecond

// end lets everybody go who has the payload's streams: it has ended.
func (s *service) end() error {
	close(s.ending)
	if s.hub == nil {
		return nil
	}
	s.hub.Started()
	return s.hub.Finish(slowest)
}

// failed notes that a container did not start; it stays.
func (c *container) failed(cause error) error {
	err := c.teardown()
	s, serr := c.entry.State()
	switch {
	case c.restarts > 0:
		s.Status = record.Exited
	case s.Active(), s.Status == "":
		s = record.State{Status: record.Created}
	}
	s.Error, s.ExitCode, s.Pid, s.StartTime, s.Monitor, s.MonitorStart = cause.Error(), 125, 0, 0, 0, 0
	var start *sandbox.StartError
	if errors.As(cause, &start) {
		s.ExitCode = start.Status
	}
	return errors.Join(err, serr, c.entry.SetState(s), c.entry.Close())
}
