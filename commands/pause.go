package commands

import (
	"errors"
	"fmt"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

var pauseVerb = verb{
	name: "pause", also: []string{"container pause"},
	short: "Stop all processes of containers where they are",
	usage: "CONTAINER [CONTAINER...]",
	example: `dhow pause web
dhow unpause web`,
	detail: `The processes do not notice. It needs a control group that you may write (cgroup v2): "dhow info" tells.
stop, kill and rm -f end a paused container; exec and attach have to wait until it is unpaused.`,
	min: 1, max: -1, names: aContainer,
	run: func(c *call) error {
		return c.together(func(b record.Book, f record.Found) error { return told(b, f, "pause", run.Pause(f)) })
	},
}

var unpauseVerb = verb{
	name: "unpause", also: []string{"container unpause"},
	short:   "Let paused containers go on",
	usage:   "CONTAINER [CONTAINER...]",
	example: `dhow unpause web`,
	min:     1, max: -1, names: aContainer,
	run: func(c *call) error {
		return c.together(func(b record.Book, f record.Found) error { return told(b, f, "unpause", run.Unpause(f)) })
	},
}

// told notes what was done to a container, and gives err where it was not.
func told(b record.Book, f record.Found, action string, err error) error {
	if err == nil {
		b.Tell(f.Container, action)
	}
	return err
}

// notRestarting refuses what only a running container can do, in docker's words.
func notRestarting(f record.Found) error {
	if f.State.Status != record.Restarting {
		return nil
	}
	return &explain.Error{Text: "container " + f.ID + " is restarting, wait until the container is running", Status: 1}
}

// notPaused refuses what a paused container can not do, in docker's words.
func notPaused(f record.Found, format string) error {
	if !f.State.Paused {
		return nil
	}
	return &explain.Error{Text: fmt.Sprintf(format, f.Name), Hint: "dhow unpause " + f.Name, Status: 1}
}

// pausedMeanwhile pauses a running container for as long as do takes. Where it can not be paused, do is
// done without, unless that was asked for by name.
func (c *call) pausedMeanwhile(f record.Found, wanted, asked bool, do func() error) (err error) {
	if !wanted || f.State.Status != record.Running || f.State.Paused || f.State.Cgroup == "" && !asked {
		return do()
	}
	if err := run.Pause(f); err != nil {
		if errors.Is(err, run.ErrNotRunning) {
			return do()
		}
		return err
	}
	c.tell(f, "pause")
	f.State.Paused = true
	defer func() {
		if uerr := run.Unpause(f); uerr != nil && !errors.Is(uerr, run.ErrNotRunning) {
			err = errors.Join(err, uerr)
		} else if uerr == nil {
			c.tell(f, "unpause")
		}
	}()
	return do()
}
