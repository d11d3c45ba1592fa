package commands

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var pullVerb = verb{
	name: "pull", also: []string{"image pull"},
	short: "Download an image from a registry",
	usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
	example: `dhow pull debian:bookworm
dhow pull registry.example.com/team/app@sha256:…
dhow pull --platform linux/arm64 debian
dhow pull --all-platforms debian`,
	detail: `Platforms of one index stand side by side under its name: run, inspect, history, save, push and rmi
take --platform, and without it mean the one this machine runs.`,
	later: "disable-content-trust",
	min:   1, max: 1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all-platforms", "", "Pull every platform of an index, and its attestations"),
			yes("all-tags", "a", "Pull every tag the registry has of NAME"),
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
	if c.Bool("all-platforms") {
		if c.text("platform") != "" {
			return explain.Usage(errors.New("--all-platforms and --platform exclude each other"))
		}
		wanted = ""
	}
	ref, err := parseReference(name)
	if err != nil {
		return err
	}
	if !c.Bool("all-tags") {
		if !c.Bool("quiet") && ref.defaulted {
			fmt.Fprintln(c.err, "Using default tag: latest")
		}
		return pullOne(c, s, name, wanted)
	}
	if !ref.defaulted {
		return errTagWithAll
	}
	tags, err := s.RemoteTags(c.cancellable(), name, nil)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return &explain.Error{Text: fmt.Sprintf("%s has no tags", ref.familiarName()), Status: 1}
	}
	for _, tag := range tags {
		if err := pullOne(c, s, name+":"+tag, wanted); err != nil {
			return err
		}
	}
	return nil
}

// errTagWithAll says in docker's words that a tag and all tags were asked for.
var errTagWithAll = &explain.Error{Text: "tag can't be used with --all-tags/-a", Status: 1}

// pullOne pulls one image and prints what docker prints.
func pullOne(c *call, s *storage.Store, name, wanted string) error {
	quiet := c.Bool("quiet")
	ref, err := parseReference(s.Meant(name))
	if err != nil {
		return err
	}
	if !quiet {
		fmt.Fprintf(c.err, "%s: Pulling from %s\n", ref.tagOrDigest(), ref.path)
	}
	before, _ := s.Lookup(ref.full())
	d := ui.NewTransfer(ui.Pulling, c.err, quiet)
	pull := s.Pull
	if c.Bool("all-platforms") {
		pull = s.PullAll
	}
	img, err := pull(c.cancellable(), name, storage.PullOptions{Platform: wanted, Policy: storage.PullAlways, Progress: d.Event})
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
