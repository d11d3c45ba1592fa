package commands

import (
	"fmt"
	"time"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

var topVerb = verb{
	name: "top", also: []string{"container top"},
	short: "Show the processes of a container",
	usage: "CONTAINER [ps OPTIONS]",
	example: `dhow top web
dhow top web aux
dhow top web -o pid,user,rss,args`,
	detail: `PID and PPID are the host's, users the container's. Nothing of the image is run for it, nor is ps: of its options
those that choose columns are known.`,
	min: 1, max: -1, stop: true, names: aContainer,
	run: func(c *call) error {
		columns, err := psColumns(c.Args().Tail())
		if err != nil {
			return &explain.Error{Text: err.Error(), Status: 1}
		}
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
		w := ui.NewTable(c.out, 10, 1, 3, ' ')
		row := func(text func(f psField) string) {
			for i, f := range columns {
				if i > 0 {
					fmt.Fprint(w, "\t")
				}
				fmt.Fprint(w, ui.Escape(text(f)))
			}
			fmt.Fprintln(w)
		}
		row(func(f psField) string { return f.title })
		now := time.Now()
		for _, p := range list {
			row(func(f psField) string { return f.text(p, now, run.HostMemory()) })
		}
		return w.Flush()
	},
}

func clock(seconds int64) string {
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
