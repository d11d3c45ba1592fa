package sandbox

import (
	"path"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/rootless/enter"
)

const (
	cgroupRoot   = cgroup.Root
	cgroupHybrid = cgroup.Root + "/unified"
)

// groups says what control groups can be used for here.
type groups struct {
	// mountable: a container can have /sys/fs/cgroup (cgroup v2).
	mountable bool
	// base is where a group can be made for a container; missing tells why there is none.
	base    cgroup.Base
	missing error
}

// cgroupHere is found out once a process.
//
// Only cgroup v2 is used. Where the machine has version 1, or both, /sys/fs/cgroup is covered by a
// read-only version 2 in the private mount namespace of this process: libcontainer would otherwise
// join every hierarchy of version 1 for containers that ask for nothing of it.
var cgroupHere = sync.OnceValue(func() groups {
	var c groups
	c.base, c.missing = cgroup.Find()
	if filesystem(cgroupRoot) == unix.CGROUP2_SUPER_MAGIC {
		c.mountable = true
		return c
	}
	if !enter.Entered() {
		return c // the mount namespace may be everybody's
	}
	c.mountable = coverCgroups() == nil
	return c
})

// group is the path of the container's control group, "" when it has none. That is an error when
// something was asked of it.
func (c groups) group(r Request) (string, error) {
	if r.CgroupParent != "" {
		base, err := cgroup.Under(r.CgroupParent)
		if err != nil {
			return "", err
		}
		return path.Join(base.Path, cgroup.Name(r.ID)), nil
	}
	if c.missing == nil {
		return path.Join(c.base.Path, cgroup.Name(r.ID)), nil
	}
	if r.Spec.Linux.Resources != nil {
		return "", c.missing
	}
	return "", nil
}

func filesystem(path string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return 0
	}
	return int64(st.Type)
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
