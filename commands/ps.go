package commands

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/health"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/record"
)

var psVerb = verb{
	name: "ps", also: []string{"container ls", "container list", "container ps"},
	short: "List containers",
	usage: "[OPTIONS]",
	example: `dhow ps -a
dhow ps -a --filter status=exited --format '{{.Names}} {{.Status}}'`,
	detail: `Filters: ancestor=IMAGE, before=CONTAINER, since=CONTAINER, exited=CODE, expose=PORT[/PROTO], id=REGEX,
health=starting|healthy|unhealthy|none, label=KEY[=VALUE], name=REGEX, network=NAME, publish=PORT[/PROTO] (of the container),
restart-policy=NAME, should-start-on-boot=true|false, status=created|running|paused|restarting|exited, volume=NAME.
Columns: .ID .Image .Command .CreatedAt .RunningFor .State .Status .Ports .Names .Labels .Label "KEY" .Mounts .Networks
.Platform .HealthStatus .IPAddresses .LocalVolumes .Size. config.json's psFormat stands in for --format.`,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Show containers that do not run, too"),
			list("filter", "f", "Show only containers for which `key=value` holds"),
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			number("last", "n", -1, "Show the `number` of containers created last"),
			yes("latest", "l", "Show the container created last"),
			yes("no-trunc", "", "Show whole ids and commands"),
			yes("quiet", "q", "Show only ids"),
			yes("size", "s", "Show how much each container has written"),
		}
	},
	run: runPs,
}

type containerRow struct {
	Command      string        `header:"COMMAND"`
	CreatedAt    string        `header:"CREATED AT"`
	HealthStatus string        `header:"HEALTH STATUS"`
	ID           string        `header:"CONTAINER ID"`
	IPAddresses  []containerIP `header:"IP ADDRESSES"`
	Image        string        `header:"IMAGE"`
	Labels       string        `header:"LABELS"`
	LocalVolumes string        `header:"LOCAL VOLUMES"`
	Mounts       string        `header:"MOUNTS"`
	Names        string        `header:"NAMES"`
	Networks     string        `header:"NETWORKS"`
	Platform     string        `header:"PLATFORM"`
	Ports        string        `header:"PORTS"`
	RunningFor   string        `header:"CREATED"`
	Size         string        `header:"SIZE"`
	State        string        `header:"STATE"`
	Status       string        `header:"STATUS"`
	labels       map[string]string
}

// Label gives the value of one label.
func (r containerRow) Label(name string) string { return r.labels[name] }

const psRaw = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\n" +
	"status: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n"

const psTable = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

func runPs(c *call) error {
	standard, raw := psTable, psRaw
	if c.Bool("size") {
		standard, raw = standard+"\t{{.Size}}", raw+"size: {{.Size}}\n"
	}
	source := c.listFormat(c.config().PsFormat, raw)
	if c.Bool("quiet") {
		if source != "" && source != raw {
			fmt.Fprintln(c.err, "WARNING: Ignoring custom format, because both --format and --quiet are set.")
		}
		standard = onlyID
		if source == raw {
			standard = "container_id: {{.ID}}"
		}
		source = ""
	}
	f, err := ui.ParseFormat(source, standard)
	if err != nil {
		return err
	}
	all, err := c.containers()
	if err != nil {
		return err
	}
	filters, err := c.containerFilters(all)
	if err != nil {
		return err
	}
	last := c.Int("last")
	if c.Bool("latest") {
		last = 1
	}
	everything := c.Bool("all") || last > 0 || filters.anyState
	now := time.Now()
	var rows []containerRow
	format := f
	for _, f := range all {
		if !everything && !f.State.Active() || !filters.keep(f) {
			continue
		}
		row := containerRowOf(f, now, !c.Bool("no-trunc"))
		if format.Uses("Platform") {
			row.Platform = c.platformOf(f)
		}
		if c.Bool("size") || format.Uses("Size") {
			written, err := run.SizeWritten(f)
			if err != nil {
				return err
			}
			row.Size = fmt.Sprintf("%s (virtual %s)", ui.Size(written), ui.Size(written+c.imageSize(f)))
		}
		rows = append(rows, row)
		if last > 0 && len(rows) == last {
			break
		}
	}
	return ui.Write(c.out, format, rows, c.terminal())
}

func containerRowOf(f record.Found, now time.Time, short bool) containerRow {
	row := containerRow{
		ID: f.ID, Names: f.Name, Image: f.Image, Command: strings.Join(f.Args, " "), Labels: joinLabels(f.Labels), labels: f.Labels,
		CreatedAt: f.Created.Local().Format(listTime), RunningFor: units.HumanDuration(now.Sub(f.Created)) + " ago",
		State: stateName(f.State), Status: statusOf(f, now), Networks: networkName(f.Network), Size: "0B",
		Ports: port.Format(f.State.Ports), IPAddresses: addressesOf(f),
	}
	var mounts []string
	volumes := 0
	for _, m := range f.Mounts {
		name := m.Source
		if m.Type == "volume" {
			name = m.Name
			volumes++
		}
		if name == "" {
			continue
		}
		if short {
			name = ui.Ellipsis(name, 15)
		}
		mounts = append(mounts, name)
	}
	row.Mounts, row.LocalVolumes = strings.Join(mounts, ","), strconv.Itoa(volumes)
	row.HealthStatus = healthIn(row.Status)
	if short {
		row.ID = ui.ShortID(f.ID)
		row.Command = ui.Ellipsis(row.Command, 20)
		if r, err := parseReference(f.Image); err == nil {
			row.Image = r.familiar()
			switch {
			case r.defaulted && f.Image == strings.TrimSuffix(row.Image, ":latest"):
				row.Image = f.Image
			case r.digest != "":
				row.Image = strings.TrimSuffix(row.Image, "@"+r.digest)
			}
		}
	}
	row.Command = strconv.Quote(row.Command)
	return row
}

