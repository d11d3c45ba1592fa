package commands

import (
	"errors"
	"fmt"
	"io"
	"strconv"

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
dhow push registry.example.com/team/app:v1
dhow push --compression-format zstd --digestfile digest registry.example.com/team/app:v1`,
	detail: `Only layers the registry has not travel; those of its other repositories are linked there. How a
layer was compressed is remembered: it is not compressed again for a registry that has it. An index that was
pulled with --all-platforms goes out whole, with the digest it came with.`,
	later: "disable-content-trust",
	min:   1, max: 1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all-tags", "a", "Push every tag that NAME has here"),
			text("compression-format", "", "`format` Compress layers with gzip or zstd, also where the registry has them in another form"),
			text("compression-level", "", "`number` 1 to 9 for gzip, 1 to 20 for zstd"),
			text("digestfile", "", "Write the digest of the pushed manifest to a `file`"),
			text("platform", "", "`os[/arch[/variant]]` Push only this platform of an index, as an image of its own"),
			yes("quiet", "q", "Print nothing but the image's full name"),
		}
	},
	run: runPush,
}

func runPush(c *call) error {
	o, err := compressionFlags(c)
	if err != nil {
		return explain.Usage(err)
	}
	o.Platform = c.text("platform")
	s, err := c.store()
	if err != nil {
		return err
	}
	name := c.Args().First()
	ref, err := parseReference(name)
	if err != nil {
		return err
	}
	names := []string{name}
	if c.Bool("all-tags") {
		if !ref.defaulted {
			return errTagWithAll
		}
		if c.text("digestfile") != "" {
			return explain.Usage(errors.New("--digestfile takes one digest: push the tags one by one"))
		}
		if names, err = s.Tags(name); err != nil {
			return err
		}
		if len(names) == 0 {
			return noTag(ref)
		}
	} else if _, err := s.LookupFor(name, o.Platform); err != nil {
		if storage.OtherPlatform(err) {
			return noImage(err, name)
		}
		if e := noImage(err, name); e != err {
			return noTag(ref)
		}
		return err
	}
	if !c.Bool("quiet") {
		if ref.defaulted && !c.Bool("all-tags") {
			fmt.Fprintln(c.err, "Using default tag: latest")
		}
		fmt.Fprintf(c.err, "The push refers to repository [%s]\n", ref.name())
	}
	for _, n := range names {
		if err := pushOne(c, s, n, o); err != nil {
			return err
		}
	}
	return nil
}

func noTag(ref reference) error {
	return &explain.Error{Text: "An image does not exist locally with the tag: " + ref.familiarName(), Status: 1}
}

// compressionFlags reads how layers are to be compressed.
func compressionFlags(c *call) (o storage.PushOptions, err error) {
	o.Compression = c.text("compression-format")
	highest := 9
	switch o.Compression {
	case "", "gzip":
	case "zstd":
		highest = 20
	default:
		return o, fmt.Errorf("--compression-format %q: gzip and zstd are known", o.Compression)
	}
	if text := c.text("compression-level"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > highest {
			return o, fmt.Errorf("--compression-level %q: want a number from 1 to %d", text, highest)
		}
		o.Level = &n
	}
	return o, nil
}

// pushOne pushes one image and prints what docker prints.
func pushOne(c *call, s *storage.Store, name string, o storage.PushOptions) error {
	quiet := c.Bool("quiet")
	ref, err := parseReference(name)
	if err != nil {
		return err
	}
	img, err := s.LookupFor(name, o.Platform)
	if err != nil {
		return noImage(err, name)
	}
	d := ui.NewTransfer(ui.Pushing, c.err, quiet)
	o.Progress = d.Event
	pushed, err := s.Push(c.cancellable(), name, "", o)
	d.Close()
	if err != nil {
		return err
	}
	if file := c.text("digestfile"); file != "" {
		err := replaceFile(c.cancellable(), file, func(w io.Writer) error {
			_, err := io.WriteString(w, pushed.Digest.String())
			return err
		})
		if err != nil {
			return err
		}
	}
	if quiet {
		_, err = fmt.Fprintln(c.out, ref.full())
		return err
	}
	if img.Index != "" && pushed.Digest != img.Index && o.Platform == "" && o.Format == "" && o.Compression == "" {
		fmt.Fprintf(c.err, "Not all multiplatform-content is present and only the available single-platform image was pushed\n%s -> %s\n", img.Index, pushed.Digest)
	}
	_, err = fmt.Fprintf(c.out, "%s: digest: %s size: %d\n", ref.tagOrDigest(), pushed.Digest, pushed.Size)
	return err
}
