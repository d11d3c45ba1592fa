// Package rootfs makes what a container's mount namespace shows, before its first process does anything.
//
// It works on the calling thread, in the namespaces of the container and outside of its root: every
// place in the root filesystem, which is hostile, is reached through descriptors that cannot lead out
// of it (openat2(2), RESOLVE_IN_ROOT), and mounts are attached to descriptors (move_mount(2)), so that
// no name is resolved twice. The order and the meaning of the configuration are libcontainer's
// (rootfs_linux.go).
package rootfs

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"
)

// Root is a root filesystem in the making.
type Root struct {
	config *configs.Config
	fd     int // the mount that becomes "/"
	proc   *os.File
	self   int // this process's /proc/self/fd, which names descriptors where there is no /proc
	// readOnly are mounts that become so when everything in them is made.
	readOnly []int
}

// Open makes the directory config.Rootfs a mount of its own, with everything mounted in it.
func Open(config *configs.Config) (*Root, error) {
	// Nothing done here may show outside, see the constructor of rootless/enter.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return nil, fmt.Errorf("keeping mounts in the container: %w", err)
	}
	r := &Root{config: config, fd: -1, self: -1}
	var err error
	if r.self, err = unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/proc/self/fd", Err: err}
	}
	r.fd, err = unix.OpenTree(unix.AT_FDCWD, config.Rootfs, unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = unix.MoveMount(r.fd, "", unix.AT_FDCWD, config.Rootfs, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("mounting the root filesystem: %w", err)
	}
	return r, nil
}

// Close lets go of the descriptors; the mounts stay.
func (r *Root) Close() {
	for _, fd := range append(r.readOnly, r.fd, r.self) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	r.readOnly, r.fd, r.self = nil, -1, -1
}

// FD is the directory that becomes "/".
func (r *Root) FD() int { return r.fd }

// ProcOptions are the options and the attributes of the filesystem proc that the configuration wishes,
// which somebody in the container's pid namespace is to make for Make (proc(5)); nil for none.
func ProcOptions(config *configs.Config) (options []string, attrs uint64) {
	for _, m := range config.Mounts {
		if m.Device == "proc" {
			options = []string{"source=" + m.Source}
			if m.Data != "" {
				options = append(options, strings.Split(m.Data, ",")...)
			}
			return options, attributes(m.Flags)
		}
	}
	return nil, 0
}

// Make makes everything but what Finish does. proc is a detached mount for ProcOptions, which stays the
// caller's.
func (r *Root) Make(proc *os.File) error {
	r.proc = proc
	for _, m := range r.config.Mounts {
		if err := r.mount(m); err != nil {
			return fmt.Errorf("error mounting %q to rootfs at %q: %w", m.Source, m.Destination, err)
		}
	}
	if r.ownDev() {
		if err := r.devices(); err != nil {
			return fmt.Errorf("making the container's /dev: %w", err)
		}
	}
	return nil
}

// Finish makes the working directory, writes the kernel's settings and closes what is to be closed: what is
// read-only, and what is hidden.
func (r *Root) Finish(cwd string) error {
	if err := r.makeCwd(cwd); err != nil {
		return err
	}
	if err := r.sysctls(); err != nil {
		return err
	}
	for _, fd := range r.readOnly {
		if err := setAttr(fd, 0, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
			return fmt.Errorf("making a mount read-only: %w", err)
		}
	}
	for _, p := range r.config.ReadonlyPaths {
		if err := r.cover(p); err != nil {
			return fmt.Errorf("can't make %q read-only: %w", p, err)
		}
	}
	if err := r.mask(); err != nil {
		return err
	}
	if r.config.Readonlyfs {
		if err := setAttr(r.fd, 0, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
			return fmt.Errorf("making the root filesystem read-only: %w", err)
		}
	}
	return nil
}

// name gives the path of a descriptor as this thread sees it.
func (r *Root) name(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(r.self, strconv.Itoa(fd), buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: "/proc/self/fd/" + strconv.Itoa(fd), Err: err}
	}
	return string(buf[:n]), nil
}

// setAttr changes the attributes of a mount.
func setAttr(fd int, flags uint, set, clr uint64) error {
	return unix.MountSetattr(fd, "", flags|unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: set, Attr_clr: clr})
}

// Supported reports whether this kernel has what the package needs (mount_setattr(2), Linux 5.12).
// DHOW_INIT=libcontainer is for tests of the other way: it says no.
func Supported() bool {
	if os.Getenv("DHOW_INIT") == "libcontainer" {
		return false
	}
	return unix.MountSetattr(-1, "", 0, &unix.MountAttr{}) != unix.ENOSYS
}
