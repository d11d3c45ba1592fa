package run

import (
	"fmt"
	"os"
	"strings"

	"github.com/dhow-containers/dhow/run/log"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/image"
)

// wishes are the flags, read.
type wishes struct {
	spec.Wishes
	network network.Config
	publish []port.Mapping
	expose  []port.Port
	labels  map[string]string
	// logOptions are those of --log-opt, by name.
	logOptions map[string]string
	// cgroupParent is the control group below which the container's is made; empty is found.
	cgroupParent string
	restart      record.Restart
	health       image.Healthcheck
}

func (o *Options) defaults() {
	for _, f := range []struct {
		to   **os.File
		from *os.File
	}{{&o.Stdin, os.Stdin}, {&o.Stdout, os.Stdout}, {&o.Stderr, os.Stderr}} {
		if *f.to == nil {
			*f.to = f.from
		}
	}
}

func (o Options) warn(format string, a ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, a...))
	}
}

// wishes reads every flag that has a syntax of its own, before anything is made.
func (o Options) wishes() (wishes, error) {
	w := wishes{Wishes: spec.Wishes{
		Args: o.Args, EntrypointSet: o.EntrypointSet,
		WorkingDir: o.WorkingDir, User: o.User, GroupAdd: o.GroupAdd,
		Hostname: o.Hostname, Domainname: o.Domainname,
		Terminal: o.Terminal, ReadOnly: o.ReadOnly, Init: o.Init,
		CapAdd: o.CapAdd, CapDrop: o.CapDrop,
	}}
	if o.EntrypointSet {
		w.Entrypoint = []string{o.Entrypoint}
	}
	if o.Name != "" {
		if err := record.CheckName(o.Name); err != nil {
			return w, err
		}
	}
	for _, step := range []func(*wishes) error{
		o.readEnv, o.readMore, o.readLabels, o.readMounts, o.readDevices, o.readSecurity, o.readModes, o.readGroups, o.readLimits, o.readNetwork, o.readLog, o.readResources,
		o.readRestart, o.readHealth,
	} {
		if err := step(&w); err != nil {
			return w, err
		}
	}
	_, err := spec.Capabilities(o.CapAdd, o.CapDrop)
	return w, err
}

func (o Options) readMounts(w *wishes) error {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	for _, v := range o.Volumes {
		m, err := spec.ParseVolume(v, dir)
		if err != nil {
			return err
		}
		if m.Type == "volume" && o.VolumeDriver != "" && o.VolumeDriver != "local" {
			return fmt.Errorf("volume driver %q is not there: dhow has only local", o.VolumeDriver)
		}
		if err := o.checkMode(v, m); err != nil {
			return err
		}
		w.Mounts = append(w.Mounts, m)
	}
	for _, v := range o.Mounts {
		m, err := spec.ParseMount(v, dir)
		if err != nil {
			return err
		}
		if err := o.checkMode(v, m); err != nil {
			return err
		}
		w.Mounts = append(w.Mounts, m)
	}
	for _, v := range o.Tmpfs {
		m, err := spec.ParseTmpfs(v)
		if err != nil {
			return err
		}
		w.Mounts = append(w.Mounts, m)
	}
	for _, v := range o.VolumesFrom {
		if _, _, err := parseVolumesFrom(v); err != nil {
			return err
		}
	}
	if o.ShmSize != "" {
		n, err := spec.ParseBytes(o.ShmSize)
		if err != nil || n == 0 {
			return fmt.Errorf("invalid --shm-size: '%s'", o.ShmSize)
		}
		w.ShmSizeBytes = n
	}
	return nil
}

func (o Options) readLimits(w *wishes) error {
	for _, s := range o.Annotations {
		k, v, _ := strings.Cut(s, "=")
		if k == "" {
			return fmt.Errorf("invalid --annotation: %q has no name", s)
		}
		if w.Annotations == nil {
			w.Annotations = map[string]string{}
		}
		w.Annotations[k] = v
	}
	for _, s := range o.Ulimits {
		u, err := spec.ParseUlimit(s)
		if err != nil {
			return err
		}
		if err := o.checkUlimit(u); err != nil {
			return err
		}
		w.Ulimits = append(w.Ulimits, u)
	}
	for _, s := range o.Sysctls {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return fmt.Errorf("sysctl '%s' is not allowed", s)
		}
		if w.Sysctls == nil {
			w.Sysctls = map[string]string{}
		}
		w.Sysctls[k] = v
	}
	return nil
}

func (o Options) readNetwork(w *wishes) error {
	if other, ok := strings.CutPrefix(o.Network, "container:"); ok {
		return o.joinNetwork(w, other)
	}
	mode, err := network.ParseMode(o.Network)
	if err != nil {
		return err
	}
	w.network = network.Config{Mode: mode, DNS: o.DNS, DNSSearch: o.DNSSearch, DNSOptions: o.DNSOptions, Hosts: o.AddHosts}
	w.HostNetwork = mode == network.Host
	if w.publish, err = port.Parse(o.Publish); err != nil {
		return err
	}
	if w.expose, err = port.ParseExpose(o.Expose); err != nil {
		return err
	}
	if mode != network.Private && (len(w.publish) > 0 || o.PublishAll) {
		o.warn("Published ports are discarded when using %s network mode", mode)
	}
	return w.network.Validate()
}

func (o Options) readLog(w *wishes) error {
	for _, s := range o.LogOptions {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return fmt.Errorf("invalid --log-opt: %q", s)
		}
		if w.logOptions == nil {
			w.logOptions = map[string]string{}
		}
		w.logOptions[k] = v
	}
	if o.StopSignal != "" {
		if _, err := ParseSignal(o.StopSignal); err != nil {
			return err
		}
	}
	_, err := log.ParseOptions(o.LogDriver, w.logOptions)
	return err
}

func (o Options) readLabels(w *wishes) error {
	w.labels = map[string]string{}
	for _, file := range o.LabelFiles {
		lines, err := readLines(file, "label")
		if err != nil {
			return err
		}
		for _, l := range lines {
			k, v, _ := strings.Cut(l, "=")
			w.labels[k] = v
		}
	}
	for _, l := range o.Labels {
		k, v, _ := strings.Cut(l, "=")
		if k == "" {
			return fmt.Errorf("invalid label '%s': empty name", l)
		}
		w.labels[k] = v
	}
	return nil
}
