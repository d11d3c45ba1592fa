package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/dhow-containers/dhow/storage/progress"
)

// Modes are the values of build's --progress.
var Modes = []string{"auto", "quiet", "plain", "tty", "rawjson"}

// BuildDisplay shows the events of a build.
type BuildDisplay struct {
	impl interface {
		event(progress.Event)
		close(failed bool)
	}
	once sync.Once
}

// NewBuildDisplay makes the display for mode on out. "auto" (and "") repaints on a terminal and
// writes plain lines elsewhere; "tty" needs a terminal.
func NewBuildDisplay(mode string, out *os.File) (*BuildDisplay, error) {
	noColor := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	switch mode {
	case "", "auto":
		if Repaints(out) && os.Getenv("CI") == "" {
			return &BuildDisplay{impl: newTTY(out, noColor)}, nil
		}
		fallthrough
	case "plain":
		p := newPlain(out, !noColor)
		p.keepTicking()
		return &BuildDisplay{impl: p}, nil
	case "tty":
		if !Terminal(out) {
			return nil, fmt.Errorf("--progress tty needs a terminal: stderr is none")
		}
		return &BuildDisplay{impl: newTTY(out, noColor)}, nil
	case "rawjson":
		return &BuildDisplay{impl: newRawJSON(out)}, nil
	case "quiet", "none":
		return &BuildDisplay{impl: newQuiet(out)}, nil
	}
	return nil, fmt.Errorf("unknown progress mode %q: one of %s", mode, strings.Join(Modes, ", "))
}

// Event takes one event; it may be called from many goroutines.
func (d *BuildDisplay) Event(e progress.Event) { d.impl.event(e) }

// Close shows the end: all steps on a terminal, the failed step's last output when failed is true,
// the warnings. Nothing is written by the display afterwards. A second call does nothing.
func (d *BuildDisplay) Close(failed bool) { d.once.Do(func() { d.impl.close(failed) }) }

// quiet says nothing but how a step failed.
type quiet struct {
	mu    sync.Mutex
	w     io.Writer
	trace *trace
}

func newQuiet(w io.Writer) *quiet { return &quiet{w: w, trace: newTrace()} }

func (q *quiet) event(e progress.Event) {
	q.mu.Lock()
	q.trace.apply(e)
	q.mu.Unlock()
}

func (q *quiet) close(failed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if failed {
		q.trace.writeFailures(q.w, 20, false)
	}
}
