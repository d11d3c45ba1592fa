package commands

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/volume"
)

var rmVerb = verb{
	name: "rm", also: []string{"container rm", "container remove"},
	short: "Remove containers",
	usage: "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow rm web
dhow rm $(dhow ps -aq)`,
	later: "l/link",
	min:   1, max: -1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("force", "f", "Kill the container when it runs"),
			yes("volumes", "v", "Remove its anonymous volumes too"),
		}
	},
	run: func(c *call) error {
		return c.each(func(name string) error {
			err := c.remove(name)
			var missing *explain.Error
			if c.Bool("force") && errors.As(err, &missing) {
				fmt.Fprintln(c.err, "dhow: "+missing.Text)
				return nil
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, name)
			return err
		})
	},
}

func (c *call) remove(name string) error {
	f, err := c.container(name)
	if err != nil {
		return err
	}
	b, err := c.book()
	if err != nil {
		return err
	}
	entry, err := b.Take(f.ID)
	if errors.Is(err, record.ErrRunning) && c.Bool("force") {
		entry, err = kill(b, f)
	}
	if errors.Is(err, record.ErrRunning) {
		return fmt.Errorf("cannot remove container %q: container is running: stop the container before removing or force remove", f.Name)
	}
	if err != nil {
		return noContainer(err, name)
	}
	if err := entry.Remove(); err != nil {
		return err
	}
	if err := c.letGo(f); err != nil {
		return err
	}
	if !c.Bool("volumes") {
		return nil
	}
	s, err := c.volumes()
	if err != nil {
		return err
	}
	for _, m := range f.Mounts {
		if v, err := s.Get(m.Name); m.Type != "volume" || err != nil || !v.Anonymous {
			continue
		}
		if err := s.Remove(m.Name, c.volumeUsers()); err != nil && !errors.Is(err, volume.ErrNotFound) && !errors.Is(err, volume.ErrInUse) {
			return err
		}
	}
	return nil
}

// letGo frees the layers that a forced rmi left to the container.
func (c *call) letGo(f record.Found) error {
	s, err := c.store()
	if err != nil || len(f.Layers) == 0 {
		return err
	}
	if _, err := s.Lookup(f.ImageID); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err := s.Unpin(f.Layers[len(f.Layers)-1], "container:"+f.ID); err != nil {
		return err
	}
	_, err = s.Sweep()
	return err
}

// kill ends a running container by ending its dhow process: the kernel then kills its first process,
// and its namespaces with it (run/sandbox). The lock being held is the proof that the pid is still
// the monitor's, so it is looked at once more when the process is in hand.
func kill(b record.Book, f record.Found) (*record.Entry, error) {
	if f.State.Monitor <= 0 {
		return nil, record.ErrRunning
	}
	fd, err := unix.PidfdOpen(f.State.Monitor, 0)
	if err == nil {
		defer unix.Close(fd)
		again, err := b.Find(f.ID)
		if err == nil && again.State.Status == record.Running && again.State.Monitor == f.State.Monitor {
			if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return nil, fmt.Errorf("killing container %q: %w", f.Name, err)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		entry, err := b.Take(f.ID)
		if !errors.Is(err, record.ErrRunning) || time.Now().After(deadline) {
			return entry, err
		}
	}
}

// containerDocument is what inspect shows of a container, in docker's names.
type containerDocument struct {
	Id      string // docker's spelling, which templates use
	Created string
	Path    string
	Args    []string
	State   struct {
		Status     string
		Running    bool
		Paused     bool
		Restarting bool
		OOMKilled  bool
		Dead       bool
		Pid        int
		ExitCode   int
		Error      string
		StartedAt  string
		FinishedAt string
	}
	Image        string
	Name         string
	RestartCount int
	Driver       string
	Platform     string
	HostConfig   struct {
		NetworkMode    string
		PortBindings   map[string][]port.HostBinding
		AutoRemove     bool
		CapAdd         []string
		CapDrop        []string
		ReadonlyRootfs bool
		SecurityOpt    []string
		Init           bool
	}
	GraphDriver struct {
		Name string
		Data map[string]string
	}
	Mounts []containerMount
	Config struct {
		Hostname   string
		User       string
		Tty        bool
		OpenStdin  bool
		Env        []string
		Cmd        []string
		Image      string
		WorkingDir string
		Labels     map[string]string
		StopSignal string `json:",omitempty"`
		// ExposedPorts are keyed by "80/tcp".
		ExposedPorts map[string]struct{} `json:",omitempty"`
	}
	NetworkSettings struct {
		Ports map[string][]port.HostBinding
	}
}

type containerMount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Mode        string
	RW          bool
}

func inspectContainer(c *call, name string) (any, error) {
	f, err := c.container(name)
	if err != nil {
		return nil, err
	}
	var d containerDocument
	d.Id, d.Created, d.Image, d.Name, d.Driver, d.Platform = f.ID, f.Created.UTC().Format(time.RFC3339Nano), "sha256:"+f.ImageID, "/"+f.Name, "overlay", "linux"
	d.Args = []string{}
	if len(f.Args) > 0 {
		d.Path, d.Args = f.Args[0], append(d.Args, f.Args[1:]...)
	}
	s := &d.State
	s.Status, s.Running, s.Pid, s.ExitCode, s.Error = string(f.State.Status), f.State.Status == record.Running, f.State.Pid, f.State.ExitCode, f.State.Error
	s.StartedAt, s.FinishedAt = f.State.Started.UTC().Format(time.RFC3339Nano), f.State.Finished.UTC().Format(time.RFC3339Nano)
	if !s.Running {
		s.Pid = 0
	}
	h := &d.HostConfig
	h.NetworkMode, h.AutoRemove, h.CapAdd, h.CapDrop, h.ReadonlyRootfs, h.SecurityOpt, h.Init = networkName(f.Network), f.AutoRemove, f.CapAdd, f.CapDrop, f.ReadOnly, f.SecurityOpt, f.Init
	d.GraphDriver.Name = "overlay"
	d.GraphDriver.Data = map[string]string{"UpperDir": filepath.Join(f.Dir, "upper")}
	d.Mounts = []containerMount{}
	for _, m := range f.Mounts {
		d.Mounts = append(d.Mounts, containerMount{Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Target, RW: !m.ReadOnly})
	}
	g := &d.Config
	g.Hostname, g.User, g.Tty, g.OpenStdin, g.Env, g.Cmd, g.Image, g.WorkingDir, g.Labels, g.StopSignal = f.Hostname, f.User, f.Terminal, f.OpenStdin, f.Env, f.Args, f.Image, f.WorkingDir, f.Labels, f.StopSignal
	for _, p := range f.Exposed {
		if g.ExposedPorts == nil {
			g.ExposedPorts = map[string]struct{}{}
		}
		g.ExposedPorts[p.String()] = struct{}{}
	}
	h.PortBindings, d.NetworkSettings.Ports = port.Wishes(f.Publish), port.Table(f.State.Ports)
	return d, nil
}
