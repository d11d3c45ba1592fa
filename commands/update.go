package commands

import (
	"fmt"
	"reflect"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/limit"
)

var updateVerb = verb{
	name: "update", also: []string{"container update"},
	short: "Change what containers may use of the machine",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow update -m 512m --cpus 1.5 web
dhow update --pids-limit -1 web
dhow update --restart unless-stopped web`,
	detail: `A running container gets the limits at once, and every later start has them. They need a control group that
you may write (cgroup v2): "dhow info" tells. --restart counts from the next end of a container on, if it runs in
the background; one in the foreground has it from its next start.`,
	later: "cpu-rt-period cpu-rt-runtime kernel-memory",
	min:   1, max: -1, names: aContainer,
	flags: func() []cli.Flag {
		return append(limitFlags(), text("restart", "", "`policy` Start it again when it ends: no, on-failure[:max], always, unless-stopped"))
	},
	run: func(c *call) error {
		flags, restart := c.limits(), c.text("restart")
		if reflect.DeepEqual(flags, limit.Flags{}) && restart == "" {
			return &explain.Error{Text: "you must provide one or more flags when using this command", Hint: "see \"dhow update --help\"", Status: 1}
		}
		b, err := c.book()
		if err != nil {
			return err
		}
		return c.each(func(name string) error {
			f, err := c.container(name)
			if err != nil {
				return err
			}
			if err := run.Update(b, f, flags, restart); err != nil {
				return noContainer(err, name)
			}
			_, err = fmt.Fprintln(c.out, name)
			return err
		})
	},
}
