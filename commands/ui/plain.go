package ui

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/dhow-containers/dhow/storage/progress"
)

// plain writes a build as BuildKit's plain progress does: lines of one step at a time, each with
// the step's number, so that a log of parallel steps stays readable.
//
//	#5 [build 2/4] RUN make
//	#5 0.123 cc -c main.c
//	#5 DONE 1.4s
type plain struct {
	mu      sync.Mutex
	out     io.Writer
	w       bytes.Buffer // what an event made; written to out at once
	colour  bool
	trace   *trace
	pending map[*step][]string // lines of steps that are not the one being shown
	waiting map[*step]time.Time
	current *step
	shown   time.Time // when the current step last had something to say
	next    int
	first   bool
	moved   map[*row]moved
	ended   chan struct{} // stops the ticker; nil when there is none
}

// moved is when and where a row was last printed.
type moved struct {
	at      time.Time
	current int64
	ended   bool
}

const (
	patience    = 5 * time.Second // how long a step waits while another one talks
	rowInterval = 5 * time.Second
	rowDelta    = 0.05
)

func newPlain(w io.Writer, colour bool) *plain {
	return &plain{out: w, colour: colour, trace: newTrace(), pending: map[*step][]string{}, waiting: map[*step]time.Time{},
		first: true, moved: map[*row]moved{}}
}

// keepTicking calls tick every second until close.
func (p *plain) keepTicking() {
	p.ended = make(chan struct{})
	go func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-p.ended:
				return
			case now := <-t.C:
				p.tick(now)
			}
		}
	}()
}

func (p *plain) event(e progress.Event) {
	p.mu.Lock()
	defer p.flush()
	c := p.trace.apply(e)
	if c.step == nil || c.step.started.IsZero() {
		return
	}
	s := c.step
	for _, r := range c.rows {
		if line := p.row(r, e.Time); line != "" {
			p.add(s, line, e.Time)
		}
	}
	if c.warn != "" {
		p.add(s, "WARN: "+Escape(c.warn), e.Time)
	}
	for _, l := range c.lines {
		p.add(s, stamp(l.at)+" "+LogLine(l.text, p.colour), e.Time)
	}
	if c.ended {
		p.add(s, verdict(s), e.Time)
	} else if s.number == 0 && p.current != s {
		p.add(s, "", e.Time) // its header
	}
	p.turn(s, e.Time)
}

// flush writes what there is and ends the work on an event.
func (p *plain) flush() {
	if p.w.Len() > 0 {
		_, _ = p.out.Write(p.w.Bytes()) // a reader that went away does not stop a build
		p.w.Reset()
	}
	p.mu.Unlock()
}

func (p *plain) add(s *step, line string, now time.Time) {
	if _, ok := p.waiting[s]; !ok {
		p.waiting[s] = now
	}
	if line != "" || len(p.pending[s]) == 0 {
		p.pending[s] = append(p.pending[s], line)
	}
}

// turn decides who speaks: the step that spoke, while it runs; a step that ended, at once; another
// one when it has waited long or the speaker has been silent.
func (p *plain) turn(s *step, now time.Time) {
	if p.current == nil || p.current == s || s.finished() {
		p.say(s, now)
	} else if since, ok := p.waiting[s]; ok && (now.Sub(since) >= patience || now.Sub(p.shown) >= patience) && len(p.pending[s]) > 0 {
		p.say(s, now)
	}
	if p.current != nil {
		return
	}
	// the floor is free: whoever has waited longest
	var longest *step
	for w, since := range p.waiting {
		if len(p.pending[w]) > 0 && (longest == nil || since.Before(p.waiting[longest]) || since.Equal(p.waiting[longest]) && p.order(w) < p.order(longest)) {
			longest = w
		}
	}
	if longest != nil {
		p.say(longest, now)
	}
}

func (p *plain) order(s *step) int { return slices.Index(p.trace.steps, s) }

// say prints what s has to say, with its header when another one spoke before.
func (p *plain) say(s *step, now time.Time) {
	if s.number == 0 {
		p.next++
		s.number = p.next
	}
	if p.current != s {
		if p.current != nil {
			fmt.Fprintf(&p.w, "#%d ...\n", p.current.number)
		}
		if !p.first {
			fmt.Fprintln(&p.w)
		}
		p.first = false
		fmt.Fprintf(&p.w, "#%d %s\n", s.number, Escape(s.name))
	}
	for _, line := range p.pending[s] {
		if line != "" {
			fmt.Fprintf(&p.w, "#%d %s\n", s.number, line)
		}
	}
	delete(p.pending, s)
	delete(p.waiting, s)
	p.current, p.shown = s, now
	if s.finished() {
		p.current = nil
	}
}

// tick lets a step speak that has waited long while no event came.
func (p *plain) tick(now time.Time) {
	p.mu.Lock()
	defer p.flush()
	for _, s := range p.trace.steps {
		if since, ok := p.waiting[s]; ok && now.Sub(since) >= patience && now.Sub(p.shown) >= patience {
			p.say(s, now)
			return
		}
	}
}

// row gives the line of a row that began, moved enough or ended; "" when it is not worth one.
func (p *plain) row(r *row, now time.Time) string {
	last, ok := p.moved[r]
	ended := !r.ended.IsZero()
	if ok && (last.ended || !ended && now.Sub(last.at) < rowInterval &&
		(r.total <= 0 || float64(r.current-last.current)/float64(r.total) < rowDelta)) {
		return ""
	}
	p.moved[r] = moved{at: now, current: r.current, ended: ended}
	line := Escape(r.label())
	if a := r.amount(); a != "" {
		line += " " + a
	}
	if d := elapsed(r.started, r.ended, now); d > 10*time.Millisecond {
		line += fmt.Sprintf(" %.1fs", d.Seconds())
	}
	if ended {
		line += " done"
	}
	return line
}

func verdict(s *step) string {
	switch s.state {
	case progress.Cached:
		return "CACHED"
	case progress.Canceled:
		return "CANCELED"
	case progress.Failed:
		if s.err != nil {
			return "ERROR: " + Escape(s.err.Error())
		}
		return "ERROR"
	}
	return fmt.Sprintf("DONE %.1fs", elapsed(s.started, s.ended, s.ended).Seconds())
}

// close prints what has not been said yet and the ends of the failures.
func (p *plain) close(failed bool) {
	if p.ended != nil {
		close(p.ended)
	}
	p.mu.Lock()
	defer p.flush()
	for _, s := range p.trace.steps {
		if len(p.pending[s]) > 0 && (s.finished() || len(p.pending[s]) > 1 || p.pending[s][0] != "") {
			p.say(s, time.Now())
		}
	}
	if failed {
		p.trace.writeFailures(&p.w, 10, p.colour)
	}
	p.trace.writeWarnings(&p.w)
}
