package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/run/members"
)

// Hosts that are containers themselves often hide parts of their /proc and /sys. The kernel then
// refuses new mounts of these filesystems in a user namespace, because they would show what was
// hidden (mount_too_revealing in fs/namespace.c). The next rung is the host's own mount, bound; with
// /proc goes the pid namespace, whose processes a bound /proc would not show. What was refused once is
// not tried again in this process.

var refused struct {
	sync.Mutex
	kinds []string
}

// mountKinds are the filesystems that can be refused, and have another rung.
var mountKinds = []string{"proc", "sysfs", "cgroup", "mqueue"}

// keyring is refused when the caller's quota of keys is used up (keyrings(7)), after some 200
// containers. A container without one of its own sees the caller's, but Docker's seccomp profile lets
// it ask for no key.
const keyring = "keyring"

// refusal tells what the host did not allow in a failed start.
func refusal(err *StartError) (kind string, ok bool) {
	text := err.Err.Error()
	if strings.HasPrefix(text, "unable to join session keyring: ") && strings.HasSuffix(text, syscall.EDQUOT.Error()) {
		return keyring, true
	}
	for _, kind := range mountKinds {
		if strings.HasPrefix(text, `error mounting "`+kind+`" to rootfs at `) && strings.HasSuffix(text, syscall.EPERM.Error()) {
			return kind, true
		}
	}
	return "", false
}

func isRefused(kind string) bool {
	refused.Lock()
	defer refused.Unlock()
	return slices.Contains(refused.kinds, kind)
}

// refuse notes a refusal.
func refuse(kind string) {
	refused.Lock()
	defer refused.Unlock()
	if !slices.Contains(refused.kinds, kind) {
		refused.kinds = append(refused.kinds, kind)
	}
}

// allowed is the specification as far as the host allows it.
func allowed(s *specs.Spec) *specs.Spec {
	refused.Lock()
	kinds := slices.Clone(refused.kinds)
	refused.Unlock()
	if len(kinds) == 0 {
		return s
	}
	less, linux := *s, *s.Linux
	less.Linux = &linux
	less.Mounts = nil
	for _, m := range s.Mounts {
		switch {
		case !slices.Contains(kinds, m.Type):
			less.Mounts = append(less.Mounts, m)
		case m.Type == "proc":
			less.Mounts = append(less.Mounts, specs.Mount{Destination: m.Destination, Type: "bind", Source: "/proc", Options: []string{"rbind", "rprivate"}})
			linux.Namespaces = slices.DeleteFunc(slices.Clone(linux.Namespaces), func(n specs.LinuxNamespace) bool { return n.Type == specs.PIDNamespace })
		case m.Type == "sysfs":
			less.Mounts = append(less.Mounts, specs.Mount{Destination: m.Destination, Type: "bind", Source: "/sys", Options: []string{"rbind", "rprivate", "ro", "rro"}})
		}
	}
	return &less
}

// ownPIDNamespace reports whether the container's processes go with its first.
func ownPIDNamespace(s *specs.Spec) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.PIDNamespace && n.Path == "" })
}

// killMembers ends the processes that a container without a pid namespace has left: those in its
// mount namespace, which nobody else is in.
func killMembers(mountns string) {
	if mountns == "" {
		return
	}
	members.End(func(pid int) bool {
		ns, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
		return err == nil && ns == mountns
	})
}
