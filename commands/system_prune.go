package commands

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run/record"
)

var systemPruneVerb = verb{
	name:  "system prune",
	short: "Remove stopped containers, images nobody uses and the build cache",
	usage: "[OPTIONS]",
	example: `dhow system prune
dhow system prune -af --volumes`,
	detail: "Filters: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]. The build cache knows no labels.",
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Remove images with names, and the contents of cache mounts, too"),
			list("filter", "", "Remove only that for which `key=value` holds"),
			yes("force", "f", "Do not ask"),
			yes("volumes", "", "Remove anonymous volumes that no container has"),
		}
	},
	run: runSystemPrune,
}

func runSystemPrune(c *call) error {
	f, err := pruneFilters(c.list("filter"))
	if err != nil {
		return explain.Usage(err)
	}
	all := c.Bool("all")
	if f.dangling != nil {
		return explain.Usage(errors.New("system prune has no filter dangling: say -a or not"))
	}
	if c.Bool("volumes") && !f.until.IsZero() {
		return explain.Usage(errors.New(`the "until" filter is not supported with "--volumes"`))
	}
	if !c.Bool("force") && !c.confirm(pruneWarning(all, c.Bool("volumes"), c.list("filter"))) {
		return nil
	}
	bytes, err := c.pruneContainers(f)
	if err != nil {
		return err
	}
	if c.Bool("volumes") {
		n, err := c.pruneVolumes(f, false)
		bytes += n
		if err != nil {
			return err
		}
	}
	// The cache first: it keeps layers of images.
	if len(f.labels) == 0 && len(f.notLabels) == 0 {
		n, err := c.pruneCache(cache.PruneOptions{All: all, Until: f.until})
		bytes += n
		if err != nil {
			return err
		}
	}
	n, err := c.pruneImages(all, f)
	bytes += n
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, "Total reclaimed space:", ui.Total(bytes))
	return err
}

// pruneWarning is docker's, without the networks that are not there.
func pruneWarning(all, volumes bool, filters []string) string {
	text := "WARNING! This will remove:\n  - all stopped containers\n"
	if volumes {
		text += "  - all anonymous volumes not used by at least one container\n"
	}
	if all {
		text += "  - all images without at least one container associated to them\n  - all build cache\n"
	} else {
		text += "  - all dangling images\n  - unused build cache\n"
	}
	if len(filters) > 0 {
		text += "\n  Items to be pruned will be filtered with:\n"
		for _, f := range slices.Sorted(slices.Values(filters)) {
			text += "  - " + f + "\n"
		}
	}
	return text
}

// pruneContainers removes the containers that do not run, prints their ids, and gives the bytes they
// had.
func (c *call) pruneContainers(f pruneFilter) (int64, error) {
	b, err := c.book()
	if err != nil {
		return 0, err
	}
	list, err := c.containers()
	if err != nil {
		return 0, err
	}
	var bytes int64
	var gone []string
	var errs []error
	for _, found := range list {
		if found.State.Active() || !f.takes(found.Created, found.Labels) {
			continue
		}
		n := cache.TreeSize(filepath.Join(b.Dir, found.ID, "upper"))
		entry, err := b.Take(found.ID)
		if errors.Is(err, record.ErrRunning) || errors.Is(err, record.ErrNotFound) {
			continue // started or removed meanwhile
		}
		if err == nil {
			err = entry.Remove()
		}
		if err == nil {
			err = c.letGo(found)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		bytes += n
		gone = append(gone, found.ID)
	}
	c.printGone("Deleted Containers:", gone)
	return bytes, errors.Join(errs...)
}

// pruneCache removes the build cache, prints what, and gives the bytes that were only in it.
func (c *call) pruneCache(o cache.PruneOptions) (int64, error) {
	held, err := c.buildCache()
	if err != nil {
		return 0, err
	}
	gone, err := held.Prune(o)
	var bytes int64
	var ids []string
	for _, e := range gone {
		ids = append(ids, e.ID[:min(25, len(e.ID))])
		if !e.Shared {
			bytes += e.Size
		}
	}
	c.printGone("Deleted build cache objects:", ids)
	return bytes, err
}

func (c *call) printGone(title string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintln(c.out, title)
	for _, n := range names {
		fmt.Fprintln(c.out, ui.Escape(n))
	}
	fmt.Fprintln(c.out)
}
