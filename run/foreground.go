package run

import (
	"time"

	"github.com/dhow-containers/dhow/run/log"
	"github.com/dhow-containers/dhow/run/sandbox"
)

// openLog puts a log between the payload and the caller's streams, unless nobody could ever read it:
// with --rm the payload has the caller's own descriptors where it may.
func (c *container) openLog(s *service) error {
	if c.o.Remove || c.entry.LogDriver == log.None {
		return nil
	}
	if _, err := c.stdio(); err != nil { // a terminal that is none
		return err
	}
	hub, err := c.newHub()
	if err != nil {
		return err
	}
	s.hub, hub.Warn = hub, c.o.Warn
	if err := hub.Tee(c.o.Stdout, c.o.Stderr, !c.o.Terminal && sandbox.SameStream(c.o.Stdout, c.o.Stderr)); err != nil {
		return err
	}
	stdio := sandbox.Stdio{Terminal: c.o.Terminal, Owned: true}
	if stdio.In, stdio.Out, stdio.Err, err = hub.Open(c.o.Interactive); err != nil {
		return err
	}
	c.streams = &stdio
	if c.o.Interactive {
		hub.Feed(c.o.Stdin)
	}
	return nil
}

// endDrained is end, when every byte that the payload wrote has arrived.
func (s *service) endDrained() error {
	close(s.ending)
	if s.hub == nil {
		return nil
	}
	s.hub.Started()
	// An attached caller that does not read keeps nobody; our own caller gets every byte.
	late := time.AfterFunc(slowest, s.hub.Hurry)
	defer late.Stop()
	return s.hub.Finish(-1)
}
