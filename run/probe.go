package run

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/health"
	"github.com/dhow-containers/dhow/run/idle"
	"github.com/dhow-containers/dhow/run/monitor"
)

// watchHealth looks at the container from time to time, as its check says, until the run is over.
func (p *post) watchHealth(c *container) {
	if !health.On(c.entry.Healthcheck) {
		return
	}
	check := health.Check{Healthcheck: *c.entry.Healthcheck}
	args := check.Args(c.img.Config.Config.Shell)
	state := health.State{Status: health.Starting}
	_ = health.Write(c.entry.Dir(), state) // without it, it reads as starting all the same
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.probe = func() { cancel(); <-done }
	started, dir := c.started.Started, c.entry.Dir()
	h, l := &held{p: p}, c.live()
	go func() {
		defer close(done)
		for {
			timer := time.NewTimer(check.Wait(state, time.Since(started)))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			// One after the other: a probe that takes long delays the next.
			r := h.probe(ctx, l, args, check.Limit())
			if ctx.Err() != nil {
				return // it ended with the container
			}
			before := state.Status
			state = check.Add(state, r, started)
			_ = health.Write(dir, state)
			if state.Status != before {
				l.note("health_status: " + state.Status)
			}
			if check.Wait(state, time.Since(started)) >= time.Second {
				idle.Now()
			}
		}
	}()
}

// probe runs one probe. When its time is over it is killed with what it has started, as far as that
// stayed in its group of processes: nothing piles up.
func (h *held) probe(ctx context.Context, l *live, args []string, limit time.Duration) health.Result {
	r := health.Result{Start: time.Now(), ExitCode: health.Failed}
	fail := func(err error) health.Result {
		r.End, r.Output = time.Now(), err.Error()
		return r
	}
	out, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer out.Close()
	j, err := h.join(l, monitor.Exec{Args: args}, [3]*os.File{nil, w, w}, 0, 0)
	w.Close()
	if err != nil {
		if code, ok := err.(interface{ ExitCode() int }); ok {
			r.ExitCode = code.ExitCode()
		}
		return fail(err)
	}
	group := newGroup(j.Pid())
	defer group.close()
	text := collect(out)
	ended := make(chan int, 1)
	go func() {
		status, err := j.Wait()
		if err != nil {
			status = health.Failed
		}
		ended <- status
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r.ExitCode = <-ended:
		r.Output, r.End = text.get(), time.Now()
	case <-timer.C:
		group.kill()
		<-ended
		r.Output, r.End = fmt.Sprintf("Health check exceeded timeout (%v)", limit), time.Now()
		if said := text.get(); said != "" {
			r.Output += ": " + said
		}
	case <-ctx.Done():
		group.kill()
		<-ended
	}
	return r
}

// group is the process group of a process that leads one, by a descriptor that is never another's.
type group struct{ fd, pid int }

func newGroup(pid int) group {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		fd = -1
	}
	return group{fd, pid}
}

// signalGroup is PIDFD_SIGNAL_PROCESS_GROUP of pidfd_send_signal(2), since Linux 6.9.
const signalGroup = 4

func (g group) kill() {
	if g.fd < 0 {
		return
	}
	if err := unix.PidfdSendSignal(g.fd, unix.SIGKILL, nil, signalGroup); err == unix.EINVAL {
		_ = unix.PidfdSendSignal(g.fd, unix.SIGKILL, nil, 0)
	}
}

func (g group) close() {
	if g.fd >= 0 {
		unix.Close(g.fd)
	}
}

// collected is the beginning of an output; the rest is read and dropped.
type collected struct {
	mu   sync.Mutex
	text []byte
	more bool
	done chan struct{}
}

func collect(from *os.File) *collected {
	c := &collected{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			c.mu.Lock()
			room := min(n, health.MaxOutput-len(c.text))
			c.text, c.more = append(c.text, buf[:room]...), c.more || room < n
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// get gives what came until the end of it, or for a moment: somebody may hold the other end for ever.
func (c *collected) get() string {
	select {
	case <-c.done:
	case <-time.After(100 * time.Millisecond):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more {
		return string(c.text) + "..."
	}
	return string(c.text)
}
