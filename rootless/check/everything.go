package check

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/idmap"
)

// Everything probes what Host does and what a person who looks for a fault asks for besides, each
// thing behind those it needs, and tells of each whether anything works without it. dir is as Host
// takes it; without one the file system is not tried.
func Everything(m idmap.Mapping, dir string) []Probe {
	list := []Probe{Kernel(), Namespaces(m)}
	for _, p := range Host(m, dir) {
		switch p.Name {
		case "overlay":
			p.Fatal = !p.Good()
		case "xattr": // a user namespace keeps overlay's own marks there
			p.Fatal = !p.Good() && m.Userns()
			if !p.Good() && !m.Userns() {
				p.Instead = "nothing is lost: root's marks are trusted xattrs"
			}
		case "supervisor":
			p.Fatal = !p.Good() && m.Kind == idmap.Single
			if !p.Good() && m.Kind != idmap.Single {
				p.Instead = "nothing is lost: only a single-id map needs it"
			}
		}
		if dir == "" && (p.Name == "overlay" || p.Name == "xattr") {
			continue
		}
		list = append(list, p)
	}
	if dir != "" {
		list = append(list, Disk(dir))
	}
	return append(list, DNS())
}

// Namespaces tells whether dhow stands in a user namespace of its own where it needs one.
func Namespaces(m idmap.Mapping) Probe {
	p := Probe{Name: "namespaces", Value: "user"}
	if err := enter.Err(); err != nil {
		p.Value, p.Reason, p.Fatal = "none", err.Error(), true
		var e *enter.Error
		if errors.As(err, &e) {
			p.Cure = e.Hint()
		}
		return p
	}
	if !m.Userns() {
		p.Value = "not needed"
	}
	return p
}

// Kernel tells the kernel's release and whether it has the calls that containers are made with.
func Kernel() Probe {
	p := Probe{Name: "kernel", Value: "unknown"}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		p.Value = unix.ByteSliceToString(u.Release[:])
	}
	var missing []string
	if fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}); err != nil {
		missing = append(missing, "openat2 (Linux 5.6)")
	} else {
		unix.Close(fd)
	}
	if fd, err := unix.PidfdOpen(os.Getpid(), 0); err != nil {
		missing = append(missing, "pidfd_open (Linux 5.3)")
	} else {
		unix.Close(fd)
	}
	// A call that is there complains about the name, one that is not, or is filtered, about itself.
	if _, err := unix.Fsopen("dhow-no-such-file-system", 0); errors.Is(err, unix.ENOSYS) {
		missing = append(missing, "fsopen (Linux 5.2)")
	}
	if len(missing) > 0 {
		p.Reason = "without " + strings.Join(missing, ", ")
		p.Cure = "use Linux 5.11 or newer, and no seccomp filter that refuses its calls"
		p.Fatal = true
	}
	return p
}

const (
	littleSpace = 1 << 30 // bytes
	fewInodes   = 20_000
)

// Disk tells the file system dir lies on and how much room a caller has on it.
func Disk(dir string) Probe {
	p := Probe{Name: "disk", Value: "unknown"}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		p.Reason = fmt.Sprintf("looking at %s: %v", dir, err)
		return p
	}
	free := int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert,gosec // other types on other architectures; far below 2^63
	p.Value = fmt.Sprintf("%s, %d.%d GB free", fsName(dir), free/1e9, free/1e8%10)
	const cure = "dhow system prune, or put the store elsewhere with --root or XDG_DATA_HOME"
	switch {
	case free < littleSpace:
		p.Reason, p.Cure = "less than 1 GB is free", cure
	case st.Files > 0 && st.Ffree < fewInodes:
		p.Reason, p.Cure = fmt.Sprintf("only %d files more can be made", st.Ffree), cure
	}
	return p
}
