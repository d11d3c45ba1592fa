package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/completions"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

var completionVerb = verb{
	name:  "completion",
	short: "Print completion for a shell",
	usage: "bash|zsh|fish",
	example: `source <(dhow completion bash)
dhow completion fish > ~/.config/fish/completions/dhow.fish`,
	min: 1, max: 1,
	flags: func() []cli.Flag { return []cli.Flag{hidden(yes("no-descriptions", "", "Leave descriptions out"))} },
	run: func(c *call) error {
		text := completions.Script(c.Args().First())
		if text == "" {
			return &explain.Error{Text: fmt.Sprintf("no completion for %q", c.Args().First()), Hint: "bash, zsh or fish", Status: 1}
		}
		_, err := io.WriteString(c.out, text)
		return err
	},
}

// completeVerb gives the scripts what they can not know: the names of things that exist now.
var completeVerb = verb{
	name:    "__complete",
	short:   "Print names for completion",
	usage:   "image|container|running|stopped|copied|volume|object",
	example: "dhow __complete image",
	min:     1, max: 1, hidden: true,
	run: func(c *call) error {
		names := map[kind]func(*call) []string{anImage: imageNames, aContainer: containerNames, aVolume: volumeNames,
			aRunning: func(c *call) []string {
				return namesOf(c, func(f record.Found) bool { return f.State.Pid != 0 && f.State.Status != record.Exited })
			},
			aStopped: func(c *call) []string {
				return namesOf(c, func(f record.Found) bool { return f.State.Status == record.Created || f.State.Status == record.Exited })
			},
			aCopied: func(c *call) []string {
				var out []string
				for _, name := range containerNames(c) {
					out = append(out, name+":")
				}
				return out
			},
			anObject: func(c *call) []string { return append(append(containerNames(c), imageNames(c)...), volumeNames(c)...) }}
		f := names[kind(c.Args().First())]
		if f == nil || !c.kept() {
			return nil
		}
		var b strings.Builder
		for _, n := range f(c) {
			// a name that a shell would read as more than a word is of no use to it
			if !strings.ContainsAny(n, " \t\n'\"`$\\;&|<>()*?[]{}!~#") {
				b.WriteString(n + "\n")
			}
		}
		_, err := io.WriteString(c.out, b.String())
		return err
	},
}

func imageNames(c *call) []string {
	s, err := c.store()
	if err != nil {
		return nil
	}
	images, err := s.Images()
	if err != nil {
		return nil
	}
	var out []string
	for _, img := range images {
		for _, n := range img.Names {
			f := familiar(n)
			out = append(out, strings.TrimSuffix(f, ":latest"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func containerNames(c *call) []string {
	return namesOf(c, func(record.Found) bool { return true })
}

// namesOf gives the names of the containers that are wanted.
func namesOf(c *call, wanted func(record.Found) bool) []string {
	p, err := c.here()
	if err != nil {
		return nil
	}
	all, _ := run.List(p.store) // what can be read is enough
	var out []string
	for _, f := range all {
		if wanted(f) {
			out = append(out, f.Name)
		}
	}
	return out
}

func volumeNames(c *call) []string {
	s, err := c.volumes()
	if err != nil {
		return nil
	}
	all, err := s.List()
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range all {
		out = append(out, v.Name)
	}
	return out
}
