package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	units "github.com/docker/go-units"
	"github.com/mattn/go-runewidth"

	"github.com/dhow-containers/dhow/storage/progress"
)

// Direction tells which words docker has for a transfer.
type Direction int

const (
	Pulling Direction = iota
	Pushing
	Loading
)

// Transfer shows the layers of a pull, push or load as docker does: a line with a bar for each layer
// on a terminal, a plain line at each change of state elsewhere.
//
// Items that other items name as their Group are the transfer as a whole and get no line; a failed
// item's error is the command's and is not repeated.
type Transfer struct {
	mu      sync.Mutex
	dir     Direction
	w       io.Writer
	repaint bool
	size    func() (width, height int)
	items   []*item
	byID    map[string]*item
	painted []int
	dirty   bool
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

type item struct {
	label          string
	status         string
	said           string // the last status that was printed in a plain line
	current, total int64
	bar            bool
	whole          bool // not a layer
	rate           rate
}

// NewTransfer makes the display on out; quiet makes one that shows nothing.
func NewTransfer(dir Direction, out *os.File, quiet bool) *Transfer {
	t := &Transfer{dir: dir, w: out, byID: map[string]*item{}, stop: make(chan struct{})}
	if quiet {
		t.w = nil
		return t
	}
	t.size = func() (int, int) { return terminalSize(out) }
	if Repaints(out) {
		t.repaint = true
		t.done.Add(1)
		go t.paintEveryFrame()
	}
	return t
}

// Event takes one event; it may be called from many goroutines.
func (t *Transfer) Event(e progress.Event) {
	if t.w == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Warning != "" {
		t.interrupt("warning: " + Escape(e.Warning))
	}
	if e.Group != "" {
		if g := t.byID[e.Group]; g != nil {
			g.whole = true
		}
	}
	if e.ID == "" {
		return
	}
	it := t.byID[e.ID]
	if it == nil {
		it = &item{label: label(e), whole: e.Group == "" && !isDigest(e.ID)}
		t.byID[e.ID] = it
		t.items = append(t.items, it)
	}
	if e.Total > 0 || e.Current > 0 {
		it.current, it.total = e.Current, e.Total
		it.rate.add(e.Time, e.Current)
	}
	it.status, it.bar = t.words(e)
	t.dirty = true
	if !t.repaint && !it.whole && it.status != it.said && it.status != "" {
		fmt.Fprintf(t.w, "%s: %s\n", it.label, it.status)
		it.said = it.status
	}
}

// Close paints the last picture; nothing is written afterwards.
func (t *Transfer) Close() {
	t.once.Do(func() {
		close(t.stop)
		t.done.Wait()
		if t.repaint && t.w != nil {
			t.mu.Lock()
			t.paint()
			t.mu.Unlock()
		}
	})
}

// words gives docker's words for where a layer stands, and whether a bar belongs to it.
func (t *Transfer) words(e progress.Event) (string, bool) {
	done, cached, begun, moving := "Pull complete", "Already exists", "Pulling fs layer", "Downloading"
	switch t.dir {
	case Pushing:
		done, cached, begun, moving = "Pushed", "Layer already exists", "Preparing", "Pushing"
	case Loading:
		done, cached, begun, moving = "Loaded", "Already exists", "Loading layer", "Loading layer"
	}
	switch e.State {
	case progress.Done:
		return done, false
	case progress.Cached:
		return cached, false
	case progress.Failed:
		return "Error", false
	case progress.Canceled:
		return "Canceled", false
	case progress.Waiting:
		return begun, false
	}
	switch e.Action {
	case "downloading", "uploading", "pushing", "copying", "loading":
		return moving, e.Current > 0 || e.Total > 0
	case "":
		if e.Current > 0 {
			return moving, true
		}
		return begun, false
	}
	return strings.ToUpper(e.Action[:1]) + Escape(e.Action[1:]), e.Total > 0
}

func label(e progress.Event) string {
	if isDigest(e.ID) {
		return ShortID(e.ID)
	}
	return Ellipsis(Escape(firstOf(e.Name, e.ID)), 40)
}

func isDigest(id string) bool {
	algorithm, digits, ok := strings.Cut(id, ":")
	return ok && (algorithm == "sha256" || algorithm == "sha512") && len(digits) >= 32
}

func (t *Transfer) paintEveryFrame() {
	defer t.done.Done()
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			t.mu.Lock()
			if t.dirty {
				t.paint()
			}
			t.mu.Unlock()
		}
	}
}

// paint writes all lines in place. When there are more than the terminal is high, those that have
// ended are left out.
func (t *Transfer) paint() {
	t.dirty = false
	width, height := t.size()
	var lines []string
	for _, it := range t.items {
		if !it.whole {
			lines = append(lines, cells(it.line(width), width-1))
		}
	}
	if over := len(lines) - max(1, height-1); over > 0 {
		lines = lines[over:]
	}
	var b strings.Builder
	up := 0
	for _, n := range t.painted {
		up += max(1, (n+width-1)/width)
	}
	if up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", min(up, max(1, height-1)))
	}
	b.WriteByte('\r')
	t.painted = t.painted[:0]
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
		t.painted = append(t.painted, runewidth.StringWidth(l))
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(t.w, b.String())
}

// interrupt prints a line above the picture.
func (t *Transfer) interrupt(text string) {
	if !t.repaint {
		fmt.Fprintln(t.w, text)
		return
	}
	if up := len(t.painted); up > 0 {
		fmt.Fprintf(t.w, "\x1b[%dA", up)
	}
	fmt.Fprintf(t.w, "\r\x1b[J%s\n", text)
	t.painted = t.painted[:0]
	t.paint()
}

// line is docker's: "3d2430473443: Downloading [=====>      ]  1.2MB/3.6MB", with speed and time left
// where there is room.
func (it *item) line(width int) string {
	s := it.label + ": " + it.status
	if !it.bar {
		return s
	}
	amount, speed := units.HumanSizeWithPrecision(float64(it.current), 4), it.rate.words(it.current, it.total)
	if it.total > 0 {
		amount += "/" + units.HumanSizeWithPrecision(float64(it.total), 4)
		if width > 110 || width > len(s)+len(amount)+54 {
			filled := int(min(50, 50*it.current/it.total))
			head := ">"
			if filled == 50 {
				head = ""
			}
			s += " [" + strings.Repeat("=", filled) + head + strings.Repeat(" ", 50-filled-len(head)) + "]"
		}
	}
	if s += "  " + amount; len(s)+len(speed) < width {
		s += speed
	}
	return s
}
