package run

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/idle"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
)

// post is a process's hold on one container through all its runs: the door, and who is behind it.
type post struct {
	door *monitor.Server
	turn *record.Turn // of the present run; nil in the foreground

	joining sync.Mutex // held while a process is added

	mu        sync.Mutex
	running   *live // nil between two runs
	name      string
	stop      string        // the container's own stop signal, "" for none
	dismissed chan struct{} // closed by dismiss
	once      sync.Once
	probe     func() // ends the probes of the present run and waits for that
	kills     func() // ends telling of the present run's kills; nil when nothing tells of them
}

// current is the run that goes on.
func (p *post) current() *live {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

func (p *post) set(l *live) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = l
}

// dismiss says that the container is not to be started again.
func (p *post) dismiss() { p.once.Do(func() { close(p.dismissed) }) }

func (p *post) isDismissed() bool {
	select {
	case <-p.dismissed:
		return true
	default:
		return false
	}
}

// ends tells whether a signal by kill is one to end the container, as docker sees it: SIGKILL and its
// stop signal, and any signal where it names none (moby: daemon/kill.go).
func (p *post) ends(sig unix.Signal) bool {
	return sig == unix.SIGKILL || p.stop == "" || stopSignalOf(p.stop) == sig
}

// resting is the answer to what only a running container can do.
func (p *post) resting() error {
	return coded{fmt.Errorf("container %s %w", p.name, monitor.ErrBetween), 1}
}

// open makes the door, so that it is there before the state says "running".
func (p *post) open(c *container) (err error) {
	if p.door == nil {
		p.name, p.stop = c.entry.Name, c.entry.StopSignal
		p.door, err = monitor.Listen(c.entry.Dir())
	}
	return err
}

// serve answers at the door, and sees to it that a slow caller does not keep the end from being noted.
func (p *post) serve(c *container, s *service) {
	p.door.SetHub(s.hub, "the container has the streams of the command that started it and can not be attached to")
	first := p.door.Idle == nil
	p.set(c.live())
	p.kills = c.noteKills()
	if first {
		p.door.Idle = func() { time.AfterFunc(time.Second, idle.Now) }
		go p.door.Serve(&held{p: p})
	}
	if s.hub == nil {
		return
	}
	fd, err := unix.PidfdOpen(c.box.Pid(), 0)
	if err != nil {
		return
	}
	go func() {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(poll, -1); err != unix.EINTR {
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

// leave ends what goes on for others while the payload runs: it has ended.
func (p *post) leave() {
	p.set(nil)
	if p.probe != nil {
		p.probe()
		p.probe = nil
	}
	if p.kills != nil {
		p.kills()
		p.kills = nil
	}
}

// close closes the door.
func (p *post) close() error {
	p.leave()
	if p.door == nil {
		return nil
	}
	return p.door.Close()
}

// keep waits for the end of the payload, and starts it again as long as the container's policy says so.
func (p *post) keep(c *container, s *service) error {
	back := record.Backoff{Policy: c.entry.Restart}
	go idle.Keep()
	// Those who are attached read to the end; the container's end is noted by then and waits for nobody.
	defer func() {
		if s != nil && s.hub != nil {
			s.hub.Drained()
		}
	}()
	for {
		status, err := c.box.Wait()
		p.leave()
		err = errors.Join(err, s.end())
		c.amended()
		back.Policy = c.entry.Restart
		wait, again := back.Next(status, time.Since(c.started.Started))
		if !again || p.isDismissed() {
			return p.finish(c, status, errors.Join(err, p.close()))
		}
		next, rerr := p.rest(c, status, back.Count, wait)
		if next == nil {
			return p.finish(c, status, errors.Join(err, rerr, p.close()))
		}
		c = next
		if s, err = c.launch(p, nil, false); err != nil {
			return p.finishWith(status, errors.Join(err, p.close(), c.failed(err)))
		}
		if p.isDismissed() { // while it was being started
			_ = c.box.Signal(unix.SIGKILL)
		}
		time.AfterFunc(2*time.Second, idle.Now)
	}
}

// finish notes the last end.
func (p *post) finish(c *container, status int, err error) error {
	c.stopped = p.isDismissed()
	return p.finishWith(status, errors.Join(err, c.end(status)))
}

// finishWith lets those go who wait; the container's lock is free by then.
func (p *post) finishWith(status int, err error) error {
	return errors.Join(err, p.turn.End(status))
}

// rest puts the ended run of a container away, waits, and gives the container for the next one; nil when
// it was stopped meanwhile.
func (p *post) rest(c *container, status, count int, wait time.Duration) (*container, error) {
	p.door.SetHub(nil, p.resting().Error())
	next, oom := c.again(count), OOMKilled(c.started)
	err := c.teardown()
	c.box, c.owners, c.work, c.initDir, c.ports = nil, nil, nil, "", nil
	c.noteEnd(status, oom)
	c.ended = true
	turn, terr := c.entry.NewTurn(count)
	if terr == nil {
		s := c.started
		s.Status, s.ExitCode, s.Finished, s.Pid, s.StartTime, s.Ports = record.Restarting, status, time.Now().UTC(), 0, 0, nil
		s.Restarts, s.Cgroup, s.OOMKilled = count, "", oom
		terr = c.entry.SetState(s)
	}
	if terr != nil {
		return nil, errors.Join(err, terr)
	}
	err = errors.Join(err, p.turn.End(status))
	p.turn = turn
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.dismissed:
		return nil, err
	case <-timer.C:
		if p.isDismissed() {
			return nil, err
		}
		next.amended()
		return next, err
	}
}

// amended takes over what update and rename have changed in the container's record meanwhile.
func (c *container) amended() {
	if now, err := c.entry.Reread(); err == nil {
		c.entry.Name, c.entry.Restart, c.entry.Limits = now.Name, now.Restart, now.Limits
		c.w.Limits = now.Limits
	}
}

// again is the container for another run of it, which opens the same ports.
func (c *container) again(count int) *container {
	next := *c
	next.restarts, next.streams, next.started = count, nil, record.State{}
	next.box, next.owners, next.work, next.initDir, next.ports, next.shm = nil, nil, nil, "", nil, ""
	next.placed = placed{}
	next.entry.Publish = boundAgain(c.entry.Publish, c.ports.Bindings())
	next.w.network.Listeners = nil
	return &next
}
