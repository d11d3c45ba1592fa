package commands

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
)

var cpVerb = verb{
	name: "cp", also: []string{"container cp"},
	short: "Copy files between a container and the host",
	usage: "[OPTIONS] [CONTAINER:]SRC|- [CONTAINER:]DEST|-",
	example: `dhow cp nginx.conf web:/etc/nginx/nginx.conf
dhow cp web:/var/log/nginx ./logs
tar -c site | dhow cp - web:/srv`,
	detail: `The container may run or not; its volumes and other mounts are reached as it sees them. A directory goes
into one that exists, under its name; "SRC/." copies what is in it. As SRC, - is a tar on stdin, compressed or
not, whose entries keep their owners; as DEST it is a tar on stdout.

In the container files belong to root, on the host to the caller; -a keeps their numbers, which on the host
only root can give. Without -a a program that is set-user-ID is not any more when it goes to the host, also
to a directory of the host that is mounted in the container of a user who is not root.`,
	min: 2, max: 2, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("archive", "a", "Keep user and group ids"),
			yes("follow-link", "L", "Copy what a symlink SRC leads to"),
			yes("quiet", "q", "Show neither progress nor result; that is so when stdout is no terminal"),
		}
	},
	run: runCp,
}

func runCp(c *call) error {
	source, destination := c.Args().Get(0), c.Args().Get(1)
	if source == "" {
		return explain.Usage(errors.New("source can not be empty"))
	}
	if destination == "" {
		return explain.Usage(errors.New("destination can not be empty"))
	}
	from, fromPath := run.SplitCopyArgument(source)
	to, toPath := run.SplitCopyArgument(destination)
	switch {
	case from != "" && to != "":
		return errors.New("copying between containers is not supported")
	case from == "" && to == "":
		return &explain.Error{Text: "must specify at least one container source", Hint: "name the container's side as CONTAINER:PATH", Status: 1}
	}
	p, err := c.here()
	if err != nil {
		return err
	}
	o := run.CopyOptions{
		Dir: p.store, Mapping: p.mapping, Store: c.store, Called: from + to,
		FollowLink: c.Bool("follow-link"), Archive: c.Bool("archive"),
		LeftOut: func(name string, err error) { c.warn(fmt.Sprintf("%s is left out: %v", name, err)) },
	}
	outside := fromPath
	if o.Inside = toPath; from != "" {
		o.Inside, outside = fromPath, toPath
	}
	if o.Inside == "" {
		return explain.Usage(fmt.Errorf("the path in container %s can not be empty", o.Called))
	}
	if outside != "-" {
		if o.Outside, err = absolute(outside); err != nil {
			return err
		}
	} else if from != "" && c.terminal() {
		return &explain.Error{Text: "refusing to write a tar to a terminal", Hint: "use a pipe, or a path instead of -", Status: 1}
	}
	o.In, o.Out = os.Stdin, c.out
	if o.Container, err = c.container(o.Called); err != nil {
		return err
	}
	o.Waits = func() { c.warn("waiting for container " + o.Container.Name + ", which is restarting") }
	shows := c.terminal()
	if c.IsSet("quiet") {
		shows = !c.Bool("quiet")
	}
	show := showCopy{c: c, off: !shows || outside == "-" && from != ""}
	o.Carried = show.add
	show.start(from != "")
	where := o.Outside
	// Signals have their ordinary effect: what a copy holds is given back with its process.
	if from != "" {
		err = run.CopyOut(c.Context.Context, o)
	} else {
		where, err = run.CopyIn(c.Context.Context, o)
		where = o.Called + ":" + where
	}
	show.end(where, err)
	if err == nil {
		action := "extract-to-dir" // docker's words
		if from != "" {
			action = "archive-path"
		}
		c.tell(o.Container, action)
	}
	return err
}

// absolute makes a path of the host absolute and keeps the "/" or "/." at its end, which mean something.
func absolute(p string) (string, error) {
	abs, err := filepath.Abs(p)
	switch {
	case err != nil:
		return "", err
	case p == "." || strings.HasSuffix(p, "/."):
		return strings.TrimSuffix(abs, "/") + "/.", nil
	case strings.HasSuffix(p, "/") && abs != "/":
		return abs + "/", nil
	}
	return abs, nil
}

// showCopy tells on stderr how far a copy is, as docker does, and what was copied.
type showCopy struct {
	c    *call
	off  bool
	size atomic.Int64
	stop chan struct{}
	done chan struct{}
}

func (s *showCopy) add(n int64) { s.size.Add(n) }

// eraseLine puts the cursor at the line's begin and empties the line.
const eraseLine = "\r\x1b[2K"

func (s *showCopy) start(out bool) {
	if s.off || !ui.Repaints(s.c.err) {
		return
	}
	header := "Copying to container - "
	if out {
		header = "Copying from container - "
	}
	s.stop, s.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.done)
		tick := time.NewTicker(75 * time.Millisecond)
		defer tick.Stop()
		last := int64(-1)
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
			if n := s.size.Load(); n != last {
				last = n
				fmt.Fprint(s.c.err, eraseLine+header+ui.Size(n))
			}
		}
	}()
}

func (s *showCopy) end(where string, err error) {
	if s.stop != nil {
		close(s.stop)
		<-s.done
		fmt.Fprint(s.c.err, eraseLine)
	}
	if s.off || err != nil {
		return
	}
	fmt.Fprintf(s.c.err, "Successfully copied %s to %s\n", ui.Size(s.size.Load()), ui.Escape(where))
}
