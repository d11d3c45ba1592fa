package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/argv"
	"github.com/dhow-containers/dhow/commands/explain"
)

// verb is one row of the list: what help, completion, the man page and dispatch know of a command.
type verb struct {
	name    string   // as it is called, "pull" or "volume ls"
	also    []string // other spellings, "image pull"
	short   string   // one line
	usage   string   // the words behind the name, "[OPTIONS] NAME[:TAG|@DIGEST]"
	example string   // lines, shown first in help
	detail  string   // what the flags do not say; may be empty
	// flags makes the definitions; it is called when the verb is, not before.
	flags func() []cli.Flag
	// later names docker's flags that are not there yet: "cpus m/memory", a letter before a slash.
	later    string
	min, max int  // operands; max -1 is any number
	stop     bool // the first operand ends the flags
	names    kind // what the operands name, for completion
	hidden   bool
	run      func(*call) error
}

// kind is what a word names, for completion.
type kind string

const (
	aFile      kind = "file"
	anImage    kind = "image"
	aContainer kind = "container"
	aVolume    kind = "volume"
	anObject   kind = "object" // image, container or volume
	aVerb      kind = "verb"
)

func (v *verb) named(name string) bool { return v.name == name || slices.Contains(v.also, name) }

// spelling gives the verb's name that begins with the word group, "" when it has none.
func (v *verb) spelling(group string) string {
	for _, n := range append([]string{v.name}, v.also...) {
		if strings.HasPrefix(n, group+" ") {
			return n
		}
	}
	return ""
}

// count checks the number of operands, in docker's words.
func (v *verb) count(n int) error {
	plural := func(n int) string {
		if n == 1 {
			return "1 argument"
		}
		return fmt.Sprintf("%d arguments", n)
	}
	var want string
	switch {
	case n >= v.min && (v.max < 0 || n <= v.max):
		return nil
	case v.max == 0:
		want = "accepts no arguments"
	case v.min == v.max:
		want = "requires " + plural(v.min)
	case n < v.min:
		want = "requires at least " + plural(v.min)
	default:
		want = "requires at most " + plural(v.max)
	}
	return &explain.Error{Text: fmt.Sprintf("%q %s", "dhow "+v.name, want), Status: 1, Hint: fmt.Sprintf("see %q", "dhow "+v.name+" --help")}
}

// group gives the verbs spelled "NAME …", in the order of the list.
func (c *call) group(name string) []*verb {
	var out []*verb
	for _, v := range c.verbs {
		if !v.hidden && v.spelling(name) != "" {
			out = append(out, v)
		}
	}
	return out
}

// definitions gives what argv needs to know of a verb's flags.
func definitions(v *verb, flags []cli.Flag) []argv.Flag {
	out := make([]argv.Flag, 0, len(flags)+8)
	hasH := false
	for _, f := range flags {
		d := definition(f)
		hasH = hasH || d.Short == "h"
		out = append(out, d)
	}
	help := argv.Flag{Name: "help", Kind: argv.Bool}
	if !hasH {
		help.Short = "h"
	}
	out = append(out, help)
	for _, name := range strings.Fields(v.later) {
		short, long, ok := strings.Cut(name, "/")
		if !ok {
			short, long = "", name
		}
		out = append(out, argv.Flag{Name: long, Short: short, Kind: argv.Later})
	}
	return out
}

func definition(f cli.Flag) argv.Flag {
	names := f.Names()
	d := argv.Flag{Name: names[0]}
	for _, n := range names[1:] {
		if len(n) == 1 {
			d.Short = n
		} else {
			d.Also = append(d.Also, n)
		}
	}
	switch g := f.(type) {
	case *cli.BoolFlag:
		d.Kind = argv.Bool
	case *cli.GenericFlag:
		if _, ok := g.Value.(*optional); ok {
			d.Kind = argv.Optional
		}
	}
	return d
}
