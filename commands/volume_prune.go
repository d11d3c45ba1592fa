package commands

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/storage/volume"
)

var volumePruneVerb = verb{
	name:  "volume prune",
	short: "Remove volumes that no container has",
	usage: "[OPTIONS]",
	example: `dhow volume prune
dhow volume prune -af --filter label=project=shop`,
	detail: "Filters: label=KEY[=VALUE], label!=KEY[=VALUE], all=true (as -a).",
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Remove volumes with names too"),
			list("filter", "", "Remove only volumes for which `key=value` holds"),
			yes("force", "f", "Do not ask"),
		}
	},
	run: runVolumePrune,
}

func runVolumePrune(c *call) error {
	all := c.Bool("all")
	var rest []string
	for _, f := range c.list("filter") {
		value, ok := strings.CutPrefix(f, "all=")
		switch {
		case !ok:
			rest = append(rest, f)
		case c.Bool("all"):
			return explain.Usage(errors.New("conflicting options: cannot specify both --all and --filter all=" + value))
		case value == "true" || value == "1":
			all = true
		case value != "false" && value != "0":
			return explain.Usage(fmt.Errorf("invalid filter %q: neither true nor false", f))
		}
	}
	f, err := pruneFilters(rest)
	if err == nil && (!f.until.IsZero() || f.dangling != nil) {
		err = errors.New("invalid filter: volume prune has all, label, label!")
	}
	if err != nil {
		return explain.Usage(err)
	}
	question := "WARNING! This will remove anonymous local volumes not used by at least one container."
	if all {
		question = "WARNING! This will remove all local volumes not used by at least one container."
	}
	if !c.Bool("force") && !c.confirm(question) {
		return nil
	}
	bytes, failed := c.pruneVolumes(f, all)
	_, err = fmt.Fprintln(c.out, "Total reclaimed space:", ui.Size(bytes))
	return errors.Join(failed, err)
}

// pruneVolumes removes the volumes no container has, those with names only when all are meant, prints
// their names, and gives the bytes they had.
func (c *call) pruneVolumes(f pruneFilter, all bool) (int64, error) {
	s, err := c.volumes()
	if err != nil {
		return 0, err
	}
	list, err := s.List()
	if err != nil {
		return 0, err
	}
	users := c.volumeUsers()
	var bytes int64
	var gone []string
	var errs []error
	for _, v := range list {
		if !v.Anonymous && !all || !f.takes(v.Created, v.Labels) {
			continue
		}
		if using, err := users(v.Name); err == nil && len(using) > 0 {
			continue // not worth measuring
		}
		n := cache.TreeSize(v.Dir)
		err := s.Remove(v.Name, users)
		if errors.Is(err, volume.ErrInUse) || errors.Is(err, volume.ErrNotFound) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		bytes += n
		gone = append(gone, v.Name)
	}
	c.tellOf(event.VolumeType, "prune", "", "reclaimed", strconv.FormatInt(bytes, 10))
	c.printGone("Deleted Volumes:", gone)
	return bytes, errors.Join(errs...)
}

var volumeExistsVerb = verb{
	name:    "volume exists",
	short:   "Tell by the exit status whether a volume exists",
	usage:   "VOLUME",
	example: `dhow volume exists data || dhow volume create data`,
	detail:  "Exit status: 0 when it exists, 1 when it does not, 125 when that can not be found out.",
	min:     1, max: 1, names: aVolume,
	run: func(c *call) error {
		s, err := c.volumes()
		if err != nil {
			return explain.Tool(err)
		}
		_, err = s.Get(c.Args().First())
		if errors.Is(err, volume.ErrNotFound) {
			return explain.Silent(1)
		}
		return explain.Tool(err)
	},
}
