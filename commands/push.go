package commands

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var pushVerb = verb{
	name: "push", also: []string{"image push"},
	short: "Upload an image to a registry",
	usage: "[OPTIONS] NAME[:TAG]",
	example: `dhow tag app registry.example.com/team/app:v1
dhow push registry.example.com/team/app:v1`,
	later: "a/all-tags disable-content-trust platform",
	min:   1, max: 1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{yes("quiet", "q", "Print nothing but the image's full name")}
	},
	run: runPush,
}

func runPush(c *call) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	name, quiet := c.Args().First(), c.Bool("quiet")
	ref, err := parseReference(name)
	if err != nil {
		return err
	}
	img, err := s.Lookup(name)
	if err != nil {
		if e := noImage(err, name); e != err {
			return &explain.Error{Text: "An image does not exist locally with the tag: " + ref.familiarName(), Status: 1}
		}
		return err
	}
	if !quiet {
		if ref.defaulted {
			fmt.Fprintln(c.err, "Using default tag: latest")
		}
		fmt.Fprintf(c.err, "The push refers to repository [%s]\n", ref.name())
	}
	d := ui.NewTransfer(ui.Pushing, c.err, quiet)
	digest, err := s.Push(c.cancellable(), name, "", storage.PushOptions{Progress: d.Event})
	d.Close()
	if err != nil {
		return err
	}
	if quiet {
		_, err = fmt.Fprintln(c.out, ref.full())
		return err
	}
	// the manifest the registry has may differ from the stored one (compression), its size too
	size := int64(len(img.RawManifest))
	if digest != img.Digest {
		if again, err := s.Lookup(name); err == nil && digest == again.Digest {
			size = int64(len(again.RawManifest))
		}
	}
	_, err = fmt.Fprintf(c.out, "%s: digest: %s size: %d\n", ref.tagOrDigest(), digest, size)
	return err
}
