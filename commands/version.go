package commands

import (
	"io"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/ui"
)

var versionVerb = verb{
	name: "version", also: []string{"buildx version"},
	short:   "Show the version",
	usage:   "[OPTIONS]",
	example: `dhow version --format '{{.Client.Version}}'`,
	flags: func() []cli.Flag {
		return []cli.Flag{text("format", "f", "Print with a Go `template` or \"json\"")}
	},
	run: runVersion,
}

// versionDocument has docker's shape: scripts ask for .Client.Version and .Server.Version. There is
// one program, so both are the same.
type versionDocument struct {
	Client, Server versionPart
}

type versionPart struct {
	Version   string
	GitCommit string
	GoVersion string
	Os        string
	Arch      string
}

func runVersion(c *call) error {
	p := versionPart{Version: Version, GitCommit: Commit, GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH}
	doc := versionDocument{p, p}
	format := c.text("format")
	if format == "" {
		format = "dhow\n Version:    {{.Client.Version}}\n Go version: {{.Client.GoVersion}}\n Git commit: {{.Client.GitCommit}}\n OS/Arch:    {{.Client.Os}}/{{.Client.Arch}}"
	}
	return c.printDocument(format, doc)
}

// printDocument writes one document with a template, "json" being the document itself.
func (c *call) printDocument(format string, doc any) error {
	if format == "json" {
		format = "{{json .}}"
	}
	t, err := ui.Template(format)
	if err != nil {
		return err
	}
	text, err := ui.Execute(t, doc)
	if err != nil {
		return err
	}
	if c.terminal() {
		text = ui.EscapeLines(text)
	}
	_, err = io.WriteString(c.out, text+"\n")
	return err
}
