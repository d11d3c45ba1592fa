package commands

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var systemCheckVerb = verb{
	name:  "system check",
	short: "Look for damage in the store of images",
	usage: "[OPTIONS]",
	example: `dhow system check
dhow system check --repair`,
	detail: `Reads every file of every layer and compares it with its digest, and the records with each
other. Prints nothing when all is well. Exit status: 0 all is well, or repaired; 1 there is damage.
--repair removes damaged layers with their images and fetches again what came from a registry.`,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("quick", "", "Look at the records only, not at the files"),
			yes("quiet", "q", "Print nothing; the exit status tells"),
			yes("repair", "r", "Cure what can be cured"),
		}
	},
	run: runSystemCheck,
}

func runSystemCheck(c *call) error {
	s, err := c.store()
	if err != nil {
		return explain.Tool(err)
	}
	say := func(text string) {
		if !c.Bool("quiet") {
			fmt.Fprintln(c.out, ui.Escape(text))
		}
	}
	ctx := c.cancellable()
	found, err := s.Check(ctx, storage.CheckOptions{Quick: c.Bool("quick")})
	for _, p := range found {
		say(p.Text)
	}
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	if !c.Bool("repair") {
		return explain.Silent(1)
	}
	d := ui.NewTransfer(ui.Pulling, c.err, c.Bool("quiet") || !ui.Terminal(c.err))
	done, err := s.Repair(ctx, found, storage.RepairOptions{Users: c.layerUsers, Progress: d.Event})
	d.Close()
	bad := false
	for _, r := range done {
		if r.Err != nil {
			bad = true
			text, _ := explain.Line(r.Err)
			if !c.Bool("quiet") {
				fmt.Fprintln(c.err, "dhow: "+text)
			}
			continue
		}
		say(r.Text)
	}
	if err != nil {
		return err
	}
	if bad {
		return explain.Silent(1)
	}
	return nil
}

// layerUsers maps layers to a container that stands on them.
func (c *call) layerUsers() (map[string]string, error) {
	list, err := c.containers()
	if err != nil {
		return nil, err
	}
	users := map[string]string{}
	for _, f := range list {
		layers := slices.Clone(f.Layers)
		for _, m := range f.Mounts {
			layers = append(layers, m.Layers...)
		}
		for _, id := range layers {
			if _, known := users[id]; !known || f.State.Active() {
				users[id] = f.ID
			}
		}
	}
	return users, nil
}
