package commands

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var errTagDigest = errors.New("refusing to create a tag with a digest reference")

var historyVerb = verb{
	name: "history", also: []string{"image history"},
	short:   "Show the steps an image was made of",
	usage:   "[OPTIONS] IMAGE",
	example: `dhow history --no-trunc --format '{{.CreatedBy}}' app`,
	min:     1, max: 1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			&cli.BoolFlag{Name: "human", Aliases: []string{"H"}, Value: true, Usage: "Show sizes and times for people; --human=false shows bytes and timestamps"},
			yes("no-trunc", "", "Show whole ids and commands"),
			text("platform", "", "`os[/arch[/variant]]` Show the history of this platform of an index"),
			yes("quiet", "q", "Show only ids"),
		}
	},
	run: runHistory,
}

type historyRow struct {
	ID           string `header:"IMAGE"`
	CreatedSince string `header:"CREATED"`
	CreatedAt    string `header:"CREATED AT"`
	CreatedBy    string `header:"CREATED BY"`
	Size         string `header:"SIZE"`
	Comment      string `header:"COMMENT"`
}

const (
	historyTable     = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
	historyTimeTable = "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
)

func runHistory(c *call) error {
	standard := historyTable
	switch {
	case c.Bool("quiet"):
		standard = onlyID
	case !c.Bool("human"):
		standard = historyTimeTable
	}
	f, err := ui.ParseFormat(c.text("format"), standard)
	if err != nil {
		return err
	}
	img, err := c.imageFor(c.Args().First(), c.text("platform"))
	if err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	sizes, err := s.LayerSizes(img)
	if err != nil {
		return err
	}
	return ui.Write(c.out, f, historyRows(img, sizes, c.Bool("human"), !c.Bool("no-trunc")), c.terminal())
}

// historyRows gives the newest step first. Only the last one has an image of its own; the sizes of
// layers (base first) stand with the steps that made them.
func historyRows(img storage.Image, sizes []int64, human, short bool) []historyRow {
	history := img.Config.History
	rows := make([]historyRow, 0, len(history))
	layer := len(sizes) - 1
	for i := len(history) - 1; i >= 0; i-- {
		h := history[i]
		row := historyRow{ID: "<missing>", Comment: h.Comment}
		if i == len(history)-1 {
			row.ID = "sha256:" + img.ID
			if short {
				row.ID = ui.ShortID(img.ID)
			}
		}
		var size int64
		if !h.EmptyLayer && layer >= 0 {
			size = sizes[layer]
			layer--
		}
		row.Size = ui.Size(size)
		if !human {
			row.Size = strconv.FormatInt(size, 10)
		}
		if h.Created != nil {
			row.CreatedAt = h.Created.Local().Format(time.RFC3339)
			if row.CreatedSince = row.CreatedAt; human {
				row.CreatedSince = ""
				if h.Created.Year() >= 2000 {
					row.CreatedSince = ui.Since(*h.Created)
				}
			}
		}
		row.CreatedBy = strings.ReplaceAll(h.CreatedBy, "\t", " ")
		if short {
			row.CreatedBy = ui.Ellipsis(row.CreatedBy, 45)
		}
		rows = append(rows, row)
	}
	return rows
}
