package commands

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/rootless/check"
	"github.com/dhow-containers/dhow/storage"
)

var infoVerb = verb{
	name: "info", also: []string{"system info"},
	short: "Show what dhow found on this host and what it keeps",
	usage: "[OPTIONS]",
	example: `dhow info
dhow info --format '{{.Mapping.Kind}}'`,
	detail: `Each thing the host gives in better or worse kinds is shown with the kind in use, why it is no
better one, and what to do about it.`,
	flags: func() []cli.Flag {
		return []cli.Flag{text("format", "f", "Print with a Go `template` or \"json\"")}
	},
	run: runInfo,
}

// infoDocument is stable: fields are added, not changed.
type infoDocument struct {
	Version, GitCommit, GoVersion string
	OS, Architecture, Kernel      string
	NCPU                          int
	// For scripts that ask docker's: the same facts under its names.
	ServerVersion, OSType, KernelVersion, DockerRootDir string
	SecurityOptions                                     []string
	Mapping                                             struct {
		Kind, Reason, Cure string
		UIDs, GIDs         []string `json:",omitempty"` // "inside:outside:length"
	}
	Probes                                                   []check.Probe
	DataRoot, DataSource, Store, RuntimeDir, CacheDir        string
	Images, Containers, ContainersRunning, ContainersStopped int
	OtherStores                                              []otherStore `json:",omitempty"`
	Driver                                                   string
	// IgnoredEnvironment are set variables that name another program's server.
	IgnoredEnvironment []string `json:",omitempty"`
	Name               string
}

func runInfo(c *call) error {
	p, err := c.here()
	if err != nil {
		return err
	}
	d := infoDocument{Version: Version, GitCommit: Commit, GoVersion: runtime.Version(), OS: "linux", Architecture: runtime.GOARCH, NCPU: runtime.NumCPU(), Driver: "overlay"}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		d.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	d.Name, _ = os.Hostname()
	d.ServerVersion, d.OSType, d.KernelVersion, d.DockerRootDir = d.Version, d.OS, d.Kernel, p.dirs.Data
	d.SecurityOptions = []string{"name=seccomp,profile=builtin"}
	if p.mapping.Userns() {
		d.SecurityOptions = append(d.SecurityOptions, "name=rootless")
	}
	d.Probes = check.Host(p.mapping, p.store)
	for _, probe := range d.Probes {
		if probe.Name == "mapping" {
			d.Mapping.Kind, d.Mapping.Reason, d.Mapping.Cure = probe.Value, probe.Reason, probe.Cure
		}
	}
	for _, r := range p.mapping.UIDs {
		d.Mapping.UIDs = append(d.Mapping.UIDs, fmt.Sprintf("%d:%d:%d", r.Inside, r.Outside, r.Length))
	}
	for _, r := range p.mapping.GIDs {
		d.Mapping.GIDs = append(d.Mapping.GIDs, fmt.Sprintf("%d:%d:%d", r.Inside, r.Outside, r.Length))
	}
	d.DataRoot, d.DataSource, d.Store, d.RuntimeDir, d.CacheDir = p.dirs.Data, p.dirs.Source, p.store, p.dirs.Runtime, p.dirs.Cache
	s, err := c.store()
	if err != nil {
		return err
	}
	images, err := s.Images()
	if err != nil {
		return err
	}
	d.Images = len(images) - len(storage.Behind(images))
	if d.ContainersRunning, d.Containers, err = c.countContainers(); err != nil {
		return err
	}
	d.ContainersStopped = d.Containers - d.ContainersRunning
	d.OtherStores = c.otherStores()
	d.IgnoredEnvironment = serverVariables()
	if format := c.text("format"); format != "" {
		return c.printDocument(format, d)
	}
	return c.printInfo(d)
}

// serverVariables gives the set variables that choose another program's server. Commands pass over them
// without a word, which scripts would have to pass over in turn; who looks for a reason finds it here.
func serverVariables() []string {
	var set []string
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "BUILDKIT_HOST", "BUILDX_BUILDER"} {
		if os.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}

func (c *call) printInfo(d infoDocument) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 1, 1, ' ', 0)
	row := func(key string, format string, args ...any) {
		fmt.Fprintf(w, " %s:\t%s\n", key, ui.Escape(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintln(w, "Program:")
	row("Version", "%s, build %s, %s", d.Version, shortCommit(d.GitCommit), d.GoVersion)
	row("Host", "%s, Linux %s, %s, %d processors", d.Name, d.Kernel, d.Architecture, d.NCPU)
	fmt.Fprintln(w, "Host gives:")
	for _, p := range d.Probes {
		row(p.Name, "%s", p.Value)
		if p.Reason != "" {
			row("  because", "%s", p.Reason)
		}
		if p.Cure != "" {
			row("  cure", "%s", p.Cure)
		}
	}
	if len(d.Mapping.UIDs) > 0 {
		row("uids", "%s", strings.Join(d.Mapping.UIDs, " "))
		row("gids", "%s", strings.Join(d.Mapping.GIDs, " "))
	}
	fmt.Fprintln(w, "Keeps:")
	row("Images", "%d", d.Images)
	row("Containers", "%d (%d running)", d.Containers, d.ContainersRunning)
	row("Store", "%s", d.Store)
	row("Data", "%s (from %s)", d.DataRoot, d.DataSource)
	row("Runtime", "%s", d.RuntimeDir)
	row("Cache", "%s", d.CacheDir)
	for _, o := range d.OtherStores {
		row("Another store", "%d images of mapping %q in %s", o.Images, o.Kind, o.Dir)
	}
	if len(d.IgnoredEnvironment) > 0 {
		row("Ignored", "%s: there is no server to talk to", strings.Join(d.IgnoredEnvironment, ", "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}
