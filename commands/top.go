package commands

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

var topVerb = verb{
	name: "top", also: []string{"container top"},
	short:   "Show the processes of a container",
	usage:   "CONTAINER",
	example: `dhow top web`,
	detail:  "PID and PPID are the host's. Nothing of the image is run for it.",
	min:     1, max: 1, names: aContainer,
	run: func(c *call) error {
		f, err := c.container(c.Args().First())
		if err != nil {
			return err
		}
		if err := notRestarting(f); err != nil {
			return err
		}
		if f.State.Status != record.Running {
			return &explain.Error{Text: "container " + f.ID + " is not running", Status: 1}
		}
		p, err := c.here()
		if err != nil {
			return err
		}
		list, err := run.Top(p.mapping, f)
		if err != nil {
			return err
		}
		c.tell(f, "top")
		w := tabwriter.NewWriter(c.out, 10, 1, 3, ' ', 0)
		fmt.Fprintln(w, "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD")
		for _, p := range list {
			fmt.Fprintf(w, "%d\t%d\t%d\t0\t%s\t%s\t%s\t%s\n", p.UID, p.PID, p.Parent,
				p.Started.Local().Format("15:04"), p.Terminal, clock(p.CPUSeconds), ui.Escape(strings.Join(p.Args, " ")))
		}
		return w.Flush()
	},
}

func clock(seconds int64) string {
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
