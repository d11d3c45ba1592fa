package commands

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/health"
	"github.com/dhow-containers/dhow/run/log"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/image"
)

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
		Health     *health.State `json:",omitempty"`
	}
	Image          string
	ResolvConfPath string
	HostnamePath   string
	HostsPath      string
	LogPath        string
	Name           string
	RestartCount   int
	Driver         string
	Platform       string
	SizeRw         *int64 `json:",omitempty"`
	SizeRootFs     *int64 `json:",omitempty"`
	dockerContainer
	HostConfig struct {
		askedDocument
		LogConfig struct {
			Type   string
			Config map[string]string
		}
		RestartPolicy struct {
			Name              string
			MaximumRetryCount int
		}
		NetworkMode    string
		PortBindings   map[string][]port.HostBinding
		AutoRemove     bool
		CapAdd         []string
		CapDrop        []string
		ReadonlyRootfs bool
		SecurityOpt    []string
		Init           bool
		limitsDocument
		dockerHost
	}
	GraphDriver struct {
		Name string
		Data map[string]string
	}
	Mounts []containerMount
	Config struct {
		Hostname    string
		User        string
		Tty         bool
		OpenStdin   bool
		StdinOnce   bool
		Env         []string
		Cmd         []string
		Image       string
		WorkingDir  string
		Entrypoint  []string
		Labels      map[string]string
		StopSignal  string             `json:",omitempty"`
		Healthcheck *image.Healthcheck `json:",omitempty"`
		// StopTimeout is in seconds.
		StopTimeout *int `json:",omitempty"`
		// ExposedPorts are keyed by "80/tcp".
		ExposedPorts map[string]struct{} `json:",omitempty"`
		dockerConfigKeys
	}
	NetworkSettings struct {
		dockerNetwork
		Ports map[string][]port.HostBinding
	}
}

type containerMount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
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
	s.Status, s.Running, s.Pid, s.ExitCode, s.Error = stateName(f.State), f.State.Active(), f.State.Pid, f.State.ExitCode, f.State.Error
	s.StartedAt, s.FinishedAt = f.State.Started.UTC().Format(time.RFC3339Nano), f.State.Finished.UTC().Format(time.RFC3339Nano)
	s.OOMKilled, s.Paused = run.OOMKilled(f.State), f.State.Paused
	if !s.Running {
		s.Pid = 0
	}
	s.Restarting, d.RestartCount = f.State.Status == record.Restarting, f.State.Restarts
	if f.Health.Status != "" {
		s.Health = &f.Health
		if s.Health.Log == nil {
			s.Health.Log = []health.Result{}
		}
	}
	h := &d.HostConfig
	h.askedDocument = askedOf(f.Asked)
	h.NetworkMode, h.AutoRemove, h.CapAdd, h.CapDrop, h.ReadonlyRootfs, h.SecurityOpt, h.Init = networkName(f.Network), f.AutoRemove, f.CapAdd, f.CapDrop, f.ReadOnly, f.SecurityOpt, f.Init
	h.limitsDocument = limitsOf(f)
	d.GraphDriver.Name = "overlay"
	d.GraphDriver.Data = c.containerLayers(f)
	if h.dockerHost, d.Config.dockerConfigKeys, err = dockerHostOf(f); err != nil {
		return nil, err
	}
	d.NetworkSettings.dockerNetwork, d.NetworkSettings.Ports = dockerNetworkOf(f), port.Table(f.State.Ports)
	h.RestartPolicy.Name, h.RestartPolicy.MaximumRetryCount = restartOf(f), f.Restart.Retries
	h.LogConfig.Type, h.LogConfig.Config = log.JSONFile, map[string]string{}
	if f.LogDriver != "" {
		h.LogConfig.Type = f.LogDriver
	}
	if f.LogOptions != nil {
		h.LogConfig.Config = f.LogOptions
	}
	if h.LogConfig.Type == log.JSONFile {
		d.LogPath = log.Path(f.Dir, f.ID)
	}
	d.ResolvConfPath, d.HostnamePath, d.HostsPath = filepath.Join(f.Dir, "resolv.conf"), filepath.Join(f.Dir, "hostname"), filepath.Join(f.Dir, "hosts")
	d.Mounts = []containerMount{}
	for _, m := range f.Mounts {
		d.Mounts = append(d.Mounts, mountDocument(m))
	}
	g := &d.Config
	g.Hostname, g.User, g.Tty, g.OpenStdin, g.Env, g.Cmd, g.Image, g.WorkingDir, g.Labels, g.StopSignal = f.Hostname, f.User, f.Terminal, f.OpenStdin, f.Env, f.Args[min(len(f.Entrypoint), len(f.Args)):], f.Image, f.WorkingDir, f.Labels, f.StopSignal
	g.Healthcheck = f.Healthcheck
	g.StdinOnce, g.Entrypoint, g.StopTimeout = f.StdinOnce, f.Entrypoint, f.StopTimeout
	for _, p := range f.Exposed {
		if g.ExposedPorts == nil {
			g.ExposedPorts = map[string]struct{}{}
		}
		g.ExposedPorts[p.String()] = struct{}{}
	}
	if c.Bool("size") {
		rw, err := run.SizeWritten(f)
		if err != nil {
			return nil, err
		}
		all := rw + c.imageSize(f)
		d.SizeRw, d.SizeRootFs = &rw, &all
	}
	h.PortBindings = port.Wishes(f.Publish)
	return d, nil
}

func mountDocument(m record.Mount) containerMount {
	d := containerMount{Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Target, Mode: m.Mode, RW: !m.ReadOnly}
	switch m.Type {
	case "volume":
		d.Driver = "local"
	case "bind":
		d.Propagation = "rprivate"
		for _, o := range m.Options {
			if strings.HasSuffix(o, "private") || strings.HasSuffix(o, "slave") {
				d.Propagation = o
			}
		}
	}
	return d
}

// imageSize is what a container's image takes, 0 when it is gone.
func (c *call) imageSize(f record.Found) int64 {
	if img, err := c.image(f.ImageID); err == nil {
		return img.Size
	}
	return 0
}
