// Package spec turns what an image says, what a person wishes and what the host can give into the
// runtime specification (OCI runtime-spec) of one container.
//
// It is pure: it makes no process, mount or file. What it reads is the container's root filesystem,
// for users and groups, through descriptors that can not leave it, and a seccomp profile that was
// named. Docker's semantics decide wherever the runtime specification leaves a choice; where they are
// written down the place is named.
//
// The container lives in dhow's own user namespace, see rootless/enter, and in one of its own inside that
// only where the ids are to be in another order (Host.Shift).
package spec

import (
	"fmt"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/limit"
)

// Image is what the image's configuration says about processes started from it. The zero value is
// an image that says nothing.
type Image struct {
	Entrypoint, Cmd []string
	Env             []string // "NAME=value"; anything else is dropped
	User            string
	WorkingDir      string
	StopSignal      string
	Volumes         []string // container paths
}

// Wishes is what a person (flags) or a RUN step asks of one container. The zero value asks for what
// the image says, with Docker's defaults.
type Wishes struct {
	// Args follow the image's name on a command line; empty means the image's Cmd.
	Args []string
	// Entrypoint replaces the image's when EntrypointSet, and the image's Cmd goes with it.
	Entrypoint    []string
	EntrypointSet bool
	// Env are "NAME=value", stronger than the image's; "NAME" alone takes the variable away.
	Env        []string
	WorkingDir string // absolute; empty means the image's, then "/"
	// User is "name", "uid", "name:group", "uid:gid"; empty means the image's.
	User     string
	GroupAdd []string // names or gids of further groups

	Hostname   string // empty means the first 12 digits of Host.ID
	Domainname string
	Terminal   bool
	ReadOnly   bool

	CapAdd, CapDrop []string // "NET_ADMIN", "CAP_NET_ADMIN", "ALL"; any case
	NoNewPrivileges bool
	// Seccomp is "" for Docker's default profile, "unconfined", or the path of a profile on the
	// host in Docker's format.
	Seccomp string

	// Init runs the process below a small init that reaps orphans and passes signals on.
	Init bool

	// Mounts are the person's, in addition to those every container has; a mount on the place of
	// one of those replaces it. Volumes must have been resolved to binds (Type "bind") before.
	Mounts []Mount
	// ShmSizeBytes is the size of /dev/shm; 0 means 64 MiB.
	ShmSizeBytes int64

	Ulimits []Ulimit
	Sysctls map[string]string

	// Limits are kept with the container's record, where they can be changed.
	Limits limit.Limits `json:"-"`
	// OOMScoreAdj is the payload's (proc(5)); nil leaves the caller's.
	OOMScoreAdj *int `json:",omitempty"`
	// HostCgroup leaves the container in the caller's cgroup namespace.
	HostCgroup bool `json:",omitempty"`

	// HostNetwork leaves the container in the caller's network namespace, and so do the others.
	HostNetwork, HostPID, HostIPC, HostUTS bool
	// Join names the containers whose namespaces it takes.
	Join Join
	// NoShm leaves /dev/shm out; ShareIPC lets other containers join.
	NoShm, ShareIPC bool

	// Privileged takes every restriction away that dhow itself adds: all capabilities of the user
	// namespace, no seccomp filter, no masked or read-only paths. It gives no right the caller has not
	// got.
	Privileged bool
	Devices    []Device
	// Mask and Unmask change the paths that are hidden; ProcOptions are mount options of /proc.
	Mask, Unmask, ProcOptions []string
	// KeepID shows the caller under these ids.
	KeepID *KeepID
	// TimeoutSeconds is how long the payload may live; 0 is without end.
	TimeoutSeconds int
	NoHosts        bool // leaves the image's /etc/hosts
	// Umask is the payload's; nil means 0022.
	Umask *uint32

	// Annotations go into the specification as they are.
	Annotations map[string]string
}

// KeepID are the ids under which a container sees the caller.
type KeepID struct{ UID, GID uint32 }

// User is the caller as a user of the container.
func (k KeepID) User() string { return fmt.Sprintf("%d:%d", k.UID, k.GID) }

// Host is what the machine and the caller of Make give.
type Host struct {
	ID      string // of the container, 64 hex digits
	Mapping idmap.Mapping
	// Shift gives the container a user namespace of its own inside that of Mapping; zero for none.
	Shift idmap.Shift
	// Rootfs is the mounted root filesystem of the container.
	Rootfs string
	// Hostname is the machine's, shown by containers on its network.
	Hostname string
	// Files are host files to bind over /etc/hosts, /etc/hostname and /etc/resolv.conf, by container
	// path; a missing key leaves the image's file, and so does a mount of the person's on it.
	Files map[string]string
	// Joined are the namespaces of Wishes.Join.
	Joined Joined
	// ShmPath is a directory to show as /dev/shm, "" for one of its own.
	ShmPath string
	// ProcPath is a mounted procfs to show as /proc, "" for one of its own.
	ProcPath string
	// InitPath is the host path of the binary bound into the container for Wishes.Init.
	InitPath string
}

// Process tells of the payload what the specification can not, or says differently.
type Process struct {
	Args []string
	Env  []string
	Cwd  string
	// UID, GID and Groups are the wished credentials. They differ from the specification's in a
	// single-id map, where the kernel's are always 0 and the ownership supervisor shows these.
	UID, GID uint32
	Groups   []uint32
	User     string // as it was asked for
	Hostname string
	// Binds are the container paths that are bind mounts of host files, on which the supervisor must
	// never record owners.
	Binds []string
	// Capabilities is the bounding set, "CAP_CHOWN"….
	Capabilities []string
}
