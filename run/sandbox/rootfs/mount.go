package rootfs

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// mount makes one mount of the configuration.
func (r *Root) mount(m *configs.Mount) error {
	if m.IsIDMapped() || m.Extensions != 0 {
		return errors.New("a mount of this kind is not made here")
	}
	if m.Device == "bind" {
		return r.bind(m, m.Source)
	}
	if m.Device == "cgroup" {
		err := r.fresh(m, "cgroup2")
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EBUSY) {
			// Without a cgroup namespace of its own the container sees its part of the caller's.
			source := fs2.UnifiedMountpoint
			if r.config.Namespaces.Contains(configs.NEWCGROUP) && r.config.Cgroups != nil && r.config.Cgroups.Path != "" {
				source = path.Join(source, r.config.Cgroups.Path)
			}
			return r.bind(m, source)
		}
		return err
	}
	return r.fresh(m, m.Device)
}

// fresh mounts a filesystem of its own.
func (r *Root) fresh(m *configs.Mount, kind string) error {
	data := m.Data
	target, err := r.open(m.Destination, unix.O_PATH)
	there := err == nil
	if there {
		unix.Close(target)
	}
	if kind == "proc" || kind == "sysfs" {
		// What the container's safety stands on is mounted where it seems to be.
		target, err = r.ordinary(m.Destination, kind)
	} else {
		target, err = r.mkdirAll(m.Destination, 0o755)
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := r.proper(target, kind == "proc"); err != nil {
		return err
	}
	if kind == "tmpfs" && there {
		// As if the directory were still there.
		var st unix.Stat_t
		if err := unix.Fstat(target, &st); err != nil {
			return err
		}
		data = strings.TrimSuffix(fmt.Sprintf("mode=%04o,%s", st.Mode&0o7777, data), ",")
	}
	flags := m.Flags
	late := flags&unix.MS_RDONLY != 0 && (kind == "tmpfs" || path.Clean(m.Destination) == "/dev")
	if late {
		flags &^= unix.MS_RDONLY // things are made in it first
	}
	if kind == "proc" {
		if r.proc == nil {
			return errors.New("nobody has made it")
		}
		return attach(int(r.proc.Fd()), target, m.PropagationFlags)
	}
	fd, err := filesystem(kind, m.Source, data, flags)
	if err != nil {
		return err
	}
	if err := attach(fd, target, m.PropagationFlags); err != nil {
		unix.Close(fd)
		return err
	}
	if late {
		r.readOnly = append(r.readOnly, fd)
		return nil
	}
	return unix.Close(fd)
}

// ordinary opens a directory that is reached without symlinks, and makes it where it is missing.
func (r *Root) ordinary(p, kind string) (int, error) {
	p = path.Clean(p)
	for {
		fd, err := tree.OpenBeneath(r.fd, strings.TrimPrefix(p, "/"), unix.O_PATH|unix.O_DIRECTORY)
		switch err {
		case unix.ENOENT:
			if fd, err = r.mkdirAll(p, 0o755); err != nil {
				return -1, err
			}
			unix.Close(fd)
			continue
		case unix.ELOOP, unix.ENOTDIR:
			return -1, fmt.Errorf("filesystem %q must be mounted on ordinary directory", kind)
		}
		return fd, err
	}
}

// filesystem gives a detached mount of a new filesystem (fsopen(2)).
func filesystem(kind, source, data string, flags int) (int, error) {
	fsfd, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fsfd)
	set := func(key, value string, isFlag bool) error {
		var err error
		if isFlag {
			err = unix.FsconfigSetFlag(fsfd, key)
		} else {
			err = unix.FsconfigSetString(fsfd, key, value)
		}
		if err == unix.EINVAL {
			return fmt.Errorf("option %q: %w", strings.TrimSuffix(key+"="+value, "="), err)
		}
		return err
	}
	if err := set("source", source, false); err != nil {
		return -1, err
	}
	for _, f := range superFlags {
		if flags&f.flag != 0 {
			if err := set(f.key, "", true); err != nil {
				return -1, err
			}
		}
	}
	for option := range strings.SplitSeq(data, ",") {
		key, value, ok := strings.Cut(option, "=")
		if option == "" {
			continue
		}
		if err := set(key, value, !ok); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return -1, err
	}
	fd, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, int(attributes(flags)))
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// superFlags are the flags of mount(2) that concern a filesystem, not one mount of it.
var superFlags = []struct {
	flag int
	key  string
}{{unix.MS_SYNCHRONOUS, "sync"}, {unix.MS_DIRSYNC, "dirsync"}, {unix.MS_LAZYTIME, "lazytime"}, {unix.MS_MANDLOCK, "mand"}}

