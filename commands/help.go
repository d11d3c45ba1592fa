package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/argv"
)

var helpVerb = verb{
	name:    "help",
	short:   "Show help for a command",
	usage:   "[COMMAND]",
	example: `dhow help build`,
	max:     2, names: aVerb,
	run: func(c *call) error {
		words := c.Args().Slice()
		if len(words) == 0 {
			return c.showHelp(c.out, nil)
		}
		v, used := find(c.verbs, words)
		if v == nil || used < len(words) {
			if inGroup := c.group(words[0]); len(words) == 1 && len(inGroup) > 0 {
				return c.showGroup(c.out, words[0], inGroup)
			}
			return c.unknown(words)
		}
		return c.showHelp(c.out, v)
	},
}

// showHelp writes the help of a verb, or the list of verbs when v is nil.
func (c *call) showHelp(w io.Writer, v *verb) error {
	text := ""
	if v == nil {
		text = c.overview()
	} else {
		text = verbHelp(v)
	}
	_, err := io.WriteString(w, text)
	return err
}

func (c *call) overview() string {
	var b strings.Builder
	b.WriteString("Build and run containers as a normal user, without a daemon.\n\nExample:\n  dhow build -t app .\n  dhow run --rm app\n\nUsage:  dhow [--root DIR] COMMAND\n\nCommands:\n")
	w := tabwriter.NewWriter(&b, 0, 1, 3, ' ', 0)
	for _, v := range c.verbs {
		if !v.hidden {
			fmt.Fprintf(w, "  %s\t%s\n", v.name, v.short)
		}
	}
	_ = w.Flush() // into memory
	b.WriteString(`
Options:
      --config DIR   Directory of docker's config.json (DOCKER_CONFIG)
      --root DIR     Keep everything below this directory
  -v, --version      Show the version

See "dhow help COMMAND" for examples and flags.
`)
	return b.String()
}

// showGroup writes the verbs of a group, "image" or "volume".
func (c *call) showGroup(w io.Writer, name string, inGroup []*verb) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:  dhow %s COMMAND\n\nCommands:\n", name)
	tw := tabwriter.NewWriter(&b, 0, 1, 3, ' ', 0)
	for _, v := range inGroup {
		fmt.Fprintf(tw, "  %s\t%s\n", v.spelling(name), v.short)
	}
	_ = tw.Flush() // into memory
	fmt.Fprintf(&b, "\nSee \"dhow help %s COMMAND\" for examples and flags.\n", name)
	_, err := io.WriteString(w, b.String())
	return err
}

func verbHelp(v *verb) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nExample:\n", v.short)
	for _, l := range strings.Split(v.example, "\n") {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	fmt.Fprintf(&b, "\nUsage:  dhow %s %s\n", v.name, v.usage)
	if len(v.also) > 0 {
		fmt.Fprintf(&b, "\nAlso:   dhow %s\n", strings.Join(v.also, ", dhow "))
	}
	if v.detail != "" {
		fmt.Fprintf(&b, "\n%s\n", v.detail)
	}
	flags := describe(v)
	if len(flags) == 0 {
		return b.String()
	}
	b.WriteString("\nOptions:\n")
	width := 0
	for _, f := range flags {
		width = max(width, len(f.left()))
	}
	for _, f := range flags {
		fmt.Fprintf(&b, "  %-*s   %s\n", width, f.left(), f.usage)
	}
	return b.String()
}

// flagText is what help, completion and the man page say of a flag.
type flagText struct {
	name, short string
	value       string // the value's name; "" for a flag without one
	optional    bool   // the value may be left out
	usage       string
}

// left is the first column: "-f, --file string".
func (f flagText) left() string {
	s := "    --" + f.name
	if f.short != "" {
		s = "-" + f.short + ", --" + f.name
	}
	switch {
	case f.optional:
		s += "[=" + f.value + "]"
	case f.value != "":
		s += " " + f.value
	}
	return s
}

// describe gives the flags of a verb that are not hidden, by name.
func describe(v *verb) []flagText {
	if v.flags == nil {
		return nil
	}
	var out []flagText
	for _, f := range v.flags() {
		if h, ok := f.(cli.VisibleFlag); ok && !h.IsVisible() {
			continue
		}
		d := definition(f)
		t := flagText{name: d.Name, short: d.Short, optional: d.Kind == argv.Optional}
		usage := ""
		if u, ok := f.(cli.DocGenerationFlag); ok {
			usage = u.GetUsage()
		}
		t.value, t.usage = unquote(usage)
		if t.value == "" && d.Kind != argv.Bool {
			t.value = "string"
			switch g := f.(type) {
			case *cli.IntFlag:
				t.value = "int"
			case *cli.GenericFlag:
				if _, ok := g.Value.(*words); ok {
					t.value = "list"
				}
			}
		}
		if d.Kind == argv.Bool {
			t.value = ""
		}
		if g, ok := f.(*cli.GenericFlag); ok && g.DefaultText != "" {
			t.usage += fmt.Sprintf(" (default %q)", g.DefaultText)
		}
		if g, ok := f.(*cli.BoolFlag); ok && g.Value {
			t.usage += " (default true)"
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b flagText) int { return strings.Compare(a.name, b.name) })
	return out
}

// unquote takes the value's name, in backquotes, out of a usage text; in front of the text it is no
// part of it.
func unquote(usage string) (name, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "", usage
	}
	name, after, ok := strings.Cut(rest, "`")
	if !ok {
		return "", usage
	}
	if before == "" {
		return name, strings.TrimSpace(after)
	}
	return name, before + name + after
}
