package commands

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/given"
)

var loadVerb = verb{
	name: "load", also: []string{"image load"},
	short: "Read images from an archive",
	usage: "[OPTIONS]",
	example: `dhow load -i app.tar
ssh host docker save app | dhow load`,
	detail: `Archives of docker save, podman save and dhow save, compressed or not, and directories of images. An
index is read with all platforms the archive has of it.`,
	names: aFile,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("input", "i", "Read from a `file` or directory instead of stdin"),
			text("platform", "", "`os[/arch[/variant]]` Read only this platform of an index"),
			yes("quiet", "q", "Show no progress"),
		}
	},
	run: runLoad,
}

func runLoad(c *call) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	r, err := c.stdin()
	if err != nil {
		return err
	}
	directory := ""
	if in := c.text("input"); in != "" && in != "-" {
		f, err := given.Open(in)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
		if st, err := f.Stat(); err == nil && st.IsDir() {
			directory = in
		}
	} else if ui.Terminal(os.Stdin) {
		return &explain.Error{Text: "requested load from stdin, but stdin is empty", Hint: "use -i FILE or a pipe", Status: 1}
	} else if st, err := os.Stdin.Stat(); err == nil && st.Mode().IsRegular() {
		r = os.Stdin // nothing to wait for, and read where it lies
	}
	d := ui.NewTransfer(ui.Loading, c.err, c.Bool("quiet") || !ui.Terminal(c.err))
	var loaded []storage.Loaded
	if directory != "" {
		loaded, err = s.LoadDir(c.cancellable(), directory, c.text("platform"), d.Event)
	} else {
		loaded, err = s.Load(c.cancellable(), r, c.text("platform"), d.Event)
	}
	d.Close()
	for _, l := range loaded {
		for _, name := range l.Names {
			fmt.Fprintln(c.out, "Loaded image:", ui.Escape(familiar(name)))
		}
		if len(l.Names) == 0 {
			fmt.Fprintf(c.out, "Loaded image ID: sha256:%s\n", l.ID)
		}
	}
	return err
}
