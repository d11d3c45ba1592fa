package commands

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/storage"
)

var imageMountVerb = verb{
	name:  "image mount",
	short: "Mount images read-only for programs of the host",
	usage: "[OPTIONS] [IMAGE...]",
	example: `dhow unshare sh -c 'ls $(dhow image mount app)/etc'
dhow image mount`,
	detail: "Prints where. Without an image, those that are mounted are listed. The mounts of a user who is not root exist\n" +
		"inside of \"dhow unshare\" only, and end with it; a mounted image can not be removed.",
	max: -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Mount all images"),
			text("format", "", "Print as \"json\""),
		}
	},
	run: runImageMount,
}

var imageUnmountVerb = verb{
	name: "image unmount", also: []string{"image umount"},
	short:   "Unmount images that image mount has mounted",
	usage:   "[OPTIONS] IMAGE [IMAGE...]",
	example: `dhow image unmount app`,
	max:     -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Unmount all mounted images"),
			yes("force", "f", "Unmount although programs use it; for these it stays until they end"),
		}
	},
	run: runImageUnmount,
}

// errAllAndNames is podman's sentence.
var errAllAndNames = errors.New("when using the --all switch, you may not pass any image names or IDs")

// stay keeps the command where its caller is; a user's own mounts exist in a namespace only.
func (c *call) stay() error {
	if enter.Stay() {
		return nil
	}
	return &explain.Error{
		Text: fmt.Sprintf("cannot run %q in rootless mode outside of a user namespace", "dhow "+c.verb.name), Status: 125,
		Hint: fmt.Sprintf("enter one first: dhow unshare, then %q in its shell", "dhow "+c.verb.name),
	}
}

// mountRow is one mounted image, in podman's spelling.
type mountRow struct {
	ID           string `json:"id"`
	Names        []string
	Repositories []string
	Mountpoint   string `json:"mountpoint"`
}

func runImageMount(c *call) error {
	names, all, format := c.Args().Slice(), c.Bool("all"), c.text("format")
	switch {
	case all && len(names) > 0:
		return explain.Usage(errAllAndNames)
	case format != "" && format != "json":
		return explain.Usage(fmt.Errorf("unknown --format argument: %q: only json is known", format))
	}
	if err := c.stay(); err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	if all {
		images, err := s.Images()
		if err != nil {
			return err
		}
		for _, img := range images {
			names = append(names, img.ID)
		}
	}
	if len(names) > 0 || all {
		rows := []mountRow{}
		for _, name := range names {
			row, err := c.mountImage(s, name)
			if err != nil {
				return err
			}
			if len(names) == 1 && !all && format == "" {
				_, err := fmt.Fprintln(c.out, row.Mountpoint)
				return err
			}
			rows = append(rows, row)
		}
		return c.showMounts(rows, format)
	}
	rows, err := c.mountRows(s)
	if err != nil {
		return err
	}
	return c.showMounts(rows, format)
}

// mountImage mounts one image. Its layers can not go before the mount is to be seen.
func (c *call) mountImage(s *storage.Store, name string) (row mountRow, err error) {
	chain, err := s.Chain(name)
	if errors.Is(err, storage.ErrPacked) {
		var img storage.Image
		if img, err = c.image(name); err == nil {
			if img, err = s.Unpack(c.cancellable(), img); err == nil {
				chain, err = s.Chain(img.ID)
			}
		}
	}
	if err != nil {
		return row, noImage(err, name)
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	dir, err := s.MountImage(chain)
	return mountRowOf(chain.Image, dir), err
}

func mountRowOf(img storage.Image, dir string) mountRow {
	row := mountRow{ID: img.ID, Mountpoint: dir, Names: []string{}, Repositories: slices.Clone(img.Names)}
	for _, n := range img.Names {
		row.Names = append(row.Names, familiar(n))
	}
	if row.Repositories == nil {
		row.Repositories = []string{}
	}
	return row
}

// mountRows are the images mounted here.
func (c *call) mountRows(s *storage.Store) ([]mountRow, error) {
	mounted, err := s.MountedImages()
	if err != nil {
		return nil, err
	}
	rows := []mountRow{}
	for id, dir := range mounted {
		img, err := s.Lookup(id)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
		img.ID = id
		rows = append(rows, mountRowOf(img, dir))
	}
	slices.SortFunc(rows, func(a, b mountRow) int {
		return cmp.Or(slices.Compare(a.Names, b.Names), strings.Compare(a.ID, b.ID))
	})
	return rows, nil
}

func (c *call) showMounts(rows []mountRow, format string) error {
	if format != "" {
		docs := make([]any, len(rows))
		for i, row := range rows {
			docs[i] = row
		}
		text, err := ui.Documents(docs, false)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.out, text)
		return err
	}
	w := ui.NewTable(c.out, 0, 0, 2, ' ')
	for _, row := range rows {
		name := row.ID
		if len(row.Repositories) > 0 {
			name = row.Repositories[0]
		}
		fmt.Fprintf(w, "%s\t%s\n", ui.Escape(name), ui.Escape(row.Mountpoint))
	}
	return w.Flush()
}

func runImageUnmount(c *call) error {
	all := c.Bool("all")
	switch {
	case all && c.NArg() > 0:
		return explain.Usage(errAllAndNames)
	case !all && c.NArg() == 0:
		return explain.Usage(errors.New("image name or ID must be specified"))
	}
	if err := c.stay(); err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	one := func(name, id string) error {
		err := s.UnmountImage(id, c.Bool("force"))
		switch {
		case errors.Is(err, storage.ErrNotMounted):
			return &explain.Error{Text: fmt.Sprintf("image %s is not mounted", name), Status: 1}
		case errors.Is(err, unix.EBUSY):
			return &explain.Error{Text: err.Error(), Hint: "a program uses it; -f lets it keep what it has open", Status: 1}
		case err != nil:
			return err
		}
		_, err = fmt.Fprintln(c.out, id)
		return err
	}
	if !all {
		return c.each(func(name string) error {
			img, err := c.image(name)
			if err != nil {
				return err
			}
			return one(name, img.ID)
		})
	}
	rows, err := c.mountRows(s)
	for _, row := range rows {
		err = errors.Join(err, one(row.ID, row.ID))
	}
	return err
}
