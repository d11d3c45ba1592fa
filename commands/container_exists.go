package commands

import (
	"errors"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run/record"
)

var containerExistsVerb = verb{
	name:    "container exists",
	short:   "Tell by the exit status whether a container is here",
	usage:   "CONTAINER",
	example: `dhow container exists web && dhow rm -f web`,
	detail:  "0 when it is, 1 when it is not, 125 when that can not be told.",
	min:     1, max: 1, names: aContainer,
	run: func(c *call) error {
		b, err := c.book()
		if err != nil {
			return explain.Tool(err)
		}
		_, err = b.Find(c.Args().First())
		if errors.Is(err, record.ErrNotFound) {
			return explain.Silent(1)
		}
		return explain.Tool(err)
	},
}
