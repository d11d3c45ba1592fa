package commands

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// text is a flag with one value, the last one given. what names the value in help ("string" when
// the usage does not say `name`).
func text(name, short, usage string) cli.Flag {
	return &cli.GenericFlag{Name: name, Aliases: aliases(short), Usage: usage, Value: new(word)}
}

// textOr is text with a value to start from, shown in help.
func textOr(name, short, standard, usage string) cli.Flag {
	w := word(standard)
	return &cli.GenericFlag{Name: name, Aliases: aliases(short), Usage: usage, Value: &w, DefaultText: standard}
}

// list is a flag that may be given many times; values are kept as they are, in order.
func list(name, short, usage string) cli.Flag {
	return &cli.GenericFlag{Name: name, Aliases: aliases(short), Usage: usage, Value: new(words)}
}

// yes is a flag without a value; "--name=false" unsets it.
func yes(name, short, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Aliases: aliases(short), Usage: usage, DisableDefaultText: true}
}

// perhaps is a flag that may have a value behind "=".
func perhaps(name, short, usage string) cli.Flag {
	return &cli.GenericFlag{Name: name, Aliases: aliases(short), Usage: usage, Value: new(optional)}
}

// number is a flag with a whole number.
func number(name, short string, standard int, usage string) cli.Flag {
	return &cli.IntFlag{Name: name, Aliases: aliases(short), Usage: usage, Value: standard}
}

// hidden leaves a flag out of help and completion.
func hidden(f cli.Flag) cli.Flag {
	switch f := f.(type) {
	case *cli.GenericFlag:
		f.Hidden = true
	case *cli.BoolFlag:
		f.Hidden = true
	}
	return f
}

// also gives a flag more long spellings.
func also(f cli.Flag, names ...string) cli.Flag {
	if g, ok := f.(*cli.GenericFlag); ok {
		g.Aliases = append(g.Aliases, names...)
	}
	return f
}

// onlyName takes a flag's other spellings away once argv knows them: the line has one canonical form
// by then, and the flag library would set a list once more for each spelling.
func onlyName(f cli.Flag) cli.Flag {
	switch f := f.(type) {
	case *cli.GenericFlag:
		f.Aliases = nil
	case *cli.BoolFlag:
		f.Aliases = nil
	case *cli.IntFlag:
		f.Aliases = nil
	}
	return named{f, f.Names()}
}

// named is a flag that knows its names. The library's own cut theirs out with a regular expression at
// every question, and it asks each flag of every other: 20,000 times for run's.
type named struct {
	cli.Flag
	names []string
}

func (n named) Names() []string { return n.names }

func aliases(short string) []string {
	if short == "" {
		return nil
	}
	return []string{short}
}

// word is a value byte for byte.
type word string

func (w *word) Set(s string) error { *w = word(s); return nil }
func (w *word) String() string     { return string(*w) }

// words are the values of a list flag, byte for byte: the flag library would cut them at commas
// and trim them.
type words []string

func (w *words) Set(s string) error { *w = append(*w, s); return nil }
func (w *words) String() string     { return strings.Join(*w, ",") }

// optional is the value of a flag that may stand alone.
type optional struct {
	set   bool
	value string
}

func (o *optional) Set(s string) error { o.set, o.value = true, s; return nil }
func (o *optional) String() string     { return o.value }

func (c *call) text(name string) string {
	if w, ok := c.Generic(name).(*word); ok {
		return string(*w)
	}
	return ""
}

func (c *call) list(name string) []string {
	if w, ok := c.Generic(name).(*words); ok {
		return *w
	}
	return nil
}

// perhaps gives the value of an optional flag and whether it was given.
func (c *call) perhaps(name string) (string, bool) {
	if o, ok := c.Generic(name).(*optional); ok {
		return o.value, o.set
	}
	return "", false
}

// pairs reads "K=V" values; "K" alone takes its value from the environment and is left out when
// that has none, as docker does with --build-arg.
func pairs(flag string, values []string, environment bool) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if key == "" {
			return nil, fmt.Errorf("--%s %q: a name is missing before \"=\"", flag, v)
		}
		if !ok && environment {
			if value, ok = os.LookupEnv(key); !ok {
				continue
			}
		}
		out[key] = value
	}
	return out, nil
}
