package storage

import (
	"os"

	"golang.org/x/sys/unix"
)

// lacking is a filesystem that can not hold a store.
type lacking struct{}

func (lacking) Error() string {
	return "its file system keeps no extended attributes, which layers need"
}
func (lacking) Hint() string {
	return "name a directory on ext4, xfs, btrfs or tmpfs with --root or XDG_DATA_HOME"
}

// xattrs tells whether files in dir can have extended attributes; true when that can not be tried.
func xattrs(dir string) bool {
	f, err := os.CreateTemp(dir, "xattr-")
	if err != nil {
		return true
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return unix.Fsetxattr(int(f.Fd()), "user.dhow", []byte{1}, 0) != unix.EOPNOTSUPP
}
