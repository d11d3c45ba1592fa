// Package ownership keeps what an image says of its files where the kernel can not.
//
// With a single-id map every file on disk belongs to the caller. Its image owner, mode, type and
// device stand in the xattr user.containers.override_stat, in podman's full form
// "uid:gid:0mode:type"; symlinks, which can not carry user xattrs, stand in a Links table beside the
// tree. Supervisor shows those owners to the processes of a container through seccomp user
// notifications.
package ownership

// Attr is what an image says of one file.
type Attr struct {
	UID, GID uint32
	Mode     uint32 // st_mode of inode(7): type and permission bits
	Rdev     uint64 // device number of a block or character device, as st_rdev
}

// Owner is the owner of a symlink.
type Owner struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// Links holds the owners of the symlinks of one committed tree that are not 0:0, by slash-separated
// path relative to the tree's root ("usr/bin/vi").
type Links map[string]Owner
