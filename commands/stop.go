package commands

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

var stopVerb = verb{
	name: "stop", also: []string{"container stop"},
	short: "Stop running containers",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow stop web
dhow stop -t 30 db`,
	detail: "The payload gets its stop signal (SIGTERM if the image names none), and SIGKILL when the time is over.",
	min:    1, max: -1, names: aContainer,
	flags: stopFlags,
	run: func(c *call) error {
		timeout, err := c.seconds("timeout")
		if err != nil {
			return err
		}
		return c.together(func(b record.Book, f record.Found) error {
			return run.Stop(c.cancellable(), b, f, c.text("signal"), timeout)
		})
	},
}

func stopFlags() []cli.Flag {
	return []cli.Flag{
		text("signal", "s", "`signal` Signal to ask with instead of the container's own"),
		also(text("timeout", "t", "`seconds` Time before the kill; -1 waits for ever"), "time"),
	}
}

// seconds reads a flag with a whole number of seconds; nil when it was not given.
func (c *call) seconds(flag string) (*int, error) {
	text := c.text(flag)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < -1 {
		return nil, explain.Usage(fmt.Errorf("invalid value %q for --%s: want a number of seconds, or -1", text, flag))
	}
	return &n, nil
}

var restartVerb = verb{
	name: "restart", also: []string{"container restart"},
	short:   "Stop and start containers",
	usage:   "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow restart web`,
	min:     1, max: -1, names: aContainer,
	flags: stopFlags,
	run: func(c *call) error {
		p, err := c.here()
		if err != nil {
			return err
		}
		timeout, err := c.seconds("timeout")
		if err != nil {
			return err
		}
		return c.together(func(b record.Book, f record.Found) error {
			if err := run.Stop(c.cancellable(), b, f, c.text("signal"), timeout); err != nil {
				return err
			}
			_, err := run.Start(run.Options{Dir: p.store, Mapping: p.mapping}, f.ID)
			if err == nil {
				b.Tell(f.Container, "restart")
			}
			return err
		})
	},
}

var killVerb = verb{
	name: "kill", also: []string{"container kill"},
	short: "Send a signal to running containers, SIGKILL at first",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow kill web
dhow kill -s HUP web`,
	min: 1, max: -1, names: aContainer,
	flags: func() []cli.Flag { return []cli.Flag{text("signal", "s", "`signal` Signal, by name or number")} },
	run: func(c *call) error {
		return c.together(func(b record.Book, f record.Found) error { return run.Kill(b, f, c.text("signal")) })
	},
}

var waitVerb = verb{
	name: "wait", also: []string{"container wait"},
	short:   "Wait until containers have ended and print their exit statuses",
	usage:   "CONTAINER [CONTAINER...]",
	example: `test "$(dhow wait job)" = 0`,
	min:     1, max: -1, names: aContainer,
	run: func(c *call) error {
		b, err := c.book()
		if err != nil {
			return err
		}
		return c.each(func(name string) error {
			f, err := c.container(name)
			if err != nil {
				return err
			}
			status, err := b.Wait(c.cancellable(), f)
			if err != nil {
				return noContainer(err, name)
			}
			_, err = fmt.Fprintln(c.out, status)
			return err
		})
	},
}

// together does something to all containers named, at the same time, and prints the names in the order
// they were given.
func (c *call) together(do func(record.Book, record.Found) error) error {
	b, err := c.book()
	if err != nil {
		return err
	}
	ctx := c.cancellable()
	names := c.Args().Slice()
	results := make([]chan error, len(names))
	var mu sync.Mutex // finding prints nothing, but shares the call
	for i, name := range names {
		results[i] = make(chan error, 1)
		go func() {
			mu.Lock()
			f, err := c.container(name)
			mu.Unlock()
			if err == nil {
				err = noContainer(do(b, f), name)
			}
			results[i] <- err
		}()
	}
	var failed error
	for i, name := range names {
		err := <-results[i]
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			_, err = fmt.Fprintln(c.out, name)
		}
		if err == nil {
			continue
		}
		text, status := explain.Line(err)
		fmt.Fprintln(c.err, "dhow: "+text)
		failed = explain.Silent(status)
	}
	return failed
}
