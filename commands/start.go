package commands

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
)

var startVerb = verb{
	name: "start", also: []string{"container start"},
	short: "Start containers that do not run",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow start web
echo data | dhow start -ai job`,
	later: "checkpoint checkpoint-dir",
	min:   1, max: -1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("attach", "a", "Show the output, pass signals on, and end with the container's exit status"),
			text("detach-keys", "", "`keys` Keys that leave the container running, ctrl-p,ctrl-q"),
			yes("interactive", "i", "Pass stdin on"),
			&cli.BoolFlag{Name: "sig-proxy", Value: true, Usage: "Pass signals on to the container"},
		}
	},
	run: func(c *call) error {
		p, err := c.here()
		if err != nil {
			return err
		}
		o := run.Options{Dir: p.store, Mapping: p.mapping}
		if !c.Bool("attach") && !c.Bool("interactive") {
			return c.each(func(name string) error {
				if _, err := run.Start(o, name); err != nil {
					return noContainer(err, name)
				}
				_, err := fmt.Fprintln(c.out, name)
				return err
			})
		}
		if c.NArg() > 1 {
			return &explain.Error{Text: "you cannot start and attach multiple containers at once", Status: 1}
		}
		name := c.Args().First()
		f, err := c.container(name)
		if err != nil {
			return err
		}
		who, err := c.caller(f, c.Bool("interactive"))
		if err != nil {
			return err
		}
		return c.attached(run.StartAttached(context.Background(), o, f.ID, who))
	},
}

// caller is this command as one who attaches to a container.
func (c *call) caller(f record.Found, stdin bool) (monitor.Caller, error) {
	keys, err := monitor.ParseKeys(c.detachKeys())
	if err != nil {
		return monitor.Caller{}, explain.Usage(err)
	}
	who := monitor.Caller{Out: c.out, Err: c.err, Keys: keys, SigProxy: c.Bool("sig-proxy")}
	if stdin && f.OpenStdin {
		if f.Terminal && !ui.Terminal(os.Stdin) {
			return who, &explain.Error{Text: "cannot attach stdin to a TTY-enabled container because stdin is not a terminal", Status: 1}
		}
		who.In = os.Stdin
	}
	return who, nil
}

// attached turns what became of a container into the command's end.
func (c *call) attached(status int, err error) error {
	if errors.Is(err, monitor.ErrDetached) {
		fmt.Fprintln(c.err, err)
		return nil
	}
	if err != nil {
		return err
	}
	if status != 0 {
		return explain.Silent(status)
	}
	return nil
}

var attachVerb = verb{
	name: "attach", also: []string{"container attach"},
	short: "Connect to a running container's input and output",
	usage: "[OPTIONS] CONTAINER",
	example: `dhow attach shell
dhow attach --no-stdin web`,
	detail: `Ctrl-P Ctrl-Q leaves a container with a terminal and lets it run. Otherwise the command ends with the
container, and with its exit status.`,
	min: 1, max: 1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("detach-keys", "", "`keys` Keys that leave the container running, ctrl-p,ctrl-q"),
			yes("no-stdin", "", "Pass no input on"),
			&cli.BoolFlag{Name: "sig-proxy", Value: true, Usage: "Pass signals on to the container"},
		}
	},
	run: func(c *call) error {
		f, err := c.container(c.Args().First())
		if err != nil {
			return err
		}
		if f.State.Status == record.Restarting {
			return &explain.Error{Text: "cannot attach to a restarting container, wait until it is running", Status: 1}
		}
		if f.State.Status != record.Running {
			return &explain.Error{Text: "cannot attach to a stopped container, start it first", Status: 1}
		}
		if err := notPaused(f, "cannot attach to a paused container, unpause it first"); err != nil {
			return err
		}
		who, err := c.caller(f, !c.Bool("no-stdin"))
		if err != nil {
			return err
		}
		b, err := c.book()
		if err != nil {
			return err
		}
		return c.attached(run.Attach(context.Background(), b, f, who))
	},
}
