package sandbox

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/enter"
)

const (
	cgroupRoot   = "/sys/fs/cgroup"
	cgroupHybrid = "/sys/fs/cgroup/unified"
)

// cgroups says what control groups can be used for here.
type cgroups struct {
	// mountable: a container can have /sys/fs/cgroup (cgroup v2).
	mountable bool
	// writable: a group can be made for a container beside the one of this process.
	writable bool
}

// cgroupHere is found out once a process.
//
// Only cgroup v2 is used. Where the machine has version 1, or both, /sys/fs/cgroup is covered by a
// read-only version 2 in the private mount namespace of this process: libcontainer would otherwise
// join every hierarchy of version 1 for containers that ask for nothing of it.
var cgroupHere = sync.OnceValue(func() cgroups {
	if filesystem(cgroupRoot) == unix.CGROUP2_SUPER_MAGIC {
		return cgroups{mountable: true, writable: delegated()}
	}
	if !enter.Entered() {
		return cgroups{} // the mount namespace may be everybody's
	}
	return cgroups{mountable: coverCgroups() == nil}
})

func filesystem(path string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return 0
	}
	return int64(st.Type)
}

// delegated reports whether groups can be made where libcontainer makes them: beside the group of
// this process, because one with processes in it can not have controlled children (cgroups(7)).
func delegated() bool {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if own, ok := strings.CutPrefix(line, "0::"); ok {
			parent := filepath.Join(cgroupRoot, filepath.Dir(own))
			return unix.Access(parent, unix.W_OK) == nil && unix.Access(filepath.Join(parent, "cgroup.procs"), unix.W_OK) == nil
		}
	}
	return false
}

func coverCgroups() error {
	if filesystem(cgroupHybrid) == unix.CGROUP2_SUPER_MAGIC {
		if err := unix.Mount(cgroupHybrid, cgroupRoot, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	} else if err := mountCgroup2(); err != nil {
		return err
	}
	return unix.Mount("", cgroupRoot, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// mountCgroup2 mounts cgroup2 anew. A user namespace may do that only from a cgroup namespace of its
// own, so a thread that ends right after takes one.
func mountCgroup2() error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWCGROUP)
		if err == nil {
			err = unix.Mount("cgroup2", cgroupRoot, "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		}
		result <- err
	}()
	return <-result
}
