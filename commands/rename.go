package commands

import (
	"errors"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run/record"
)

var renameVerb = verb{
	name: "rename", also: []string{"container rename"},
	short:   "Give a container another name",
	usage:   "CONTAINER NAME",
	example: `dhow rename web web-old`,
	min:     2, max: 2, names: aContainer,
	run: func(c *call) error {
		f, err := c.container(c.Args().First())
		if err != nil {
			return err
		}
		b, err := c.book()
		if err != nil {
			return err
		}
		err = b.Rename(f, c.Args().Get(1))
		if errors.Is(err, record.ErrNameTaken) {
			return &explain.Error{Text: err.Error(), Status: 1, Hint: "choose another name, or remove that container"}
		}
		return err
	},
}
