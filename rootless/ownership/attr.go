// Package ownership keeps what an image says of its files where the kernel can not.
//
// With a single-id map every file on disk belongs to the caller. Its image owner and, for a device
// that could not be made, its type, mode and device number stand in the xattr
// user.containers.override_stat, in podman's full form "uid:gid:mode:type". Symlinks and FIFOs,
// which can not carry user xattrs (xattr(7)), stand in a Links table beside the tree. A file
// without a record belongs to 0:0. The permission bits on disk are always the image's own, so that
// the kernel's rules about them (chown drops setuid, directories pass setgid on) keep working; those
// in a record are a copy for other tools.
//
// Tree is the view of one directory tree for the layer code. Supervisor shows the recorded owners
// to the processes of a container, and writes down the ones they ask for, through seccomp user
// notifications. The package knows nothing of layers, tars or container runtimes.
package ownership

import "golang.org/x/sys/unix"

// Attr is what an image says of one file.
type Attr struct {
	UID, GID uint32
	Mode     uint32 // st_mode of inode(7): type and permission bits
	Rdev     uint64 // device number of a block or character device, as st_rdev
}

// permMask is every bit of st_mode that is not the type.
const permMask = 0o7777

// IsDevice reports whether the attribute describes a block or character device.
func (a Attr) IsDevice() bool { return isDevice(a.Mode) }

func isDevice(mode uint32) bool {
	t := mode & unix.S_IFMT
	return t == unix.S_IFCHR || t == unix.S_IFBLK
}

// carriesXattr reports whether a file of that type can have user.* xattrs.
func carriesXattr(mode uint32) bool {
	t := mode & unix.S_IFMT
	return t == unix.S_IFREG || t == unix.S_IFDIR
}
