package commands

import (
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/rootless/check"
	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/run/network/device"
)

var doctorVerb = verb{
	name: "doctor", also: []string{"system doctor"},
	short: "Tell what this host lacks, what is used instead, and the cure",
	usage: "[OPTIONS]",
	example: `dhow doctor
dhow doctor --format json | jq -r '.probes[] | select(.cure) | .cure'`,
	detail: `One line for each thing the host gives: "ok", "missing" when dhow works without it, "fatal" when it
does not. Exit status: 0 when containers can be built and run here, 1 when they can not.`,
	flags: func() []cli.Flag {
		return []cli.Flag{text("format", "f", "Print with a Go `template` or \"json\"")}
	},
	run: runDoctor,
}

// doctorDocument is stable: fields are added, not changed.
type doctorDocument struct {
	// Works tells whether containers can be built and run here.
	Works  bool          `json:"works"`
	Probes []doctorProbe `json:"probes"`
	// Ignored are set variables that name another program's server.
	Ignored []string `json:"ignored,omitempty"`
}

type doctorProbe struct {
	Status string `json:"status"` // "ok", "missing" or "fatal"
	check.Probe
}

// titles are the probes' names for people.
var titles = map[string]string{
	"kernel": "kernel", "namespaces": "user namespaces", "mapping": "subordinate ids", "store": "store", "overlay": "overlay", "xattr": "xattrs",
	"supervisor": "seccomp notify", "proc": "/proc", "tun": "tun device", "cgroup": "cgroup v2", "disk": "disk space", "dns": "DNS",
}

func runDoctor(c *call) error {
	d := doctorDocument{Works: true, Ignored: serverVariables()}
	for _, p := range c.examine() {
		status := "ok"
		switch {
		case p.Fatal:
			status, d.Works = "fatal", false
		case !p.Good():
			status = "missing"
		}
		d.Probes = append(d.Probes, doctorProbe{status, p})
	}
	var err error
	if format := c.text("format"); format != "" {
		err = c.printDocument(format, d)
	} else {
		_, err = io.WriteString(c.out, d.lines())
	}
	if err == nil && !d.Works {
		return explain.Silent(1)
	}
	return err
}

// examine probes the host. What is wrong with the store's place is one more probe: a doctor that
// fails where everything else does is of no use.
func (c *call) examine() []check.Probe {
	p, err := c.here()
	if enter.Err() != nil {
		return check.Everything(enter.Current(), "")
	}
	place := check.Probe{Name: "store", Value: p.store}
	if err != nil {
		place.Value, place.Reason, place.Fatal = "none", err.Error(), true
		var hint interface{ Hint() string }
		if errors.As(err, &hint) {
			place.Cure = hint.Hint()
		}
	}
	var list []check.Probe
	for _, probe := range check.Everything(p.mapping, p.store) {
		if probe.Name == "mapping" {
			list = append(list, probe, place)
			continue
		}
		switch {
		case probe.Name == "tun" && !probe.Good() && device.Check() == nil:
			probe.Instead = "a veth pair"
		case probe.Name == "tun" && !probe.Good():
			probe.Instead = "--network none or host, when asked for"
		case probe.Name == "cgroup" && !probe.Good():
			probe.Instead = "no limits"
		}
		list = append(list, probe)
	}
	return list
}

// lines gives one line for each probe, what is used instead and the cure below it, and a verdict.
func (d doctorDocument) lines() string {
	var b strings.Builder
	for _, p := range d.Probes {
		title := titles[p.Name]
		b.WriteString(p.Status + strings.Repeat(" ", 9-len(p.Status)) + title + strings.Repeat(" ", 17-len(title)))
		if p.Status == "ok" {
			b.WriteString(ui.Escape(p.Value) + "\n")
			continue
		}
		b.WriteString(ui.Escape(p.Reason))
		if p.Instead != "" {
			b.WriteString(" → " + ui.Escape(p.Instead))
		}
		b.WriteByte('\n')
		if p.Cure != "" {
			b.WriteString(strings.Repeat(" ", 26) + "cure: " + ui.Escape(p.Cure) + "\n")
		}
	}
	if len(d.Ignored) > 0 {
		b.WriteString("note     environment      " + strings.Join(d.Ignored, ", ") + ": ignored, there is no server to talk to\n")
	}
	if d.Works {
		b.WriteString("dhow works here.\n")
	} else {
		b.WriteString("dhow can not work here: see what is fatal above.\n")
	}
	return b.String()
}
