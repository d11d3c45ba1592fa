package commands

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var pullVerb = verb{
	name: "pull", also: []string{"image pull"},
	short: "Download an image from a registry",
	usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
	example: `dhow pull debian:bookworm
dhow pull registry.example.com/team/app@sha256:…`,
	later: "a/all-tags disable-content-trust",
	min:   1, max: 1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("platform", "", "`os/arch[/variant]` Pull the image for this platform"),
			yes("quiet", "q", "Print nothing but the image's full name"),
		}
	},
	run: runPull,
}

func runPull(c *call) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	name := c.Args().First()
	wanted, err := platform(c.text("platform"))
	if err != nil {
		return err
	}
	quiet := c.Bool("quiet")
	ref, err := parseReference(name)
	if err != nil {
		return err
	}
	if !quiet {
		if ref.defaulted {
			fmt.Fprintln(c.err, "Using default tag: latest")
		}
		fmt.Fprintf(c.err, "%s: Pulling from %s\n", ref.tagOrDigest(), ref.path)
	}
	before, _ := s.Lookup(ref.full())
	d := ui.NewTransfer(ui.Pulling, c.err, quiet)
	img, err := s.Pull(c.cancellable(), name, storage.PullOptions{Platform: wanted, Policy: storage.PullAlways, Progress: d.Event})
	d.Close()
	if err != nil {
		return noImage(err, name)
	}
	if quiet {
		_, err = fmt.Fprintln(c.out, ref.full())
		return err
	}
	if dg := digestFor(img, ref); dg != "" {
		fmt.Fprintln(c.out, "Digest:", dg)
	}
	fmt.Fprintln(c.out, "Status:", pullStatus(before, img), ref.familiar())
	_, err = fmt.Fprintln(c.out, ref.full())
	return err
}

// pullStatus tells whether the pull changed what the name stands for.
func pullStatus(before, now storage.Image) string {
	if before.ID == now.ID {
		return "Image is up to date for"
	}
	return "Downloaded newer image for"
}

// digestFor gives the digest under which the registry has the image: that of the index when there
// is one.
func digestFor(img storage.Image, ref reference) string {
	if ref.digest != "" {
		return ref.digest
	}
	for _, d := range repoDigests(img) {
		if name, dg, ok := strings.Cut(d, "@"); ok && name == ref.name() {
			return dg
		}
	}
	return img.Digest.String()
}
