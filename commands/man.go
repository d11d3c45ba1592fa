package commands

import (
	"fmt"
	"io"
	"strings"
)

var manVerb = verb{
	name:    "man",
	short:   "Print the manual page",
	example: "dhow man > ~/.local/share/man/man1/dhow.1",
	run: func(c *call) error {
		_, err := io.WriteString(c.out, manual(c.verbs))
		return err
	},
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
