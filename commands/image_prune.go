package commands

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var imagePruneVerb = verb{
	name:  "image prune",
	short: "Remove images that no container uses",
	usage: "[OPTIONS]",
	example: `dhow image prune
dhow image prune -af --filter until=240h`,
	detail: "Filters: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE], dangling=false (as -a).",
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Remove images with names too"),
			list("filter", "", "Remove only images for which `key=value` holds"),
			yes("force", "f", "Do not ask"),
		}
	},
	run: func(c *call) error {
		f, err := pruneFilters(c.list("filter"))
		if err != nil {
			return explain.Usage(err)
		}
		all := c.Bool("all")
		if f.dangling != nil {
			all = !*f.dangling
		}
		question := "WARNING! This will remove all dangling images."
		if all {
			question = "WARNING! This will remove all images without at least one container associated to them."
		}
		if !c.Bool("force") && !c.confirm(question) {
			return nil
		}
		bytes, err := c.pruneImages(all, f)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, "Total reclaimed space:", ui.Total(bytes))
		return err
	},
}

// pruneFilter is what the prune verbs' --filter spares.
type pruneFilter struct {
	until     time.Time
	labels    []string
	notLabels []string
	dangling  *bool
}

func pruneFilters(values []string) (f pruneFilter, err error) {
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		switch {
		case !ok:
			return f, fmt.Errorf("invalid filter %q: want key=value", v)
		case key == "until":
			if f.until, err = since1970(value); err != nil {
				return f, err
			}
		case key == "label":
			f.labels = append(f.labels, value)
		case key == "label!":
			f.notLabels = append(f.notLabels, value)
		case key == "dangling":
			b := value == "true" || value == "1"
			if !b && value != "false" && value != "0" {
				return f, fmt.Errorf("invalid filter %q: neither true nor false", v)
			}
			f.dangling = &b
		default:
			return f, fmt.Errorf("invalid filter %q: prune has label, label!, until", v)
		}
	}
	return f, nil
}

// takes reports whether something made then with these labels may go.
func (f pruneFilter) takes(created time.Time, labels map[string]string) bool {
	if !f.until.IsZero() && !created.Before(f.until) || !hasLabels(labels, f.labels) {
		return false
	}
	for _, not := range f.notLabels {
		if hasLabels(labels, []string{not}) {
			return false
		}
	}
	return true
}

// pruneImages removes images and prints which, as docker does. It gives the bytes that came free.
func (c *call) pruneImages(all bool, f pruneFilter) (int64, error) {
	s, err := c.store()
	if err != nil {
		return 0, err
	}
	users, err := c.imageUsers()
	if err != nil {
		return 0, err
	}
	gone, bytes, err := s.PruneImages(storage.PruneOptions{
		All: all, Users: users,
		Spare: func(img storage.Image) bool { return !f.takes(img.Created, img.Config.Config.Labels) },
	})
	if len(gone.Deleted) > 0 {
		fmt.Fprintln(c.out, "Deleted Images:")
		for _, n := range gone.Untagged {
			fmt.Fprintln(c.out, "untagged:", ui.Escape(familiar(n)))
		}
		for _, id := range gone.Deleted {
			fmt.Fprintln(c.out, "deleted:", id)
		}
		fmt.Fprintln(c.out)
	}
	return bytes, err
}
