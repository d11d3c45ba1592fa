package commands

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run/event"
)

var builderPruneVerb = verb{
	name: "builder prune", also: []string{"buildx prune"},
	short: "Remove the build cache",
	usage: "[OPTIONS]",
	example: `dhow builder prune -f
dhow builder prune --filter until=24h --reserved-space 10GB`,
	detail: cacheFilterHelp + " What a running build uses stays.",
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Remove the contents of cache mounts too"),
			list("filter", "", "Remove only that for which `key=value` holds"),
			yes("force", "f", "Do not ask"),
			text("max-used-space", "", "`size` Remove no more than needed for the cache to be this large"),
			text("min-free-space", "", "`size` Remove no more than needed for this much of the disk to be free"),
			also(text("reserved-space", "", "`size` Keep this much, the latest used"), "keep-storage"),
			yes("verbose", "", "Tell all about what is removed"),
			hidden(text("builder", "", "`name` Docker's builder; there is one")),
			hidden(text("timeout", "", "`time` Docker's wait for a builder")),
		}
	},
	run: runBuilderPrune,
}

func runBuilderPrune(c *call) error {
	o := cache.PruneOptions{All: c.Bool("all")}
	keep, until, err := cacheFilters(c.list("filter"))
	if err != nil {
		return explain.Usage(err)
	}
	o.Until, o.Spare = until, func(e cache.Entry) bool { return !keep(e) }
	question := "WARNING! This will remove all dangling build cache."
	if o.All {
		question = "WARNING! This will remove all build cache."
	}
	held, err := c.buildCache()
	if err != nil {
		return err
	}
	if o.KeepBytes, err = c.cacheBytesToKeep(held); err != nil {
		return err
	}
	if !c.Bool("force") && !c.agrees(question+" Are you sure you want to continue?") {
		return nil
	}
	var gone []cache.Entry
	if o.KeepBytes >= 0 {
		gone, err = held.Prune(o)
	}
	_, serr := c.opened.Sweep() // layers that were images' once
	if err == nil {
		var total int64
		for _, e := range gone {
			total += e.Size
		}
		c.tellOf(event.BuilderType, "prune", "", "reclaimed", strconv.FormatInt(total, 10))
	}
	return errors.Join(err, serr, c.printEntries(gone, false))
}

// cacheBytesToKeep gives how large the cache may stay, 0 when all of it may go and -1 when nothing is to
// go, by BuildKit's rule: what is reserved stays in any case; otherwise the cache shrinks no further
// than to what may be used, or until enough of the disk is free.
func (c *call) cacheBytesToKeep(held *cache.Cache) (int64, error) {
	var sizes [3]int64
	for i, flag := range []string{"reserved-space", "max-used-space", "min-free-space"} {
		if text := c.text(flag); text != "" {
			n, err := units.RAMInBytes(text)
			if err != nil || n < 0 {
				return 0, explain.Usage(fmt.Errorf("invalid value %q for --%s: not a size", text, flag))
			}
			sizes[i] = n
		}
	}
	reserved, most, free := sizes[0], sizes[1], sizes[2]
	keep := most
	if free > 0 {
		p, err := c.here()
		if err != nil {
			return 0, err
		}
		entries, err := held.Usage()
		if err != nil {
			return 0, err
		}
		var st unix.Statfs_t
		if err := unix.Statfs(p.store, &st); err != nil {
			return 0, fmt.Errorf("looking for free space in %s: %w", p.store, err)
		}
		var total int64
		for _, e := range entries {
			total += e.Size
		}
		lacking := free - int64(st.Bavail)*int64(st.Bsize) //nolint:unconvert,gosec // other types on other architectures
		switch {
		case lacking <= 0 && most == 0:
			return -1, nil
		case lacking > 0 && (most == 0 || total-lacking < most):
			keep = max(total-lacking, 0)
		}
	}
	return max(keep, reserved), nil
}

// confirm asks whether to go on, as agrees does.
func (c *call) confirm(warning string) bool {
	return c.agrees(warning + "\nAre you sure you want to continue?")
}

// agrees asks on stderr and reads the answer; without one it is no, as docker's is. A signal ends the
// command, also while it waits.
func (c *call) agrees(question string) bool {
	fmt.Fprint(c.err, ui.EscapeLines(question)+" [y/N] ")
	answer, err := bufio.NewReader(io.LimitReader(os.Stdin, 16)).ReadString('\n')
	if err != nil {
		fmt.Fprintln(c.err)
	}
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
