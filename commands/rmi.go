package commands

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var rmiVerb = verb{
	name: "rmi", also: []string{"image rm", "image remove"},
	short: "Remove images",
	usage: "[OPTIONS] IMAGE [IMAGE...]",
	example: `dhow rmi app:old
dhow rmi $(dhow images -q -f dangling=true)`,
	detail: "A name of an image that has others is only taken away.",
	later:  "no-prune",
	min:    1, max: -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("force", "f", "Remove although a stopped container uses the image"),
			list("platform", "", "`os[/arch[/variant]]` Remove only this platform of an index"),
		}
	},
	run: runRmi,
}

func runRmi(c *call) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	users, err := c.imageUsers()
	if err != nil {
		return err
	}
	return c.each(func(name string) error {
		r, err := c.removeImage(s, name, storage.RemoveOptions{Force: c.Bool("force"), Users: users})
		if errors.Is(err, storage.ErrNotFound) && c.Bool("force") {
			fmt.Fprintln(c.err, "dhow: No such image: "+ui.Escape(name))
			return nil
		}
		if errors.Is(err, storage.ErrInUse) {
			e := &explain.Error{Text: err.Error(), Status: 1, Hint: "remove the container first, or use -f when it is stopped"}
			if errors.Is(err, storage.ErrMounted) {
				e.Hint = "end the mount where it was made: dhow image unmount " + name
			}
			return e
		}
		if err != nil {
			return noImage(err, name)
		}
		var told strings.Builder
		for _, n := range r.Untagged {
			fmt.Fprintln(&told, "Untagged:", ui.Escape(familiar(n)))
		}
		for _, id := range r.Deleted {
			fmt.Fprintln(&told, "Deleted:", id)
		}
		_, err = io.WriteString(c.out, told.String())
		return err
	})
}

// removeImage removes an image, or the platforms of the flag.
func (c *call) removeImage(s *storage.Store, name string, o storage.RemoveOptions) (all storage.Removal, err error) {
	platforms := c.list("platform")
	if len(platforms) == 0 {
		return s.Remove(name, o)
	}
	for _, p := range platforms {
		r, err := s.RemovePlatform(c.cancellable(), name, p, o)
		all.Untagged, all.Deleted = append(all.Untagged, r.Untagged...), append(all.Deleted, r.Deleted...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}
