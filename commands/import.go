package commands

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/given"
)

var importVerb = verb{
	name: "import", also: []string{"image import"},
	short: "Make an image of a tar of a root filesystem",
	usage: "[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
	example: `debootstrap --variant=minbase bookworm root && tar -C root -c . | dhow import - debian:bookworm
dhow import -c 'CMD ["/bin/sh"]' rootfs.tar.xz base`,
	min: 1, max: 2, names: aFile,
	flags: func() []cli.Flag {
		return []cli.Flag{
			list("change", "c", "Apply a Dockerfile `instruction` to the image's configuration"),
			text("message", "m", "Set the comment in the image's history"),
			text("platform", "", "`os/arch[/variant]` Platform of the image"),
		}
	},
	run: runImport,
}

func runImport(c *call) error {
	source, name := c.Args().First(), c.Args().Get(1)
	if strings.Contains(source, "://") {
		return &explain.Error{Text: fmt.Sprintf("importing %q: URLs are not supported yet", source), Hint: "curl URL | dhow import -", Status: 1}
	}
	if name != "" {
		if _, err := parseReference(name); err != nil {
			return err
		}
	}
	config, err := changed(c.cancellable(), c.list("change"))
	if err != nil {
		return err
	}
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if p := c.text("platform"); p != "" {
		parts := strings.Split(p, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return explain.Usage(fmt.Errorf("--platform %q: want os/arch[/variant]", p))
		}
		config.OS, config.Architecture = parts[0], parts[1]
		if len(parts) == 3 {
			config.Variant = parts[2]
		}
	}
	r, err := c.stdin()
	if err != nil {
		return err
	}
	if source != "-" {
		f, err := given.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	} else if ui.Terminal(os.Stdin) {
		return &explain.Error{Text: "refusing to import from a terminal", Hint: "give a file or a pipe", Status: 1}
	}
	message := c.text("message")
	if message == "" {
		message = "Imported from " + source
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	img, err := s.Import(c.cancellable(), r, storage.ImportOptions{Config: config, Message: message, Name: name})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, "sha256:"+img.ID)
	return err
}
