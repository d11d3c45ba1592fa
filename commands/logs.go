package commands

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run/log"
)

var logsVerb = verb{
	name: "logs", also: []string{"container logs"},
	short: "Show what a container has written",
	usage: "[OPTIONS] CONTAINER",
	example: `dhow logs -f web
dhow logs --since 10m --tail 100 -t web`,
	detail: "Times are durations before now (10m), dates (2026-01-02T15:04:05) or seconds since 1970.",
	min:    1, max: 1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("details", "", "Show extra attributes; this log has none"),
			yes("follow", "f", "Go on with what is written"),
			text("since", "", "`time` Show only what was written since"),
			textOr("tail", "n", "all", "`number` Show only the last lines"),
			yes("timestamps", "t", "Show when each line was written"),
			text("until", "", "`time` Show only what was written before"),
		}
	},
	run: runLogs,
}

func runLogs(c *call) error {
	f, err := c.container(c.Args().First())
	if err != nil {
		return err
	}
	o := log.ReadOptions{Tail: -1, Follow: c.Bool("follow")}
	for flag, to := range map[string]*time.Time{"since": &o.Since, "until": &o.Until} {
		if text := c.text(flag); text != "" {
			if *to, err = since1970(text); err != nil {
				return explain.Usage(fmt.Errorf("invalid value for %q: %q is neither a duration (10m) nor a time (2006-01-02T15:04:05)", flag, text))
			}
		}
	}
	if text := c.text("tail"); text != "all" && text != "" {
		if o.Tail, err = strconv.Atoi(text); err != nil {
			return explain.Usage(fmt.Errorf("invalid value for \"tail\": %q is neither a number nor \"all\"", text))
		}
	}
	if f.LogDriver == log.None {
		return &explain.Error{Text: "configured logging driver does not support reading: container " + f.Name + " was run with --log-driver none", Status: 1}
	}
	b, err := c.book()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.cancellable())
	defer cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		if f.State.Active() {
			_, _ = b.Wait(ctx, f)
		}
	}()
	o.Ended = func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	}
	out, errOut := bufio.NewWriter(c.out), bufio.NewWriter(c.err)
	flush := func() error {
		if err := out.Flush(); err != nil {
			return err
		}
		return errOut.Flush()
	}
	err = log.Read(ctx, log.Path(f.Dir, f.ID), o, func(e log.Entry) error {
		to := out
		if e.Stream == "stderr" {
			to = errOut
		}
		if c.Bool("timestamps") {
			if _, err := io.WriteString(to, e.Time.Format(timestamp)+" "); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(to, e.Log); err != nil {
			return err
		}
		if o.Follow || to == errOut || out.Size() > 32<<10 {
			return flush()
		}
		return nil
	})
	if ferr := flush(); err == nil {
		err = ferr
	}
	if c.signalled() != 0 && o.Follow {
		return explain.Silent(128 + int(c.signalled()))
	}
	return err
}

// timestamp is docker's: RFC 3339 with all nine digits, so that columns stand.
const timestamp = "2006-01-02T15:04:05.000000000Z07:00"
