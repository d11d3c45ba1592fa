package spec

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Join names the containers whose namespaces a container takes instead of its own; empty for none.
type Join struct{ Network, PID, IPC string }

// Any reports whether some namespace is another container's.
func (j Join) Any() bool { return j != Join{} }

// Joined are the places of namespaces to be joined, /proc/PID/fd/N.
type Joined struct{ Network, PID, IPC string }

// namespaces are those a container gets of its own, and those it joins.
func namespaces(w Wishes, h Host) []specs.LinuxNamespace {
	ns := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	if !h.Shift.IsZero() {
		ns = append(ns, specs.LinuxNamespace{Type: specs.UserNamespace})
	}
	for _, n := range []struct {
		kind specs.LinuxNamespaceType
		host bool
		path string
	}{
		{specs.CgroupNamespace, w.HostCgroup, ""},
		{specs.UTSNamespace, w.HostUTS, ""},
		{specs.PIDNamespace, w.HostPID, h.Joined.PID},
		{specs.IPCNamespace, w.HostIPC, h.Joined.IPC},
		{specs.NetworkNamespace, w.HostNetwork, h.Joined.Network},
	} {
		if !n.host {
			ns = append(ns, specs.LinuxNamespace{Type: n.kind, Path: n.path})
		}
	}
	return ns
}

// procMount shows the processes: of a namespace of ours by a mount of its own, of the caller's, or another
// container's, by a mount that is there where a user namespace may not have another.
func procMount(w Wishes, h Host) specs.Mount {
	m := specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
	switch {
	case h.ProcPath != "":
		m = specs.Mount{Destination: "/proc", Type: "bind", Source: h.ProcPath, Options: []string{"rbind", "rprivate"}}
	case w.HostPID && h.Mapping.Userns():
		m = specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind", "rprivate"}}
	default:
		m.Options = append(m.Options, w.ProcOptions...)
	}
	return m
}

// ipcMounts are what shows POSIX message queues and shared memory, which go with System V's.
func ipcMounts(w Wishes, h Host) []specs.Mount {
	queues := specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}}
	memory := specs.Mount{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + shmSize(w)}}
	switch {
	case h.ShmPath != "": // of a container that shares it
		memory = specs.Mount{Destination: "/dev/shm", Type: "bind", Source: h.ShmPath, Options: []string{"rbind", "rprivate"}}
	case w.HostIPC:
		memory = specs.Mount{Destination: "/dev/shm", Type: "bind", Source: "/dev/shm", Options: []string{"rbind", "rprivate"}}
	case w.NoShm:
		return []specs.Mount{queues}
	}
	if w.HostIPC && h.Mapping.Userns() {
		// The queues are those of a namespace that is not ours: the kernel refuses a mount.
		return []specs.Mount{memory}
	}
	return []specs.Mount{queues, memory}
}
