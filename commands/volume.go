package commands

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/storage/volume"
)

var volumeLsVerb = verb{
	name: "volume ls", also: []string{"volume list"},
	short:   "List volumes",
	usage:   "[OPTIONS]",
	example: `dhow volume ls --filter dangling=true`,
	later:   "cluster",
	detail:  "Filters: dangling=true|false, driver=local, label=KEY[=VALUE], name=REGEX. Columns: .Name .Driver .Scope .Mountpoint\n.Labels .Label \"KEY\". config.json's volumesFormat stands in for --format.",
	flags: func() []cli.Flag {
		return []cli.Flag{
			list("filter", "f", "Show only volumes for which `key=value` holds"),
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			yes("quiet", "q", "Show only names"),
		}
	},
	run: runVolumeLs,
}

var volumeCreateVerb = verb{
	name:  "volume create",
	short: "Make a volume",
	usage: "[OPTIONS] [VOLUME]",
	example: `dhow volume create --label project=shop data
dhow volume create -o type=none -o o=bind -o device=/srv/data data
dhow volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch`,
	detail: `A tmpfs volume lives as long as a container runs, and each container has its own.`,
	later:  "availability group limit-bytes required-bytes scope secret sharing topology-preferred topology-required type",
	max:    1,
	flags: func() []cli.Flag {
		return []cli.Flag{
			textOr("driver", "d", "local", "`driver` The only one is local"),
			list("label", "", "`key=value` Set metadata"),
			also(list("opt", "o", "`key=value` Option of the driver: type, device, o"), "options"),
		}
	},
	run: func(c *call) error {
		labels, err := pairs("label", c.list("label"), false)
		if err != nil {
			return err
		}
		options, err := pairs("opt", c.list("opt"), false)
		if err != nil {
			return err
		}
		if d := c.text("driver"); d != "local" && d != "" {
			return fmt.Errorf("volume driver %q is not there: dhow has only local", d)
		}
		s, err := c.volumes()
		if err != nil {
			return err
		}
		v, err := s.Create(c.Args().First(), labels, options)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, v.Name)
		return err
	},
}

var volumeInspectVerb = verb{
	name:    "volume inspect",
	short:   "Show all about volumes",
	usage:   "[OPTIONS] VOLUME [VOLUME...]",
	example: `dhow volume inspect -f '{{.Mountpoint}}' data`,
	min:     1, max: -1, names: aVolume,
	flags: func() []cli.Flag {
		return []cli.Flag{text("format", "f", "Print with a Go `template` or \"json\"")}
	},
	run: func(c *call) error { return c.inspect(inspectVolume) },
}

var volumeRmVerb = verb{
	name: "volume rm", also: []string{"volume remove"},
	short:   "Remove volumes",
	usage:   "[OPTIONS] VOLUME [VOLUME...]",
	example: `dhow volume rm data`,
	min:     1, max: -1, names: aVolume,
	flags: func() []cli.Flag {
		return []cli.Flag{yes("force", "f", "Do not complain about volumes that do not exist")}
	},
	run: func(c *call) error {
		s, err := c.volumes()
		if err != nil {
			return err
		}
		return c.each(func(name string) error {
			err := s.Remove(name, c.volumeUsers())
			if errors.Is(err, volume.ErrNotFound) && c.Bool("force") {
				err = nil
			}
			if err != nil {
				return noVolume(err, name)
			}
			_, err = fmt.Fprintln(c.out, name)
			return err
		})
	},
}

type volumeRow struct {
	Availability string `header:"AVAILABILITY"`
	Driver       string `header:"DRIVER"`
	Group        string `header:"GROUP"`
	Labels       string `header:"LABELS"`
	Links        string `header:"LINKS"`
	Mountpoint   string `header:"MOUNTPOINT"`
	Name         string `header:"VOLUME NAME"`
	Scope        string `header:"SCOPE"`
	Size         string `header:"SIZE"`
	Status       string `header:"STATUS"`
	labels       map[string]string
}

// Label gives the value of one label.
func (r volumeRow) Label(name string) string { return r.labels[name] }

func runVolumeLs(c *call) error {
	standard := "table {{.Driver}}\t{{.Name}}"
	if c.Bool("quiet") {
		standard = "{{.Name}}"
	}
	raw := "name: {{.Name}}\ndriver: {{.Driver}}\n"
	if c.Bool("quiet") {
		raw = "name: {{.Name}}"
	}
	f, err := ui.ParseFormat(c.listFormat(c.config().VolumesFormat, raw), standard)
	if err != nil {
		return err
	}
	s, err := c.volumes()
	if err != nil {
		return err
	}
	all, err := s.List()
	if err != nil {
		return err
	}
	var rows []volumeRow
	for _, v := range all {
		keep, err := c.keepVolume(v)
		if err != nil {
			return err
		}
		if !keep {
			continue
		}
		rows = append(rows, volumeRow{Driver: "local", Name: v.Name, Scope: "local", Mountpoint: v.Dir, Labels: joinLabels(v.Labels), labels: v.Labels,
			Availability: "N/A", Group: "N/A", Links: "N/A", Size: "N/A", Status: "N/A"})
	}
	return ui.Write(c.out, f, rows, c.terminal())
}

func (c *call) keepVolume(v volume.Volume) (bool, error) {
	for _, f := range c.list("filter") {
		key, value, ok := strings.Cut(f, "=")
		var keep bool
		switch {
		case !ok:
			return false, fmt.Errorf("invalid filter %q: want key=value", f)
		case key == "name":
			keep = matches(value, v.Name)
		case key == "driver":
			keep = value == "local"
		case key == "label":
			keep = hasLabels(v.Labels, []string{value})
		case key == "dangling":
			users, err := c.volumeUsers()(v.Name)
			if err != nil {
				return false, err
			}
			keep = (len(users) == 0) == (value == "true" || value == "1")
		default:
			return false, fmt.Errorf("invalid filter %q: volumes have dangling, driver, label, name", key)
		}
		if !keep {
			return false, nil
		}
	}
	return true, nil
}

// volumes is the place of this caller's volumes.
func (c *call) volumes() (volume.Store, error) {
	p, err := c.here()
	if err != nil {
		return volume.Store{}, err
	}
	return run.Volumes(p.store), nil
}

// volumeDocument is what inspect shows of a volume.
type volumeDocument struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

func inspectVolume(c *call, name string) (any, error) {
	s, err := c.volumes()
	if err != nil {
		return nil, err
	}
	v, err := s.Get(name)
	if err != nil {
		return nil, noVolume(err, name)
	}
	return volumeDocument{CreatedAt: v.Created.Format(time.RFC3339), Driver: "local", Labels: v.Labels, Mountpoint: v.Dir, Name: v.Name,
		Options: v.Options, Scope: "local"}, nil
}

func noVolume(err error, name string) error {
	if errors.Is(err, volume.ErrNotFound) {
		return &explain.Error{Text: "get " + name + ": no such volume", Status: 1}
	}
	return err
}
