package commands

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	units "github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

var statsVerb = verb{
	name: "stats", also: []string{"container stats"},
	short: "Show what containers use of the machine",
	usage: "[OPTIONS] [CONTAINER...]",
	example: `dhow stats
dhow stats --no-stream --format '{{.Name}} {{.MemUsage}}'`,
	detail: `Without names it shows all running containers, once a second until it is interrupted. The numbers are those of
the container's control group; where it has none they are added up from /proc, and stderr says so.
Columns: .Container .ID .Name .CPUPerc .MemUsage .MemPerc .NetIO .BlockIO .PIDs.`,
	min: 0, max: -1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Show containers that do not run, too"),
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			yes("no-stream", "", "Show one measurement and end"),
			yes("no-trunc", "", "Show whole ids"),
		}
	},
	run: runStats,
}

type statsRow struct {
	BlockIO   string `header:"BLOCK I/O"`
	CPUPerc   string `header:"CPU %"`
	Container string `header:"CONTAINER"`
	ID        string `header:"CONTAINER ID"`
	MemPerc   string `header:"MEM %"`
	MemUsage  string `header:"MEM USAGE / LIMIT"`
	Name      string `header:"NAME"`
	NetIO     string `header:"NET I/O"`
	PIDs      string `header:"PIDS"`
}

const statsTable = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"

// interval lies between two measurements.
const interval = time.Second

func runStats(c *call) error {
	format, err := ui.ParseFormat(c.text("format"), statsTable)
	if err != nil {
		return err
	}
	ctx := c.cancellable()
	m := measuring{c: c, before: map[string]run.Usage{}}
	rows, err := m.rows()
	if err != nil {
		return err
	}
	var screen *ui.Screen
	if !c.Bool("no-stream") && ui.Repaints(c.out) {
		screen = ui.NewScreen(c.out)
		defer screen.Close()
	}
	for first := true; ; first = false {
		if !first || !c.Bool("no-stream") { // the first measurement knows of no time to compare with
			if err := m.show(format, rows, screen); err != nil {
				return err
			}
		}
		if !first && c.Bool("no-stream") {
			return nil
		}
		if !sleep(ctx, interval) {
			return explain.Silent(130)
		}
		if rows, err = m.rows(); err != nil {
			return err
		}
	}
}

// addedUp tells what the numbers are not.
const addedUp = "no control group to ask: the numbers are added up from /proc"

func (m *measuring) show(format *ui.Format, rows []statsRow, screen *ui.Screen) error {
	if screen == nil {
		if m.addedUp && !m.told {
			m.c.warn(addedUp)
			m.told = true
		}
		return ui.Write(m.c.out, format, rows, m.c.terminal())
	}
	var frame bytes.Buffer
	if err := ui.Write(&frame, format, rows, true); err != nil {
		return err
	}
	if m.addedUp {
		frame.WriteString("\n(" + addedUp + ")\n")
	}
	return screen.Show(frame.String())
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// measuring remembers the last measurement of each container.
type measuring struct {
	c      *call
	before map[string]run.Usage
	// addedUp says that numbers were added up from /proc, told that the person knows.
	addedUp, told bool
}

// rows measures the containers that were named, or all.
func (m *measuring) rows() ([]statsRow, error) {
	var list []record.Found
	names := m.c.Args().Slice()
	for _, name := range names {
		f, err := m.c.container(name)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	if len(names) == 0 {
		all, err := m.c.containers()
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if f.State.Active() || m.c.Bool("all") {
				list, names = append(list, f), append(names, ui.ShortID(f.ID))
			}
		}
	}
	now := make([]run.Usage, len(list))
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, f := range list {
		all.Go(func() { now[i], errs[i] = run.Measure(f) })
	}
	all.Wait()
	rows := make([]statsRow, 0, len(list))
	before := map[string]run.Usage{}
	for i, f := range list {
		if errs[i] != nil {
			return nil, errs[i]
		}
		m.addedUp = m.addedUp || now[i].FromProc
		rows = append(rows, m.row(f, names[i], now[i]))
		before[f.ID] = now[i]
	}
	m.before = before
	return rows, nil
}

func (m *measuring) row(f record.Found, name string, u run.Usage) statsRow {
	r := statsRow{
		Container: name, ID: f.ID, Name: f.Name, PIDs: fmt.Sprint(u.Processes),
		MemUsage: units.BytesSize(float64(u.Memory)) + " / " + units.BytesSize(float64(u.MemoryLimit)),
		NetIO:    units.HumanSizeWithPrecision(float64(u.Received), 3) + " / " + units.HumanSizeWithPrecision(float64(u.Sent), 3),
		BlockIO:  units.HumanSizeWithPrecision(float64(u.BlockRead), 3) + " / " + units.HumanSizeWithPrecision(float64(u.BlockWritten), 3),
		MemPerc:  "0.00%", CPUPerc: "--",
	}
	if !m.c.Bool("no-trunc") {
		r.ID = ui.ShortID(f.ID)
	}
	if u.MemoryLimit > 0 {
		r.MemPerc = fmt.Sprintf("%.2f%%", 100*float64(u.Memory)/float64(u.MemoryLimit))
	}
	if last, ok := m.before[f.ID]; ok {
		r.CPUPerc = "0.00%"
		if used, passed := u.CPU-last.CPU, u.At.Sub(last.At); used > 0 && passed > 0 {
			r.CPUPerc = fmt.Sprintf("%.2f%%", 100*float64(used)/float64(passed))
		}
	}
	return r
}
