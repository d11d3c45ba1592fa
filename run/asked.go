package run

import (
	"path/filepath"
	"strings"

	"github.com/dhow-containers/dhow/run/record"
)

// asked are the flags that inspect shows as they were given.
func (o Options) asked(w wishes) record.Asked {
	a := record.Asked{
		Binds: o.binds(), VolumesFrom: o.VolumesFrom, VolumeDriver: o.VolumeDriver,
		PidMode: o.PID, IpcMode: o.IPC, UTSMode: o.UTS, UsernsMode: o.Userns,
		Privileged: o.Privileged, GroupAdd: o.GroupAdd, ShmSize: w.ShmSizeBytes, Sysctls: w.Sysctls, Annotations: w.Annotations,
		DNS: o.DNS, DNSSearch: o.DNSSearch, DNSOptions: o.DNSOptions, ExtraHosts: o.AddHosts, PublishAll: o.PublishAll,
		CIDFile: o.CIDFile, Attached: o.Attached, Domainname: o.Domainname,
	}
	for _, j := range []struct {
		id   string
		host bool // that one's is the host's
		to   *string
	}{{w.Join.Network, false, &a.NetworkMode}, {w.Join.PID, w.HostPID, &a.PidMode}, {w.Join.IPC, w.HostIPC, &a.IpcMode}} {
		switch {
		case j.id != "":
			*j.to = "container:" + j.id
		case j.host:
			*j.to = "host"
		}
	}
	for _, d := range w.Devices {
		a.Devices = append(a.Devices, record.Device{Host: d.Source, Container: d.Target})
	}
	for _, u := range w.Ulimits {
		a.Ulimits = append(a.Ulimits, record.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, t := range o.Tmpfs {
		if a.Tmpfs == nil {
			a.Tmpfs = map[string]string{}
		}
		target, options, _ := strings.Cut(t, ":")
		a.Tmpfs[target] = options
	}
	return a
}

// binds are the -v with a source: docker counts an anonymous volume's with the image's.
func (o Options) binds() []string {
	var out []string
	for _, v := range o.Volumes {
		source, rest, ok := strings.Cut(v, ":")
		if !ok {
			continue
		}
		if strings.HasPrefix(source, ".") {
			if abs, err := filepath.Abs(source); err == nil {
				source = abs
			}
		}
		out = append(out, source+":"+rest)
	}
	return out
}
