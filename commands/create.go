package commands

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/run"
)

var createVerb = verb{
	name: "create", also: []string{"container create"},
	short: "Make a container without starting it",
	usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	example: `id=$(dhow create -i --name job alpine wc -c)
echo data | dhow start -ai job`,
	detail: "The flags are those of run. The container's id is printed.",
	later:  laterRunFlags,
	min:    1, max: -1, stop: true, names: anImage,
	flags: func() []cli.Flag {
		return slices.DeleteFunc(runFlags(), func(f cli.Flag) bool {
			return contains([]string{"detach", "detach-keys", "sig-proxy"}, f.Names()[0])
		})
	},
	run: func(c *call) error {
		var id string
		err := c.withImage(func(o run.Options) (err error) {
			id, err = run.Create(c.cancellable(), o)
			return err
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, id)
		return err
	},
}
