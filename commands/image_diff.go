package commands

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/diff"
)

var imageDiffVerb = verb{
	name:  "image diff",
	short: "Show what the topmost layer of an image changes",
	usage: "[OPTIONS] IMAGE [IMAGE]",
	example: `dhow image diff app
dhow image diff app:new app:old`,
	detail: "With a second image, what the first has otherwise than that one. A was added, C changed, D deleted.",
	min:    1, max: 2, names: anImage,
	flags: func() []cli.Flag { return []cli.Flag{text("format", "", "Print as \"json\"")} },
	run:   runImageDiff,
}

func runImageDiff(c *call) error {
	if f := c.text("format"); f != "" && f != "json" {
		return explain.Usage(errors.New("only supported value for '--format' is 'json'"))
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	var sides [][]storage.Layer
	for _, name := range c.Args().Slice() {
		chain, err := s.Hold(name)
		if errors.Is(err, storage.ErrPacked) {
			return &explain.Error{Text: fmt.Sprintf("image %s is not unpacked", name), Hint: "run it once, or pull it without --all-platforms", Status: 1}
		}
		if err != nil {
			return noImage(err, name)
		}
		sides = append(sides, chain.Layers)
	}
	now := sides[0]
	old := now[:max(len(now)-1, 0)]
	if len(sides) > 1 {
		old = sides[1]
	}
	changes, err := s.Differences(old, now)
	if err != nil {
		return err
	}
	return c.showChanges(changes, c.text("format"))
}

// showChanges prints changes a line each, or as podman's document.
func (c *call) showChanges(changes []diff.Change, format string) error {
	if format == "" {
		for _, ch := range changes {
			if _, err := fmt.Fprintln(c.out, ch.Kind, ui.Escape(ch.Path)); err != nil {
				return err
			}
		}
		return nil
	}
	var doc struct {
		Changed []string `json:"changed,omitempty"`
		Added   []string `json:"added,omitempty"`
		Deleted []string `json:"deleted,omitempty"`
	}
	lists := map[string]*[]string{"C": &doc.Changed, "A": &doc.Added, "D": &doc.Deleted}
	for _, ch := range changes {
		*lists[ch.Kind] = append(*lists[ch.Kind], ch.Path)
	}
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(doc)
}
