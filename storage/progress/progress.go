// Package progress is the one event type by which work tells what is happening.
//
// Events travel upwards only, through a Func in the options of pull, push, build and load; the
// displays in commands/ui turn them into a terminal picture, plain lines or JSON. Nothing here
// prints.
package progress

import "time"

// State is where an item stands.
type State int

const (
	Running  State = iota // started, or progress of a running item
	Done                  // finished well
	Cached                // finished without work: the result was there
	Failed                // finished with Err
	Canceled              // given up because something else failed or the user said so
	Waiting               // known but not started: it counts in "(5/9)"; may come before Running, or never
)

// Event is one thing that happened to one item. The first event of an ID starts the item and must
// carry Name; Done, Cached, Failed and Canceled end it.
type Event struct {
	Time  time.Time
	ID    string // stable within one command: a digest, a step key
	Group string // "" or the ID of the item this one belongs to (a layer of a pull step)
	Name  string // what a person reads: "[build 2/7] RUN make", "layer 3f4a…"
	State State
	// Action is the present phase of a running item: "downloading", "extracting", "exporting".
	Action string
	// Current and Total count bytes unless Unit says else; Total 0 is unknown.
	Current, Total int64
	Unit           string
	// Log is output of the item, byte-exact as written by Stream (1 stdout, 2 stderr).
	Log    []byte
	Stream int
	// Warning is a finding worth a line (linter, degraded rung); it does not change the state.
	Warning string
	Err     error
}

// Func receives events. It may be called from many goroutines at once and must not block long.
// A nil Func is allowed everywhere; call Emit.
type Func func(Event)

// Emit sends e, stamping the time when it is zero; a nil f drops it.
func (f Func) Emit(e Event) {
	if f == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	f(e)
}
