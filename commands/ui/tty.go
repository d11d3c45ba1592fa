package ui

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/dhow-containers/dhow/storage/progress"
)

const (
	frameInterval = 100 * time.Millisecond
	tailLines     = 6
)

// tty shows a build as BuildKit does on a terminal: a header with counts, a line for each step with
// its time, the rows of a step below it, and the last lines of output of running steps, repainted in
// place within the terminal's size.
type tty struct {
	mu    sync.Mutex
	trace *trace
	dirty bool

	out     *os.File
	size    func() (width, height int)
	now     func() time.Time
	c       colours
	tail    int
	painted []int // cells of each line of the last frame, to know where it begins after a resize
	begun   time.Time
	stop    chan struct{}
	done    sync.WaitGroup
}

func newTTY(out *os.File, noColor bool) *tty {
	t := &tty{trace: newTrace(), out: out, now: time.Now, begun: time.Now(), stop: make(chan struct{}), tail: tailLines,
		size: func() (int, int) { return terminalSize(out) },
		c:    newColours(noColor, os.Getenv("BUILDKIT_COLORS"))}
	if n, err := strconv.Atoi(os.Getenv("BUILDKIT_TTY_LOG_LINES")); err == nil && n >= 0 && n <= 100 {
		t.tail = n
	}
	t.done.Add(1)
	go t.paintEveryFrame()
	return t
}

func (t *tty) event(e progress.Event) {
	t.mu.Lock()
	t.trace.apply(e)
	t.dirty = true
	t.mu.Unlock()
}

func (t *tty) paintEveryFrame() {
	defer t.done.Done()
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			t.mu.Lock()
			known := len(t.trace.steps) > 0
			t.mu.Unlock()
			if known {
				t.paint(false)
			}
		}
	}
}

func (t *tty) close(failed bool) {
	close(t.stop)
	t.done.Wait()
	if len(t.trace.steps) == 0 {
		return
	}
	t.paint(true)
	if failed {
		t.trace.writeFailures(t.out, 0, t.c.reset != "")
	}
	t.trace.writeWarnings(t.out)
}

// paint writes one frame in one write: the cursor goes back to where the last frame began, each
// line is cleared behind its text, and what is left of a longer frame is cleared.
func (t *tty) paint(final bool) {
	width, height := t.size()
	t.mu.Lock()
	frame := t.frame(width, height, final)
	t.mu.Unlock()
	var b strings.Builder
	b.WriteString("\x1b[?25l")
	up := 0
	for _, cells := range t.painted { // a narrower terminal has wrapped the old lines
		up += max(1, (cells+width-1)/width)
	}
	if up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", min(up, max(1, height-1)))
	}
	b.WriteByte('\r')
	t.painted = t.painted[:0]
	for _, l := range frame {
		b.WriteString(l.style)
		b.WriteString(l.text)
		if l.style != "" {
			b.WriteString(t.c.reset)
		}
		b.WriteString("\x1b[K\n")
		t.painted = append(t.painted, runewidth.StringWidth(l.text))
	}
	b.WriteString("\x1b[J\x1b[?25h")
	_, _ = t.out.WriteString(b.String())
}

// line is one line of a frame. A line that must stay on the screen when there is little room has a
// higher weight.
type line struct {
	text, style string
	weight      int
}

// weights: lines of ended steps go first, oldest first, then tails, then rows, then running steps
const (
	weightEnded = iota
	weightTail
	weightRow
	weightRunning
)

// frame gives the lines of the picture, at most height-1 of them unless it is the final one.
func (t *tty) frame(width, height int, final bool) []line {
	now := t.now()
	begun := t.begun
	if !t.trace.started.IsZero() && t.trace.started.Before(begun) {
		begun = t.trace.started
	}
	done, all := t.trace.counts()
	head := fmt.Sprintf("[+] Building %.1fs (%d/%d)", now.Sub(begun).Seconds(), done, all)
	if final && done == all && all > 0 {
		head += " FINISHED"
	}
	lines := []line{{text: cells(head, width-1), weight: weightRunning + 1}}
	for _, s := range t.trace.steps {
		if s.started.IsZero() {
			continue
		}
		lines = append(lines, t.stepLines(s, width, now, final)...)
	}
	if final {
		return lines
	}
	return fit(lines, max(1, height-1))
}

func (t *tty) stepLines(s *step, width int, now time.Time, final bool) []line {
	name, style, weight := s.name, "", weightRunning
	switch s.state {
	case progress.Done:
		style, weight = t.c.run, weightEnded
	case progress.Cached:
		name, style, weight = "CACHED "+name, t.c.run, weightEnded
	case progress.Failed:
		name, style, weight = "ERROR "+name, t.c.fail, weightRunning
	case progress.Canceled:
		name, style, weight = "CANCELED "+name, t.c.cancel, weightEnded
	}
	out := []line{{timed(" => ", name, "", elapsed(s.started, s.ended, now), width), style, weight}}
	for _, r := range s.rows {
		w, style := weightRow, ""
		if !r.ended.IsZero() {
			w, style = weightEnded, t.c.run
		}
		out = append(out, line{timed(" => => ", r.label(), r.amount(), elapsed(r.started, r.ended, now), width), style, w})
	}
	for _, warning := range s.warnings {
		out = append(out, line{timed(" => ", "WARN: "+warning, "", 0, width), t.c.warn, weightEnded})
	}
	if s.running() && !final {
		for _, text := range s.log.window(t.tail) {
			out = append(out, line{cells(" => => # "+strings.ReplaceAll(text, "\t", "    "), width-1), t.c.faint, weightTail})
		}
	}
	return out
}

// timed gives prefix, name and amount on the left and the time on the right of a line.
func timed(prefix, name, amount string, d time.Duration, width int) string {
	if d < 50*time.Millisecond {
		d = 0
	}
	right := fmt.Sprintf(" %.1fs", d.Seconds())
	room := width - 1 - len(prefix) - len(right)
	if room < 12 { // too small for a picture
		return cells(prefix+Escape(name), width-1)
	}
	left := Escape(name)
	if amount != "" && room-len(amount)-1 >= 8 {
		left = cells(left, room-len(amount)-1) + " " + amount
	}
	left = cells(left, room)
	return prefix + left + strings.Repeat(" ", max(0, room-runewidth.StringWidth(left))) + right
}

// cells cuts s to at most width cells.
func cells(s string, width int) string {
	if width <= 0 {
		return ""
	}
	return runewidth.Truncate(s, width, "")
}

// fit leaves out lines, the lightest and oldest first, until at most limit are left.
func fit(lines []line, limit int) []line {
	for weight := weightEnded; len(lines) > limit && weight <= weightRunning; weight++ {
		excess := len(lines) - limit
		kept := make([]line, 0, len(lines))
		for _, l := range lines {
			if excess > 0 && l.weight == weight {
				excess--
				continue
			}
			kept = append(kept, l)
		}
		lines = kept
	}
	return lines[:min(len(lines), limit)]
}
