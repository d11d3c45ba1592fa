package check

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
)

// Supervisor tells whether the kernel hands system calls to a supervisor, which a single-id map
// needs: seccomp user notification with killable waiting (Linux 5.19, seccomp_unotify(2)).
func Supervisor() Probe {
	p := Probe{Name: "supervisor", Value: "none"}
	notify := uint32(unix.SECCOMP_RET_USER_NOTIF)
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&notify))); errno != 0 {
		p.Reason = "seccomp user notification: " + errno.Error()
		p.Cure = "use Linux 5.19 or newer with CONFIG_SECCOMP_FILTER=y"
		return p
	}
	// Flags are checked before the program is read: EFAULT means that they are known.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, 0); errno == unix.EINVAL {
		p.Reason = "the kernel is older than 5.19: a signal can interrupt and repeat a supervised call"
		p.Cure = "use Linux 5.19 or newer"
		return p
	}
	p.Value = "notify"
	return p
}

// Proc tells whether a fresh /proc can be mounted for a new pid namespace: the kernel refuses that
// to a user namespace when parts of the present one are covered (mount_namespaces(7)).
func Proc() Probe {
	p := Probe{Name: "proc", Value: "fresh"}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Probe{Name: "proc", Value: "none", Reason: err.Error(), Cure: "mount -t proc proc /proc"}
	}
	if covered := coveredProc(string(b)); covered != "" {
		p.Value, p.Instead = "bound", "that /proc as it is, and the pids of the surrounding container"
		p.Reason = fmt.Sprintf("%s of the surrounding container is covered", covered)
		p.Cure = "start that container with an unmasked /proc (docker: --security-opt systempaths=unconfined, Kubernetes: procMount: Unmasked)"
	}
	return p
}

// coveredProc gives the first mount below /proc that hides a part of it, empty when there is none.
// binfmt_misc is a directory made to be mounted on and does not count.
func coveredProc(mountinfo string) string {
	for _, line := range strings.Split(mountinfo, "\n") {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasPrefix(f[4], "/proc/") && f[4] != "/proc/sys/fs/binfmt_misc" {
			return f[4]
		}
	}
	return ""
}

// Tun tells whether the private network can be made on a tun device.
func Tun() Probe {
	const path = "/dev/net/tun"
	p := Probe{Name: "tun", Value: "none"}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case err == nil:
		unix.Close(fd)
		p.Value = "tun"
	case errors.Is(err, unix.ENOENT):
		p.Reason, p.Cure = path+" is missing", "sudo modprobe tun (in a container: give it --device /dev/net/tun)"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		p.Reason, p.Cure = path+" may not be opened", "sudo chmod 666 "+path
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		p.Reason, p.Cure = "the kernel has no tun driver", "sudo modprobe tun"
	default:
		p.Reason = fmt.Sprintf("opening %s: %v", path, err)
	}
	return p
}

// Cgroup tells whether limits can be set: on "v2" a container gets a control group of its own, on
// "none" it runs without limits.
func Cgroup() Probe {
	p := Probe{Name: "cgroup", Value: "none"}
	base, err := cgroup.Look()
	var missing *cgroup.Missing
	if errors.As(err, &missing) {
		p.Reason, p.Cure = missing.Reason, missing.Cure
		return p
	}
	if err != nil {
		p.Reason = err.Error()
		return p
	}
	p.Value = "v2"
	for _, c := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
		if !slices.Contains(base.Controllers, c) {
			without := base.Without(c)
			p.Reason, p.Cure = without.Reason, without.Cure
			break
		}
	}
	return p
}
