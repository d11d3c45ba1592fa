package commands

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
)

var saveVerb = verb{
	name: "save", also: []string{"image save"},
	short: "Write images to an archive",
	usage: "[OPTIONS] IMAGE [IMAGE...]",
	example: `dhow save -o app.tar app
dhow save app | ssh host docker load`,
	later: "platform",
	min:   1, max: -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			textOr("format", "", "docker-archive", "`format` Form of the archive: \"docker-archive\" or \"oci-archive\""),
			text("output", "o", "Write to a `file` instead of stdout"),
		}
	},
	run: runSave,
}

func runSave(c *call) error {
	format := c.text("format")
	if format != "docker-archive" && format != "oci-archive" {
		return explain.Usage(fmt.Errorf("--format %q: only \"docker-archive\" and \"oci-archive\" are known", format))
	}
	output := c.text("output")
	if (output == "" || output == "-") && c.terminal() {
		return &explain.Error{Text: "cowardly refusing to save to a terminal", Hint: "use -o FILE or a pipe", Status: 1}
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	names := c.Args().Slice()
	for _, n := range names {
		if _, err := c.image(n); err != nil {
			return err
		}
	}
	write := func(w io.Writer) error { return s.Save(c.cancellable(), names, w, format, nil) }
	if output == "" || output == "-" {
		w := bufio.NewWriterSize(c.out, 1<<20)
		return errors.Join(write(w), w.Flush())
	}
	return replaceFile(output, write)
}

// replaceFile writes path through a temporary file beside it, so that a failure leaves what was
// there. Something that is not a regular file (/dev/stdout, a FIFO) is written to directly.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("writing %q: %w", path, err)
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}
