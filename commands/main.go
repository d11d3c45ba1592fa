package commands

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/argv"
	"github.com/dhow-containers/dhow/commands/explain"
)

// Version and Commit are stamped by main.
var (
	Version = "unknown"
	Commit  = "unknown"
)

// Main runs the command line argv, the program's name first, and gives the exit status: docker's,
// that is 125 for a command line that can not be read, 1 for most failures, and for run the
// payload's own.
func Main(args []string) int {
	c := &call{verbs: verbs, out: os.Stdout, err: os.Stderr}
	defer c.close()
	err := c.dispatch(args[min(1, len(args)):])
	return c.report(err)
}

// globals are the flags before the verb.
func globals() []argv.Flag {
	return []argv.Flag{
		{Name: "root"}, {Name: "config"},
		{Name: "help", Short: "h", Kind: argv.Bool}, {Name: "version", Short: "v", Kind: argv.Bool},
		{Name: "host", Short: "H", Kind: argv.Later}, {Name: "context", Short: "c", Kind: argv.Later},
		{Name: "debug", Short: "D", Kind: argv.Later}, {Name: "log-level", Short: "l", Kind: argv.Later},
		{Name: "tls", Kind: argv.Later}, {Name: "tlsverify", Kind: argv.Later}, {Name: "tlscacert", Kind: argv.Later},
		{Name: "tlscert", Kind: argv.Later}, {Name: "tlskey", Kind: argv.Later},
	}
}

// dispatch finds the verb, reads its flags and calls it.
func (c *call) dispatch(words []string) error {
	line, err := argv.Read(words, globals(), true)
	if err != nil {
		return usageError(err, "")
	}
	for _, s := range line.Settings {
		switch s.Name {
		case "root":
			c.root = s.Value
		case "config":
			if err := os.Setenv("DOCKER_CONFIG", s.Value); err != nil {
				return err
			}
		case "help":
			return c.showHelp(c.out, nil)
		case "version":
			if s.Value == "true" {
				_, err := fmt.Fprintf(c.out, "dhow version %s, build %s\n", Version, shortCommit(Commit))
				return err
			}
		}
	}
	words = line.Operands
	if len(words) == 0 {
		return c.showHelp(c.out, nil)
	}
	v, used := find(c.verbs, words)
	if v == nil {
		return c.unknown(words)
	}
	return c.call(v, words[used:])
}

// call reads the verb's flags and runs it.
func (c *call) call(v *verb, words []string) error {
	c.verb = v
	var flags []cli.Flag
	if v.flags != nil {
		flags = v.flags()
	}
	line, err := argv.Read(words, definitions(v, flags), v.stop)
	if err != nil {
		return usageError(err, v.name)
	}
	settings := line.Settings[:0]
	for _, s := range line.Settings {
		if s.Name == "help" {
			return c.showHelp(c.out, v)
		}
		settings = append(settings, s)
	}
	line.Settings = settings
	if err := v.count(len(line.Operands)); err != nil {
		return err
	}
	for i, f := range flags {
		flags[i] = onlyName(f)
	}
	var result error
	app := &cli.App{
		Name: "dhow " + v.name, Flags: flags, HideHelp: true, HideVersion: true, DisableSliceFlagSeparator: true,
		Writer: c.err, ErrWriter: c.err, Compiled: time.Unix(1, 0), // else the library looks for the binary
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usageError(err, v.name) },
		ExitErrHandler: func(*cli.Context, error) {},
		Action: func(ctx *cli.Context) error {
			c.Context = ctx
			result = v.run(c)
			return nil
		},
	}
	if err := app.Run(append([]string{"dhow"}, line.Args()...)); err != nil {
		return err
	}
	return result
}

// find gives the verb that words begin with, the longest name first, and how many words it took.
func find(verbs []*verb, words []string) (*verb, int) {
	for n := min(2, len(words)); n > 0; n-- {
		name := strings.Join(words[:n], " ")
		for _, v := range verbs {
			if v.named(name) {
				return v, n
			}
		}
	}
	return nil, 0
}

// unknown answers words that begin with no verb: a group ("image") shows its verbs, the rest is an
// error.
func (c *call) unknown(words []string) error {
	if inGroup := c.group(words[0]); len(inGroup) > 0 {
		if why := dockersVerb(words); why != nil {
			return why
		}
		if len(words) == 1 || words[1] == "--help" || words[1] == "-h" {
			return c.showGroup(c.err, words[0], inGroup)
		}
		var names []string
		for _, v := range inGroup {
			_, sub, _ := strings.Cut(v.spelling(words[0]), " ")
			names = append(names, sub)
		}
		return unknownCommand(words[0]+" "+words[1], argv.Nearest(words[1], names), words[0])
	}
	var names []string
	for _, v := range c.verbs {
		if !v.hidden && !strings.Contains(v.name, " ") {
			names = append(names, v.name)
		}
	}
	if why := dockersVerb(words); why != nil {
		return why
	}
	if docker := laterVerbs[words[0]]; docker {
		return &explain.Error{Text: fmt.Sprintf("\"dhow %s\" is not supported yet", words[0]), Status: 1}
	}
	return unknownCommand(words[0], argv.Nearest(words[0], names), "")
}

// laterVerbs are docker's and podman's verbs that are not there yet: they are refused by name, not
// as spelling mistakes.
var laterVerbs = map[string]bool{"compose": true, "manifest": true,
	"network": true, "pause": true, "search": true, "stats": true,
	"unpause": true, "update": true}

func unknownCommand(words, near, group string) error {
	e := &explain.Error{Text: fmt.Sprintf("unknown command: %q", "dhow "+words), Status: 1, Hint: `see "dhow --help"`}
	if near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", strings.TrimSpace("dhow "+group+" "+near))
		if group == "" {
			e.Hint = fmt.Sprintf("did you mean %q?", "dhow "+near)
		}
	}
	return e
}

// usageError is a command line that can not be read: docker's 125.
func usageError(err error, verb string) error {
	e := &explain.Error{Text: err.Error(), Status: 125}
	var read *argv.Error
	if errors.As(err, &read) {
		e.Hint = read.Hint()
	}
	if e.Hint == "" && !strings.HasSuffix(e.Text, "not supported yet") {
		e.Hint = fmt.Sprintf("see %q", strings.TrimSpace("dhow "+verb)+" --help")
	}
	return e
}

// report prints what went wrong, in one line, and gives the exit status.
func (c *call) report(err error) int {
	if err == nil {
		return 0
	}
	var said explain.Silent
	if c.ctx != nil && c.ctx.Err() != nil && !errors.As(err, &said) {
		if n := c.signalled(); n != 0 {
			fmt.Fprintf(c.err, "dhow: canceled by signal %q\n", n.String())
			return 128 + int(n)
		}
	}
	text, status := explain.Line(err)
	if text != "" {
		fmt.Fprintln(c.err, "dhow: "+text)
	}
	return status
}

func shortCommit(s string) string { return s[:min(7, len(s))] }
