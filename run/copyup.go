package run

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// copyUp copies what the image has at target into the empty directory dst, with owners, modes, times
// and recorded owners. Without a directory at target, or with something in dst, it does nothing.
// Everything is reached through descriptors, target as the container would resolve it. In a foreign
// directory, the host's own, no owners are recorded. bare tells that dst is empty and the image has
// nothing to say of it.
func copyUp(merged, target, dst string, foreign bool) (bare bool, err error) {
	to, err := unix.Open(dst, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, &fs.PathError{Op: "open", Path: dst, Err: err}
	}
	defer unix.Close(to)
	if names, err := tree.List(to); err != nil || len(names) > 0 {
		return false, err
	}
	from, err := openIn(merged, target, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(from)
	c := copier{links: map[[2]uint64]string{}, top: to, foreign: foreign}
	if err := c.tree(from, to, ""); err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return false, err
	}
	return false, c.attributes(from, to, &st)
}

// copier copies a tree; hard links within it stay hard links.
type copier struct {
	links   map[[2]uint64]string // device and inode to the path below top
	top     int
	foreign bool // the directory is the host's own
}

func (c *copier) tree(from, to int, rel string) error {
	names, err := tree.List(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.entry(from, to, name, rel+name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (c *copier) entry(from, to int, name, rel string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		key := [2]uint64{st.Dev, st.Ino}
		if first, ok := c.links[key]; ok {
			return unix.Linkat(c.top, first, to, name, 0)
		}
		c.links[key] = rel
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.directory(from, to, name, rel, &st)
	case unix.S_IFREG:
		return c.regular(from, to, name, &st)
	case unix.S_IFLNK:
		return symlink(from, to, name, &st)
	case unix.S_IFSOCK:
		return nil // nobody listens in a copy
	}
	if err := unix.Mknodat(to, name, st.Mode, int(st.Rdev)); err != nil {
		return err
	}
	return inode(to, name, &st)
}

func (c *copier) directory(from, to int, name, rel string, st *unix.Stat_t) error {
	if err := unix.Mkdirat(to, name, 0o700); err != nil {
		return err
	}
	a, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(a)
	b, err := unix.Openat(to, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(b)
	if err := c.tree(a, b, rel+"/"); err != nil {
		return err
	}
	return c.attributes(a, b, st)
}

func (c *copier) regular(from, to int, name string, st *unix.Stat_t) (err error) {
	a, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	in := os.NewFile(uintptr(a), name)
	defer in.Close()
	b, err := unix.Openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(b), name)
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return c.attributes(a, b, st)
}

func symlink(from, to int, name string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(from, name, buf)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(buf[:n]), to, name); err != nil {
		return err
	}
	return inode(to, name, st)
}

// inode gives a file that can not be opened its owner, mode and times.
func inode(dir int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(dir, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(dir, name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(dir, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// attributes copies owner, mode, xattrs and times from one open file to another. The overlay hides its
// own xattrs; the recorded owner of a single-id map is one of the others.
func (c *copier) attributes(from, to int, st *unix.Stat_t) error {
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	if err := xattrs(from, to, c.foreign); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", to), []unix.Timespec{st.Atim, st.Mtim}, 0)
}

func xattrs(from, to int, foreign bool) error {
	size, err := unix.Flistxattr(from, nil)
	if err == unix.ENOTSUP || size == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	buf := make([]byte, size+1024)
	if size, err = unix.Flistxattr(from, buf); err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:size]), "\x00"), "\x00") {
		if foreign && name == ownership.XattrName {
			continue
		}
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Fgetxattr(from, name, value)
		if err != nil {
			continue // of a namespace we may not read
		}
		if err := unix.Fsetxattr(to, name, value[:n], 0); err != nil && err != unix.ENOTSUP && err != unix.EPERM {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}