// mountAttrs are the flags of mount(2) that concern one mount, and their attributes.
var mountAttrs = []struct {
	flag int
	attr uint64
}{
	{unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY}, {unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID},
	{unix.MS_NODEV, unix.MOUNT_ATTR_NODEV}, {unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC},
	{unix.MS_NODIRATIME, unix.MOUNT_ATTR_NODIRATIME}, {unix.MS_NOSYMFOLLOW, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{unix.MS_NOATIME, unix.MOUNT_ATTR_NOATIME}, {unix.MS_STRICTATIME, unix.MOUNT_ATTR_STRICTATIME},
}

func attributes(flags int) uint64 {
	var attrs uint64
	for _, f := range mountAttrs {
		if flags&f.flag != 0 {
			attrs |= f.attr
		}
	}
	if attrs&unix.MOUNT_ATTR_NOATIME != 0 {
		attrs &^= unix.MOUNT_ATTR_STRICTATIME
	}
	return attrs
}

const atimeFlags = unix.MS_NOATIME | unix.MS_RELATIME | unix.MS_STRICTATIME | unix.MS_NODIRATIME

// attach puts a detached mount on target.
func attach(fd, target int, propagation []int) error {
	if err := unix.MoveMount(fd, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	for _, p := range propagation {
		var flags uint
		if p&unix.MS_REC != 0 {
			flags = unix.AT_RECURSIVE
		}
		attr := &unix.MountAttr{Propagation: uint64(p &^ unix.MS_REC)}
		if err := unix.MountSetattr(fd, "", flags|unix.AT_EMPTY_PATH, attr); err != nil {
			return fmt.Errorf("changing the propagation of mounts: %w", err)
		}
	}
	return nil
}

// bind shows a place of the host.
func (r *Root) bind(m *configs.Mount, source string) error {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if m.Flags&unix.MS_REC != 0 {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, flags)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var kind unix.Statfs_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if err := unix.Fstatfs(fd, &kind); err != nil {
		return err
	}
	var target int
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		target, err = r.open(m.Destination, unix.O_PATH)
		if errors.Is(err, unix.ENOENT) {
			target, err = r.mkdirAll(m.Destination, 0o755)
		}
	} else {
		target, err = r.create(m.Destination, 0o644)
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	if err := r.proper(target, kind.Type == unix.PROC_SUPER_MAGIC); err != nil {
		return err
	}
	if err := attach(fd, target, m.PropagationFlags); err != nil {
		return err
	}
	if m.Flags&^(unix.MS_BIND|unix.MS_REC|unix.MS_REMOUNT) != 0 || m.ClearedFlags != 0 {
		if err := restrict(fd, m, kind); err != nil {
			return fmt.Errorf("failed to set user-requested vfs flags on bind-mount: %w", err)
		}
	}
	if m.RecAttr == nil {
		return nil
	}
	return unix.MountSetattr(fd, "", unix.AT_RECURSIVE|unix.AT_EMPTY_PATH, m.RecAttr)
}

// restrict gives a bind mount the flags that were asked for and no others: as mount(2) with MS_REMOUNT
// does. Flags that a surrounding user namespace has locked stay; to ask for one of them to be off is an
// error.
func restrict(fd int, m *configs.Mount, source unix.Statfs_t) error {
	set := attributes(m.Flags)
	clr := uint64(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC|unix.MOUNT_ATTR_NOSYMFOLLOW) &^ set
	if m.Flags&atimeFlags != 0 {
		clr |= unix.MOUNT_ATTR__ATIME
	}
	err := setAttr(fd, 0, set, clr)
	if err != unix.EPERM {
		return err
	}
	// The values of ST_* are those of MS_* (statfs(2)).
	locked := int(source.Flags) & m.ClearedFlags & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if locked != 0 {
		return fmt.Errorf("cannot clear locked flags %#x: %w", locked, err)
	}
	clr = 0
	if m.Flags&atimeFlags != 0 {
		clr = unix.MOUNT_ATTR__ATIME
	}
	return setAttr(fd, 0, set, clr)
}
