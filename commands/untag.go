package commands

import (
	"errors"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/storage"
)

var untagVerb = verb{
	name: "untag", also: []string{"image untag"},
	short: "Take names away from an image",
	usage: "IMAGE [NAME...]",
	example: `dhow untag app registry.example.com/team/app:v1
dhow untag app`,
	detail: "Without NAME all names go. The image stays; rmi removes it.",
	min:    1, max: -1, names: anImage,
	run: func(c *call) error {
		img, err := c.image(c.Args().First())
		if err != nil {
			return err
		}
		s, err := c.store()
		if err != nil {
			return err
		}
		err = s.Untag(img.ID, c.Args().Tail()...)
		if errors.Is(err, storage.ErrNotFound) {
			return &explain.Error{Text: err.Error(), Status: 1}
		}
		return err
	},
}

var imageExistsVerb = verb{
	name:    "image exists",
	short:   "Tell by the exit status whether an image is here",
	usage:   "IMAGE",
	example: `dhow image exists app || dhow build -t app .`,
	detail:  "0 when it is, 1 when it is not, 125 when that can not be told.",
	min:     1, max: 1, names: anImage,
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return explain.Tool(err)
		}
		_, err = s.Lookup(c.Args().First())
		if errors.Is(err, storage.ErrNotFound) {
			return explain.Silent(1)
		}
		return explain.Tool(err)
	},
}
