package commands

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

var manVerb = verb{
	name:  "man",
	short: "Print the manual page, or that of a command",
	usage: "[OPTIONS] [COMMAND]",
	example: `dhow man > ~/.local/share/man/man1/dhow.1
dhow man run | man -l -`,
	max: 2, names: aVerb,
	flags: func() []cli.Flag {
		return []cli.Flag{yes("list", "", "Print the commands that have a page, \"volume-ls\"")}
	},
	run: func(c *call) error {
		words := c.Args().Slice()
		var text string
		switch {
		case c.Bool("list"):
			for _, v := range c.verbs {
				if !v.hidden {
					text += pageName(v) + "\n"
				}
			}
		case len(words) == 0:
			text = manual(c.verbs)
		default:
			v := c.page(words)
			if v == nil {
				return c.unknown(words)
			}
			text = verbManual(v)
		}
		_, err := io.WriteString(c.out, text)
		return err
	},
}

// page finds the verb a page is asked for, "volume ls" or "volume-ls".
func (c *call) page(words []string) *verb {
	if v, used := find(c.verbs, words); v != nil && used == len(words) {
		return v
	}
	for _, v := range c.verbs {
		if pageName(v) == words[0] && len(words) == 1 {
			return v
		}
	}
	return nil
}

// pageName is the verb in the name of its page: dhow-volume-ls(1).
func pageName(v *verb) string { return strings.ReplaceAll(v.name, " ", "-") }

// verbManual gives the page of one verb, an example first.
func verbManual(v *verb) string {
	var b strings.Builder
	name := "dhow-" + pageName(v)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"dhow\" \"User Commands\"\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(name)), roff(name), roff(strings.ToLower(v.short[:1])+v.short[1:]))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", roff("dhow "+v.name), roff(v.usage))
	for _, also := range v.also {
		fmt.Fprintf(&b, ".br\n.B %s\n%s\n", roff("dhow "+also), roff(v.usage))
	}
	b.WriteString(".SH EXAMPLE\n.nf\n" + roff(v.example) + "\n.fi\n")
	if v.detail != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(v.detail))
	}
	if flags := describe(v); len(flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, f := range flags {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roff(strings.TrimSpace(f.left())), roff(f.usage))
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR dhow (1)\n")
	return b.String()
}

// manual gives dhow(1) as man(7) wants it, made of the list of verbs.
func manual(verbs []*verb) string {
	var b strings.Builder
	b.WriteString(`.TH DHOW 1 "" "dhow" "User Commands"
.SH NAME
dhow \- build and run containers as a normal user, without a daemon
.SH SYNOPSIS
.B dhow
[\-\-root \fIDIR\fR] \fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]
.SH EXAMPLE
.nf
dhow build \-t app .
dhow run \-\-rm app
.fi
.SH COMMANDS
`)
	for _, v := range verbs {
		if v.hidden {
			continue
		}
		fmt.Fprintf(&b, ".SS %s\n%s.\n", roff("dhow "+v.name+" "+v.usage), roff(v.short))
		if len(v.also) > 0 {
			fmt.Fprintf(&b, "Also: %s.\n", roff("dhow "+strings.Join(v.also, ", dhow ")))
		}
		b.WriteString(".PP\n.nf\n")
		for _, l := range strings.Split(v.example, "\n") {
			fmt.Fprintf(&b, "%s\n", roff(l))
		}
		b.WriteString(".fi\n")
		if v.detail != "" {
			fmt.Fprintf(&b, ".PP\n%s\n", roff(v.detail))
		}
		for _, f := range describe(v) {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roff(strings.TrimSpace(f.left())), roff(f.usage))
		}
	}
	b.WriteString(`.SH ENVIRONMENT
.TP
.B XDG_DATA_HOME, HOME
Where images, containers, volumes and the build cache are kept: $XDG_DATA_HOME/dhow or
$HOME/.local/share/dhow; /var/lib/dhow for root.
.TP
.B DOCKER_CONFIG, REGISTRY_AUTH_FILE
Credentials for registries.
.TP
.B CONTAINERS_REGISTRIES_CONF
Mirrors, aliases and insecure registries, see containers\-registries.conf(5).
.TP
.B BUILDKIT_PROGRESS, NO_COLOR, BUILDKIT_COLORS
How the progress of a build looks.
.TP
.B DOCKER_DEFAULT_PLATFORM, SOURCE_DATE_EPOCH
Defaults of build.
.TP
.B DHOW_MAPPING
Forces the id mapping: root, subids or single.
.SH EXIT STATUS
125 when dhow itself failed in a run or the command line could not be read, 126 and 127 when the
command of a container can not be invoked or is not found, 128 and the signal's number when a signal
ended it, otherwise the status of the command; 1 for other failures.
.SH SEE ALSO
containers\-registries.conf(5), subuid(5), user_namespaces(7)
`)
	return b.String()
}

// roff escapes what is special to man(7).
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...").Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
