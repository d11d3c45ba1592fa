package commands

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/dhow-containers/dhow/commands/ui"
)

var manifestInspectVerb = verb{
	name:    "manifest inspect",
	short:   "Show the manifest or index a registry has",
	usage:   "NAME[:TAG|@DIGEST]",
	example: `dhow manifest inspect debian:bookworm`,
	detail:  "Nothing is pulled.",
	later:   "insecure v/verbose",
	min:     1, max: 1, names: anImage,
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		raw, _, err := s.RemoteManifest(c.cancellable(), c.Args().First(), nil)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := json.Indent(&out, raw, "", "   "); err != nil {
			return fmt.Errorf("the manifest of %s is not JSON: %w", c.Args().First(), err)
		}
		text := out.String()
		if c.terminal() {
			text = ui.EscapeLines(text)
		}
		_, err = fmt.Fprintln(c.out, text)
		return err
	},
}
