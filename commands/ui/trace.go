package ui

import (
	"fmt"
	"io"
	"time"

	"github.com/dhow-containers/dhow/storage/progress"
)

// trace is what is known of a build: its steps in the order they were heard of, made from events.
type trace struct {
	steps   []*step
	byID    map[string]*step
	rows    map[string]*row // items with a Group, by group and id
	started time.Time
	// warnings are all that came, in order.
	warnings []string
}

// step is an item without a group: an instruction, the export.
type step struct {
	id, name       string
	number         int // in plain output; 0 until it is printed
	state          progress.State
	started, ended time.Time
	err            error
	rows           []*row
	action         *row // the phase of the step itself
	log            lines
	warnings       []string
}

// row is a part of a step: a layer of a pull, a phase of the export.
type row struct {
	id             string
	action         string
	bytes          bool
	current, total int64
	started, ended time.Time
}

func newTrace() *trace {
	return &trace{byID: map[string]*step{}, rows: map[string]*row{}}
}

// finished reports whether the step has ended.
func (s *step) finished() bool { return !s.ended.IsZero() }

// running reports whether the step began and has not ended.
func (s *step) running() bool { return !s.started.IsZero() && s.ended.IsZero() }

func elapsed(started, ended, now time.Time) time.Duration {
	if started.IsZero() {
		return 0
	}
	if ended.IsZero() {
		ended = now
	}
	return max(0, ended.Sub(started))
}

// label is the row as it is shown: "extracting sha256:…".
func (r *row) label() string {
	switch r.action {
	case "", "downloading", "uploading", "copying":
		return r.id
	case r.id:
		return r.id
	}
	if r.id == "" {
		return r.action
	}
	return r.action + " " + r.id
}

func (r *row) amount() string {
	switch {
	case !r.bytes:
		return ""
	case r.total > 0:
		return bytesOf(r.current) + " / " + bytesOf(r.total)
	case r.current > 0:
		return bytesOf(r.current)
	}
	return ""
}

// change is what an event did.
type change struct {
	step  *step
	rows  []*row // that began, moved or ended
	lines []logLine
	warn  string
	ended bool
}

// apply takes an event into the trace.
func (t *trace) apply(e progress.Event) change {
	if e.Warning != "" {
		t.warnings = append(t.warnings, e.Warning)
	}
	id := e.ID
	if e.Group != "" && t.byID[e.Group] != nil {
		id = e.Group
	}
	s := t.byID[id]
	if s == nil {
		if e.Name == "" && id == "" {
			return change{warn: e.Warning}
		}
		s = &step{id: id, name: firstOf(e.Name, id), state: progress.Waiting}
		t.byID[id] = s
		t.steps = append(t.steps, s)
	}
	c := change{step: s, warn: e.Warning}
	if e.Warning != "" {
		s.warnings = append(s.warnings, e.Warning)
	}
	if id != e.ID {
		c.rows = t.applyRow(s, e)
		return c
	}
	if e.Name != "" {
		s.name = e.Name
	}
	if e.State == progress.Waiting || s.finished() {
		return c
	}
	if s.started.IsZero() {
		s.started = e.Time
		if t.started.IsZero() {
			t.started = e.Time
		}
	}
	s.state = e.State
	if len(e.Log) > 0 {
		c.lines = s.log.write(e.Log, e.Time.Sub(s.started).Seconds())
	}
	if e.Action != "" && (s.action == nil || s.action.action != e.Action) {
		if s.action != nil && s.action.ended.IsZero() {
			s.action.ended = e.Time
			c.rows = append(c.rows, s.action)
		}
		s.action = &row{action: e.Action, started: e.Time, bytes: e.Unit == ""}
		s.rows = append(s.rows, s.action)
	}
	if s.action != nil && e.State == progress.Running && (e.Action != "" || e.Current > 0) {
		s.action.current, s.action.total = e.Current, e.Total
		c.rows = append(c.rows, s.action)
	}
	if e.State != progress.Running {
		s.ended, s.err = e.Time, e.Err
		c.ended = true
		c.lines = append(c.lines, s.log.end(e.Time.Sub(s.started).Seconds())...)
		for _, r := range s.rows {
			if r.ended.IsZero() {
				r.ended = e.Time
				if e.State == progress.Done {
					c.rows = append(c.rows, r)
				}
			}
		}
	}
	return c
}

// applyRow takes an event of an item that belongs to s.
func (t *trace) applyRow(s *step, e progress.Event) []*row {
	if s.started.IsZero() {
		s.started = e.Time
		if t.started.IsZero() {
			t.started = e.Time
		}
	}
	key := e.Group + "\x00" + e.ID
	r := t.rows[key]
	var out []*row
	if r != nil && r.ended.IsZero() && e.Action != "" && e.Action != r.action {
		// the next phase of a layer is a row of its own
		r.ended, r.current = e.Time, max(r.current, r.total)
		out = append(out, r)
		r = &row{id: r.id, action: e.Action, started: e.Time}
	} else if r == nil {
		r = &row{id: firstOf(e.Name, e.ID), action: e.Action, started: e.Time}
	} else if !r.ended.IsZero() {
		return nil
	}
	if t.rows[key] != r {
		t.rows[key] = r
		s.rows = append(s.rows, r)
	}
	r.bytes = e.Unit == ""
	if e.Current > 0 || e.Total > 0 {
		r.current, r.total = e.Current, e.Total
	}
	if e.State != progress.Running && e.State != progress.Waiting {
		r.ended = e.Time
		if e.State == progress.Done {
			r.current = max(r.current, r.total)
		}
	}
	return append(out, r)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// counts gives how many steps have ended, of how many known ones.
func (t *trace) counts() (done, all int) {
	for _, s := range t.steps {
		if s.finished() {
			done++
		}
	}
	return done, len(t.steps)
}

// writeFailures prints the last output of each failed step, between rules, as BuildKit does; limit
// is the number of lines of each, 0 all that are kept.
func (t *trace) writeFailures(w io.Writer, limit int, colour bool) {
	for _, s := range t.steps {
		if s.state != progress.Failed || len(s.log.kept) == 0 {
			continue
		}
		fmt.Fprintf(w, "------\n > %s:\n", Escape(s.name))
		kept := s.log.kept
		if limit > 0 && len(kept) > limit {
			kept = kept[len(kept)-limit:]
		}
		for _, l := range kept {
			fmt.Fprintf(w, "%s %s\n", stamp(l.at), LogLine(l.text, colour))
		}
		fmt.Fprintln(w, "------")
	}
}

// writeWarnings prints all warnings as buildx does at the end.
func (t *trace) writeWarnings(w io.Writer) {
	if len(t.warnings) == 0 {
		return
	}
	plural := "s"
	if len(t.warnings) == 1 {
		plural = ""
	}
	fmt.Fprintf(w, "\n %d warning%s found:\n", len(t.warnings), plural)
	for _, text := range t.warnings {
		fmt.Fprintf(w, " - %s\n", Escape(text))
	}
}

// stamp gives seconds with BuildKit's precision: "0.123", "12.34", "123.4".
func stamp(seconds float64) string {
	seconds = max(0, seconds)
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.3f", seconds)
	case seconds < 100:
		return fmt.Sprintf("%.2f", seconds)
	}
	return fmt.Sprintf("%.1f", seconds)
}
