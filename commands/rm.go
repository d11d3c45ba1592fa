package commands

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/volume"
)

var rmVerb = verb{
	name: "rm", also: []string{"container rm", "container remove"},
	short: "Remove containers",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow rm web
dhow rm $(dhow ps -aq)`,
	later: "l/link",
	min:   1, max: -1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("force", "f", "Kill the container when it runs"),
			yes("volumes", "v", "Remove its anonymous volumes too"),
		}
	},
	run: func(c *call) error {
		return c.each(func(name string) error {
			err := c.remove(name, c.Bool("force"))
			var missing *explain.Error
			if c.Bool("force") && errors.As(err, &missing) {
				fmt.Fprintln(c.err, "dhow: "+ui.Escape(missing.Text))
				return nil
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, name)
			return err
		})
	},
}

func (c *call) remove(name string, force bool) error {
	f, err := c.container(name)
	if err != nil {
		return err
	}
	b, err := c.book()
	if err != nil {
		return err
	}
	entry, err := b.Take(f.ID)
	if errors.Is(err, record.ErrRunning) && force {
		if err := run.End(c.cancellable(), b, f); err != nil {
			return err
		}
		entry, err = b.Take(f.ID)
		if errors.Is(err, record.ErrNotFound) && f.AutoRemove {
			return nil
		}
	}
	if errors.Is(err, record.ErrRunning) && f.State.Paused {
		return fmt.Errorf("cannot remove container %q: container is paused and must be unpaused first", f.Name)
	}
	if errors.Is(err, record.ErrRunning) {
		return fmt.Errorf("cannot remove container %q: container is running: stop the container before removing or force remove", f.Name)
	}
	if err != nil {
		return noContainer(err, name)
	}
	// The volumes first: once the container is gone nobody would come back for them.
	if c.Bool("volumes") {
		if err := c.removeAnonymous(f); err != nil {
			return errors.Join(err, entry.Close())
		}
	}
	if err := entry.Remove(); err != nil {
		return err
	}
	return c.letGo(f)
}

// removeAnonymous removes the anonymous volumes that only this container has.
func (c *call) removeAnonymous(f record.Found) error {
	s, err := c.volumes()
	if err != nil {
		return err
	}
	others := func(name string) ([]string, error) {
		users, err := c.volumeUsers()(name)
		return slices.DeleteFunc(users, func(id string) bool { return id == f.ID }), err
	}
	for _, m := range f.Mounts {
		if m.Type != "volume" || !m.Anonymous {
			continue
		}
		if err := s.Remove(m.Name, others); err != nil && !errors.Is(err, volume.ErrNotFound) && !errors.Is(err, volume.ErrInUse) {
			return err
		}
	}
	return nil
}

// letGo frees the layers that a forced rmi left to the container.
func (c *call) letGo(f record.Found) error {
	s, err := c.store()
	if err != nil || len(f.Layers) == 0 {
		return err
	}
	type image struct {
		id     string
		layers []string
	}
	all := []image{{f.ImageID, f.Layers}}
	for _, m := range f.Mounts {
		if m.Type == "image" && len(m.Layers) > 0 {
			all = append(all, image{m.ImageID, m.Layers})
		}
	}
	gone := false
	for _, img := range all {
		_, err := s.Lookup(img.id)
		if err == nil {
			continue
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err := s.Unpin(img.layers[len(img.layers)-1], "container:"+f.ID); err != nil {
			return err
		}
		gone = true
	}
	if gone {
		_, err = s.Sweep()
	}
	return err
}
