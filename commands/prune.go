package commands

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	units "github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var builderPruneVerb = verb{
	name: "builder prune", also: []string{"buildx prune"},
	short: "Remove the build cache",
	usage: "[OPTIONS]",
	example: `dhow builder prune -f
dhow builder prune --filter until=24h --keep-storage 10GB`,
	detail: "Filter: until=DURATION. What a running build uses stays.",
	later:  "builder max-used-space min-free-space reserved-space verbose",
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Remove the contents of cache mounts too"),
			list("filter", "", "Remove only what was not used since `until=duration`"),
			yes("force", "f", "Do not ask"),
			text("keep-storage", "", "`size` Keep this much, the latest used"),
		}
	},
	run: runBuilderPrune,
}

func runBuilderPrune(c *call) error {
	o := cache.PruneOptions{All: c.Bool("all")}
	for _, f := range c.list("filter") {
		key, value, _ := strings.Cut(f, "=")
		if key != "until" {
			return explain.Usage(fmt.Errorf("invalid filter %q: the build cache has until", f))
		}
		t, err := since1970(value)
		if err != nil {
			return explain.Usage(err)
		}
		o.Until = t
	}
	if keep := c.text("keep-storage"); keep != "" {
		n, err := units.FromHumanSize(keep)
		if err != nil {
			return explain.Usage(fmt.Errorf("--keep-storage %q: not a size", keep))
		}
		o.KeepBytes = n
	}
	question := "WARNING! This will remove all dangling build cache."
	if o.All {
		question = "WARNING! This will remove all build cache."
	}
	if !c.Bool("force") && !c.confirm(question) {
		return nil
	}
	p, err := c.here()
	if err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	held, err := cache.Open(filepath.Join(p.store, "cache"), cachePins{s})
	if err != nil {
		return err
	}
	gone, err := held.Prune(o)
	_, serr := s.Sweep() // layers that were images' once
	err = errors.Join(err, serr)
	var total int64
	w := tabwriter.NewWriter(c.out, 10, 1, 3, ' ', 0)
	if len(gone) > 0 {
		fmt.Fprintln(w, "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED")
	}
	for _, e := range gone {
		total += e.Size
		used := ""
		if !e.LastUsed.IsZero() {
			used = units.HumanDuration(time.Since(e.LastUsed)) + " ago"
		}
		fmt.Fprintf(w, "%s\t%t\t%s\t%s\n", ui.Escape(e.ID[:min(25, len(e.ID))]), true, ui.Size(e.Size), used)
	}
	fmt.Fprintf(w, "Total:\t%s\n", ui.Size(total))
	return errors.Join(err, w.Flush())
}

// cachePins lets the build cache let go of layers that moved into the image store.
type cachePins struct{ *storage.Store }

// LayerDir gives the tree of a layer.
func (p cachePins) LayerDir(id string) (string, error) {
	l, err := p.Layer(id)
	return l.Dir, err
}

// confirm asks on a terminal; without one the answer is no, as docker's is.
func (c *call) confirm(question string) bool {
	fmt.Fprintf(c.err, "%s\nAre you sure you want to continue? [y/N] ", question)
	answer, err := bufio.NewReader(io.LimitReader(os.Stdin, 16)).ReadString('\n')
	if err != nil {
		fmt.Fprintln(c.err)
	}
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
