// Package tree walks directories that may hold anything, by descriptors only.
//
// Nothing here follows a symlink or leaves the directory it was given: every file is named by the
// descriptor of its directory and one name. Archives, the overlay's clean-up and copies are built on
// it.
package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxDepth bounds how deep directories nest: each level holds a descriptor. PATH_MAX allows 2048.
const maxDepth = 900

// SkipDir, returned for a directory, leaves out what is in it.
var SkipDir = errors.New("skip this directory")

// Entry is one file as Walk found it. It is valid until the function it is given to returns.
type Entry struct {
	DirFD int    // descriptor of its directory; of the root itself for the root
	Name  string // its name in there; "" for the root
	Rel   string // slash-separated path from the root; "" for the root
	Stat  unix.Stat_t
}

// IsDir reports whether the entry is a directory.
func (e *Entry) IsDir() bool { return e.Stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// ProcPath names the entry for system calls that have no descriptor form. The last component is not
// to be followed (lgetxattr, not getxattr), except for the root.
func (e *Entry) ProcPath() string {
	p := "/proc/self/fd/" + strconv.Itoa(e.DirFD)
	if e.Name == "" {
		return p + "/."
	}
	return p + "/" + e.Name
}

// Open opens a regular file for reading.
func (e *Entry) Open() (*os.File, error) {
	fd, err := e.OpenFD()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), e.Rel), nil
}

// OpenFD is Open for who reads many: os.NewFile costs two system calls. The caller closes it. Reading leaves
// the time of the last access alone where that is allowed (open(2)): the first reader of a file that was just
// written would have its inode written once more.
func (e *Entry) OpenFD() (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	fd, err := unix.Openat(e.DirFD, e.Name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = unix.Openat(e.DirFD, e.Name, flags, 0)
	}
	if err != nil {
		return -1, fmt.Errorf("opening %q: %w", e.Rel, err)
	}
	return fd, nil
}

// Readlink gives the target of a symlink.
func (e *Entry) Readlink() (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(e.DirFD, e.Name, buf)
	if err != nil {
		return "", fmt.Errorf("reading symlink %q: %w", e.Rel, err)
	}
	return string(buf[:n]), nil
}

// Walk calls visit for the directory root and everything below it, parents before children, the
// names of a directory in byte order: the same tree is always walked the same way. Other filesystems
// mounted below are walked too. visit may remove the entry it is given.
func Walk(root string, visit func(*Entry) error) error {
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("walking %s: %w", root, err)
	}
	defer unix.Close(fd)
	return WalkOpen(fd, visit)
}

// WalkOpen is Walk for a directory that is open for reading; the descriptor's offset is moved.
func WalkOpen(fd int, visit func(*Entry) error) error {
	e := Entry{DirFD: fd}
	if err := unix.Fstat(fd, &e.Stat); err != nil {
		return fmt.Errorf("walking a directory: %w", err)
	}
	switch err := visit(&e); {
	case err == SkipDir:
		return nil
	case err != nil:
		return err
	}
	return walk(fd, "", 0, visit)
}

func walk(dirfd int, rel string, depth int, visit func(*Entry) error) error {
	if depth > maxDepth {
		return fmt.Errorf("walking %q: directories nest deeper than %d", rel[:min(len(rel), 80)]+"…", maxDepth)
	}
	names, err := List(dirfd)
	if err != nil {
		return fmt.Errorf("walking %q: %w", rel, err)
	}
	for _, name := range names {
		e := Entry{DirFD: dirfd, Name: name, Rel: path.Join(rel, name)}
		if err := unix.Fstatat(dirfd, name, &e.Stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("walking %q: %w", e.Rel, err)
		}
		isDir := e.IsDir()
		err := visit(&e)
		if err == SkipDir {
			continue
		}
		if err != nil {
			return err
		}
		if !isDir {
			continue
		}
		sub, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT {
			continue // visit removed it
		}
		if err != nil {
			return fmt.Errorf("walking %q: %w", e.Rel, err)
		}
		err = walk(sub, e.Rel, depth+1, visit)
		unix.Close(sub)
		if err != nil {
			return err
		}
	}
	return nil
}

// List gives the names in a directory in byte order. The descriptor's offset is moved.
func List(dirfd int) ([]string, error) {
	if _, err := unix.Seek(dirfd, 0, io.SeekStart); err != nil {
		return nil, err
	}
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(dirfd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}