// containerFilter is what --filter of ps asks for; values of one key are alternatives, but for
// labels.
type containerFilter struct {
	values        map[string][]string
	before, since time.Time
	anyState      bool
}

func (c *call) containerFilters(all []record.Found) (containerFilter, error) {
	f := containerFilter{values: map[string][]string{}}
	known := []string{"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network", "publish", "restart-policy", "should-start-on-boot", "since", "status", "volume"}
	for _, v := range c.list("filter") {
		key, value, ok := strings.Cut(v, "=")
		if !ok {
			return f, fmt.Errorf("invalid filter %q: want key=value", v)
		}
		if !contains(known, key) {
			return f, fmt.Errorf("invalid filter %q: containers have %s", key, strings.Join(known, ", "))
		}
		switch key {
		case "before", "since":
			found, err := c.container(value)
			if err != nil {
				return f, err
			}
			if key == "before" {
				f.before = found.Created
			} else {
				f.since = found.Created
			}
			continue
		case "ancestor":
			if img, err := c.image(value); err == nil {
				value = img.ID
			}
		case "status":
			f.anyState = true
			if !contains([]string{"created", "running", "exited", "paused", "restarting", "removing", "dead"}, value) {
				return f, fmt.Errorf("invalid filter 'status=%s'", value)
			}
		case "health":
			if !contains([]string{health.Starting, health.Healthy, health.Unhealthy, health.None}, value) {
				return f, fmt.Errorf("invalid filter 'health=%s'", value)
			}
		case "should-start-on-boot":
			f.anyState = true
			b, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("invalid filter %q: neither true nor false", v)
			}
			value = strconv.FormatBool(b)
		case "expose", "publish":
			if _, err := port.ParseExpose([]string{value}); err != nil {
				return f, fmt.Errorf("invalid filter %q: %w", v, err)
			}
		case "id", "name":
			if _, err := regexp.Compile(value); err != nil {
				return f, fmt.Errorf("invalid filter %q: %w", v, err)
			}
		case "is-task":
			if _, err := strconv.ParseBool(value); err != nil {
				return f, fmt.Errorf("invalid filter %q: neither true nor false", v)
			}
		case "isolation": // of Windows
			continue
		case "exited":
			f.anyState = true
			if _, err := strconv.Atoi(value); err != nil {
				return f, fmt.Errorf("invalid filter %q: not a number", v)
			}
		}
		f.values[key] = append(f.values[key], value)
	}
	return f, nil
}

func (f containerFilter) keep(c record.Found) bool {
	if !f.before.IsZero() && !c.Created.Before(f.before) || !f.since.IsZero() && !c.Created.After(f.since) {
		return false
	}
	for key, values := range f.values {
		if key == "label" {
			if !hasLabels(c.Labels, values) {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(values, func(v string) bool { return containerHas(c, key, v) }) {
			return false
		}
	}
	return true
}

func containerHas(c record.Found, key, value string) bool {
	switch key {
	case "ancestor":
		return c.ImageID == value || c.Image == value || familiar(c.Image) == familiar(value)
	case "exited":
		return c.State.Status == record.Exited && strconv.Itoa(c.State.ExitCode) == value
	case "health":
		return healthOf(c) == value
	case "restart-policy":
		return restartOf(c) == value
	case "should-start-on-boot":
		return strconv.FormatBool(startsOnBoot(c)) == value
	case "id":
		return matches(value, c.ID)
	case "is-task": // of swarm
		task, _ := strconv.ParseBool(value)
		return !task
	case "name":
		return matches(value, c.Name) || matches(value, "/"+c.Name)
	case "expose":
		return anyPort(value, func(p port.Port) bool { return slices.Contains(c.Exposed, p) })
	case "publish":
		return anyPort(value, func(p port.Port) bool {
			return slices.ContainsFunc(c.Publish, func(m port.Mapping) bool { return m.Port == p })
		})
	case "network":
		return networkName(c.Network) == networkName(value)
	case "status":
		return stateName(c.State) == value
	case "volume":
		return slices.ContainsFunc(c.Mounts, func(m record.Mount) bool { return m.Name == value || m.Target == value })
	}
	return false
}

// matches reports whether a name fits a filter's regular expression, as in docker: "^web$" is one name,
// "web" a part of it.
func matches(expression, name string) bool {
	ok, err := regexp.MatchString(expression, name)
	return err == nil && ok || expression == name
}

// healthOf is what the filter health looks at.
func healthOf(c record.Found) string {
	if c.Health.Status == "" {
		return health.None
	}
	return c.Health.Status
}

// restartOf is the name of a container's restart policy.
func restartOf(c record.Found) string {
	if c.Restart.Name == "" {
		return record.RestartNo
	}
	return c.Restart.Name
}

// startsOnBoot tells whether docker's daemon would start the container when it is started itself: by its
// policy, if it does not run already.
func startsOnBoot(c record.Found) bool {
	if c.State.Active() || c.State.Status == record.Created {
		return false
	}
	switch c.Restart.Name {
	case record.RestartAlways:
		return true
	case record.RestartUnlessStopped:
		return !c.State.Stopped
	case record.RestartOnFailure:
		return c.State.ExitCode != 0 && !c.State.Stopped
	}
	return false
}

// anyPort tells whether one of the ports that a filter names, "80", "53/udp" or a range, is has.
func anyPort(value string, has func(port.Port) bool) bool {
	ports, _ := port.ParseExpose([]string{value}) // read before
	return slices.ContainsFunc(ports, has)
}
