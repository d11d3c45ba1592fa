package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// Overlay tells whether the kernel stacks layers on the file system of dir, by mounting one there.
// It needs a mount namespace of its own, see rootless/enter.
func Overlay(m idmap.Mapping, dir string) Probe {
	p := Probe{Name: "overlay", Value: "none", Fatal: true}
	work, err := scratch(dir)
	if err != nil {
		p.Reason = err.Error()
		return p
	}
	defer os.RemoveAll(work)
	options := ""
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		path := filepath.Join(work, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			p.Reason = err.Error()
			return p
		}
		if name != "merged" {
			options += name + "dir=" + path + ","
		}
	}
	if m.Userns() {
		options += "userxattr"
	} else {
		options += "index=off"
	}
	merged := filepath.Join(work, "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		p.Reason, p.Cure = overlayCause(err, dir)
		return p
	}
	if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
		p.Reason = fmt.Sprintf("unmounting overlay: %v", err)
		return p
	}
	p.Value, p.Fatal = "overlay", false
	return p
}

func overlayCause(err error, dir string) (reason, cure string) {
	reason = fmt.Sprintf("mounting overlay on %s: %v", fsName(dir), err)
	switch {
	case errors.Is(err, unix.ENODEV):
		return reason, "sudo modprobe overlay"
	case errors.Is(err, unix.EINVAL):
		return reason, "put the store on ext4, xfs, btrfs or tmpfs with --root or XDG_DATA_HOME; as a user overlay needs Linux 5.11"
	case errors.Is(err, unix.EPERM):
		return reason, "see the mapping: mounting needs a user namespace or CAP_SYS_ADMIN"
	}
	return reason, ""
}

// Xattr tells whether files in dir can carry user extended attributes, which hold the recorded
// owners of a single-id map and overlay's marks in a user namespace.
func Xattr(dir string) Probe {
	p := Probe{Name: "xattr", Value: "none"}
	work, err := scratch(dir)
	if err != nil {
		p.Reason = err.Error()
		return p
	}
	defer os.RemoveAll(work)
	if err := unix.Setxattr(work, "user.dhow.probe", []byte("1"), 0); err != nil {
		p.Reason = fmt.Sprintf("setting a user xattr on %s: %v", fsName(dir), err)
		p.Cure = "put the store on a file system with user xattrs (ext4, xfs, btrfs, tmpfs since Linux 6.6) with --root or XDG_DATA_HOME"
		return p
	}
	p.Value = "user"
	return p
}

func scratch(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("there is no store to try it in")
	}
	return os.MkdirTemp(dir, ".check-")
}

// fsName names the file system of dir for people.
func fsName(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return dir
	}
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
		unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs",
		unix.FUSE_SUPER_MAGIC: "fuse", unix.V9FS_MAGIC: "9p",
	}
	if name := names[int64(st.Type)]; name != "" { //nolint:unconvert // 32 bits on other architectures
		return name
	}
	return fmt.Sprintf("a file system of type %#x", st.Type)
}
