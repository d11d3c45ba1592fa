package commands

import (
	"github.com/dhow-containers/dhow/run/record"
)

// askedDocument are the parts of HostConfig that show flags as they were given, in docker's names.
type askedDocument struct {
	Binds           []string
	ContainerIDFile string
	VolumeDriver    string
	VolumesFrom     []string
	Annotations     map[string]string `json:",omitempty"`
	Dns             []string
	DnsOptions      []string
	DnsSearch       []string
	ExtraHosts      []string
	GroupAdd        []string
	IpcMode         string
	PidMode         string
	Privileged      bool
	PublishAllPorts bool
	Tmpfs           map[string]string `json:",omitempty"`
	UTSMode         string
	UsernsMode      string
	ShmSize         int64
	Sysctls         map[string]string `json:",omitempty"`
	Isolation       string
	Devices         []deviceDocument
	Ulimits         []ulimitDocument
}

type deviceDocument struct{ PathOnHost, PathInContainer, CgroupPermissions string }

type ulimitDocument struct {
	Name       string
	Hard, Soft int64
}

func askedOf(a record.Asked) askedDocument {
	d := askedDocument{
		Binds: a.Binds, ContainerIDFile: a.CIDFile, VolumeDriver: a.VolumeDriver, VolumesFrom: a.VolumesFrom, Annotations: a.Annotations,
		Dns: list0(a.DNS), DnsOptions: list0(a.DNSOptions), DnsSearch: list0(a.DNSSearch),
		ExtraHosts: a.ExtraHosts, GroupAdd: a.GroupAdd, IpcMode: a.IpcMode, PidMode: a.PidMode, Privileged: a.Privileged,
		PublishAllPorts: a.PublishAll, Tmpfs: a.Tmpfs, UTSMode: a.UTSMode, UsernsMode: a.UsernsMode, ShmSize: a.ShmSize, Sysctls: a.Sysctls,
		Devices: []deviceDocument{}, Ulimits: []ulimitDocument{},
	}
	if d.IpcMode == "" {
		d.IpcMode = "private"
	}
	if d.ShmSize == 0 {
		d.ShmSize = 64 << 20
	}
	for _, dev := range a.Devices {
		d.Devices = append(d.Devices, deviceDocument{dev.Host, dev.Container, "rwm"})
	}
	for _, u := range a.Ulimits {
		d.Ulimits = append(d.Ulimits, ulimitDocument{u.Name, u.Hard, u.Soft})
	}
	return d
}

// list0 is a list that is shown as [] when it is empty, as docker's are.
func list0(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
