package commands

import (
	"fmt"
	"reflect"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/limit"
)

var updateVerb = verb{
	name: "update", also: []string{"container update"},
	short: "Change what containers may use of the machine",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow update -m 512m --cpus 1.5 web
dhow update --pids-limit -1 web`,
	detail: `A running container gets the limits at once, and every later start has them. They need a control group that
you may write (cgroup v2): "dhow info" tells.`,
	later: "cpu-rt-period cpu-rt-runtime kernel-memory restart",
	min:   1, max: -1, names: aContainer,
	flags: limitFlags,
	run: func(c *call) error {
		flags := c.limits()
		if reflect.DeepEqual(flags, limit.Flags{}) {
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
			if err := run.Update(b, f, flags); err != nil {
				return noContainer(err, name)
			}
			_, err = fmt.Fprintln(c.out, name)
			return err
		})
	},
}
