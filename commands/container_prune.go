package commands

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/event"
)

var containerPruneVerb = verb{
	name:    "container prune",
	short:   "Remove all containers that do not run",
	usage:   "[OPTIONS]",
	example: `dhow container prune -f --filter until=24h`,
	detail:  "Filters: until=TIME or DURATION (made before), label=KEY[=VALUE], label!=KEY[=VALUE].",
	flags: func() []cli.Flag {
		return []cli.Flag{
			list("filter", "", "Remove only those for which `key=value` holds"),
			yes("force", "f", "Do not ask"),
		}
	},
	run: runContainerPrune,
}

func runContainerPrune(c *call) error {
	var until time.Time
	var with, without []string
	for _, f := range c.list("filter") {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "until":
			t, err := since1970(value)
			if err != nil {
				return explain.Usage(err)
			}
			until = t
		case "label":
			with = append(with, value)
		case "label!":
			without = append(without, value)
		default:
			return explain.Usage(fmt.Errorf("invalid filter %q: container prune has label and until", f))
		}
	}
	if !c.Bool("force") && !c.confirm("WARNING! This will remove all stopped containers.") {
		return nil
	}
	all, err := c.containers()
	if err != nil {
		return err
	}
	var gone []string
	var total int64
	var failed error
	for _, f := range all {
		if f.State.Active() || !until.IsZero() && !f.Created.Before(until) || !hasLabels(f.Labels, with) {
			continue
		}
		if len(without) > 0 && hasLabels(f.Labels, without) {
			continue
		}
		size, _ := run.SizeWritten(f)
		var missing *explain.Error
		err := c.remove(f.ID, false)
		if now, ferr := c.container(f.ID); errors.As(err, &missing) || err != nil && ferr == nil && now.State.Active() {
			continue // removed or started by somebody else, just now
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		gone, total = append(gone, f.ID), total+size
	}
	c.tellOf(event.ContainerType, "prune", "", "reclaimed", strconv.FormatInt(total, 10))
	if len(gone) > 0 {
		fmt.Fprintln(c.out, "Deleted Containers:")
		for _, id := range gone {
			fmt.Fprintln(c.out, id)
		}
		fmt.Fprintln(c.out)
	}
	fmt.Fprintf(c.out, "Total reclaimed space: %s\n", ui.Total(total))
	return failed
}
