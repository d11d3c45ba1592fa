package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/storage/callerfile"
	"github.com/dhow-containers/dhow/storage/journal"
)

var saveVerb = verb{
	name: "save", also: []string{"image save"},
	short: "Write images to an archive",
	usage: "[OPTIONS] IMAGE [IMAGE...]",
	example: `dhow save -o app.tar app
dhow save app | ssh host docker load
dhow save --format oci-dir -o layout app base`,
	detail: `docker-dir holds one image. A directory is made, or is empty. Of an index that was pulled with
--all-platforms, oci-archive and oci-dir hold all platforms, the others the one this machine runs.`,
	min: 1, max: -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			textOr("format", "", "docker-archive", "`format` \"docker-archive\", \"oci-archive\", or the directories \"oci-dir\" and \"docker-dir\""),
			text("output", "o", "Write to a `file` instead of stdout, or to a directory"),
			text("platform", "", "`os[/arch[/variant]]` Write only this platform of an index"),
		}
	},
	run: runSave,
}

func runSave(c *call) error {
	format := c.text("format")
	directory := format == "oci-dir" || format == "docker-dir"
	if !directory && format != "docker-archive" && format != "oci-archive" {
		return explain.Usage(fmt.Errorf("--format %q: docker-archive, oci-archive, oci-dir and docker-dir are known", format))
	}
	output := c.text("output")
	if directory && (output == "" || output == "-") {
		return explain.Usage(fmt.Errorf("--format %s is a directory: name it with -o", format))
	}
	if (output == "" || output == "-") && c.terminal() {
		return &explain.Error{Text: "cowardly refusing to save to a terminal", Hint: "use -o FILE or a pipe", Status: 1}
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	names := c.Args().Slice()
	only := c.text("platform")
	for _, n := range names {
		if _, err := c.imageFor(n, only); err != nil {
			return err
		}
	}
	if directory {
		return newDirectory(output, func(dir string) error { return s.SaveDir(c.cancellable(), names, dir, format, only, nil) })
	}
	write := func(w io.Writer) error { return s.Save(c.cancellable(), names, w, format, only, nil) }
	if output == "" || output == "-" {
		w := bufio.NewWriterSize(c.out, 1<<20)
		return errors.Join(write(w), w.Flush())
	}
	return replaceFile(c.cancellable(), output, write)
}

// newDirectory fills a directory beside path and renames it, so that a failure leaves nothing. What
// is at path may be an empty directory.
func newDirectory(path string, fill func(dir string) error) (err error) {
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return &explain.Error{Text: fmt.Sprintf("writing %q: it is there and not empty", path), Hint: "name a new directory", Status: 1}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	path = filepath.Clean(path)
	claim, err := journal.BesideDir(path)
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	if err := fill(claim.Path); err != nil {
		return err
	}
	if err := os.Chmod(claim.Path, 0o755); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	if err := claim.Place(path); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}

// replaceFile writes path through a temporary file beside it, so that a failure leaves what was
// there. Something that is not a regular file (/dev/stdout, a FIFO) is written to directly.
func replaceFile(ctx context.Context, path string, write func(io.Writer) error) (err error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		f, err := callerfile.OpenToWrite(ctx, path)
		if err != nil {
			return fmt.Errorf("writing %q: %w", path, err)
		}
		return errors.Join(write(f), f.Close())
	}
	claim, err := journal.Beside(path)
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	if err := write(claim.File()); err != nil {
		return err
	}
	if err := claim.Place(path); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}
