// Package run is the life of a container: one verb a file.
//
// It takes an image's name and wishes, makes the container's record, filesystem, network and process
// in this order, waits, and gives the exit status; what it makes it also removes. Images come from
// storage, processes from run/sandbox. Nothing here calls fsync: what is recorded of a running
// container would not help after a power cut.
package run

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/standby"
)

// Run runs a container in the foreground and gives its exit status: the payload's, 128+n when signal
// n ended it. An error means that the payload did not run, or that something of it could not be put
// away; *sandbox.StartError carries Docker's status for it, every other error is 125.
//
// The first interrupt (SIGINT) is passed to the container like all other signals, the second kills
// it. When ctx is cancelled before the payload starts, the container is given up; afterwards ctx has
// no effect.
func Run(ctx context.Context, o Options) (status int, err error) {
	o.defaults()
	standby.Dismiss()
	hurried := hurry()
	defer hurried()
	signals := catchSignals(o)
	defer signals.stop()

	w, err := o.wishes()
	if err != nil {
		return 125, err
	}
	img, err := o.image(ctx)
	if err != nil {
		return 125, err
	}
	c, err := newContainer(ctx, o, img, w)
	if err != nil {
		return 125, err
	}
	if !o.Remove {
		if err := c.save(); err != nil {
			return 125, errors.Join(err, c.discard())
		}
	}
	if err := c.prepare(); err != nil {
		return 125, errors.Join(err, c.discard())
	}
	s, p := &service{ending: make(chan struct{})}, &post{dismissed: make(chan struct{})}
	if err := p.open(c); err != nil {
		return 125, errors.Join(err, c.discard())
	}
	if err := c.openLog(s); err != nil {
		return 125, errors.Join(err, s.end(), p.close(), c.discard())
	}
	if err := c.start(ctx); err != nil {
		return 125, c.giveUp(errors.Join(err, s.end(), p.close()))
	}
	if s.hub != nil && !o.Terminal {
		s.hub.Started()
	}
	p.serve(c, s)
	hurried()
	c.noteStart(c.created(), event.Container(c.entry.Container, "attach"))
	go settleSome(o.Dir)
	signals.forward(c)
	p.watchHealth(c)
	status, err = c.box.Wait()
	err = errors.Join(err, p.close(), s.endDrained(), c.end(status))
	if s.hub != nil {
		s.hub.Drained() // the container's end is noted
	}
	return status, err
}

// hurry makes the runtime do nothing beside a start, which is a chain of waits too short for garbage
// collections and for waking a second processor, until the function it gives is called.
func hurry() func() {
	percent, procs := debug.SetGCPercent(-1), runtime.GOMAXPROCS(1)
	return sync.OnceFunc(func() {
		debug.SetGCPercent(percent)
		runtime.GOMAXPROCS(procs)
	})
}
