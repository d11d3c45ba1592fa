package carry

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// Tree is a file of a directory tree, with everything below it when it is a directory. Sockets are left
// out: nobody listens in a copy.
type Tree struct {
	Dir  int    // descriptor of the directory the file is in
	Name string // its name in there; "" for the directory Dir itself, open for reading
	At   string // its path below the root of Owners
	// Owners reads the owners of a container's files; nil for files of the host.
	Owners *ownership.Tree
	// Followed says that Name is where a symlink led to: one that stands there by now is not taken.
	Followed bool
}

type inode struct{ dev, ino uint64 }

// Each tells of the tree's files, the names of a directory in byte order.
func (t Tree) Each(take func(*Item) error) error {
	g := &gathering{t: t, take: take, names: map[inode]string{}}
	if t.Name == "" {
		return tree.WalkOpen(t.Dir, g.entry)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(t.Dir, t.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("reading %q: %w", t.Name, err)
	}
	if t.Followed && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return fmt.Errorf("reading %q: it was exchanged for a symlink meanwhile", t.Name)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return g.entry(&tree.Entry{DirFD: t.Dir, Name: t.Name, Stat: st})
	}
	fd, err := unix.Openat(t.Dir, t.Name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reading %q: %w", t.Name, err)
	}
	defer unix.Close(fd)
	return tree.WalkOpen(fd, g.entry)
}

// gathering is one Each.
type gathering struct {
	t     Tree
	take  func(*Item) error
	names map[inode]string // first names of files with several
}

func (g *gathering) entry(e *tree.Entry) error {
	i := &Item{Rel: e.Rel, Time: e.Stat.Mtim}
	i.Attr = ownership.Attr{UID: e.Stat.Uid, GID: e.Stat.Gid, Mode: e.Stat.Mode}
	if i.Attr.IsDevice() {
		i.Attr.Rdev = e.Stat.Rdev
	}
	if g.t.Owners != nil {
		a, st, err := g.t.Owners.Lstat(e.DirFD, e.Name, path.Join(g.t.At, e.Rel))
		if err != nil {
			return gone(e, err)
		}
		i.Attr, e.Stat = a, st
	}
	if !e.IsDir() && e.Stat.Nlink > 1 {
		id := inode{e.Stat.Dev, e.Stat.Ino}
		if first, ok := g.names[id]; ok {
			i.Same = first
			return g.take(i)
		}
		g.names[id] = e.Rel
	}
	var err error
	switch i.kind() {
	case unix.S_IFSOCK:
		return nil
	case unix.S_IFLNK:
		if i.Link, err = e.Readlink(); err != nil {
			return gone(e, err)
		}
		return g.take(i)
	case unix.S_IFREG:
		var st unix.Stat_t
		if i.File, st, err = tree.OpenRegular(e.DirFD, e.Name); err != nil {
			return gone(e, fmt.Errorf("opening %q: %w", e.Rel, err))
		}
		defer i.File.Close()
		i.Size = st.Size
	case unix.S_IFDIR:
		i.dir = inode{e.Stat.Dev, e.Stat.Ino}
	default:
		return g.take(i)
	}
	if i.Xattrs, err = g.t.xattrs(e); err != nil {
		return gone(e, err)
	}
	return g.take(i)
}

// gone makes no error of a file below the one asked for that was removed while the tree is read.
func gone(e *tree.Entry, err error) error {
	if e.Rel != "" && errors.Is(err, unix.ENOENT) {
		return tree.SkipDir
	}
	return err
}

func (t Tree) xattrs(e *tree.Entry) ([]Xattr, error) {
	names, err := e.Xattrs()
	if err != nil {
		return nil, err
	}
	var list []Xattr
	for _, name := range names {
		if !travels(name) {
			continue
		}
		value, ok, err := e.Xattr(name)
		// A capability of a root that this namespace does not know is nobody's here.
		if name == capabilityXattr && errors.Is(err, unix.EOVERFLOW) || err == nil && !ok {
			continue
		}
		if err != nil {
			return nil, err
		}
		if name == capabilityXattr {
			value = t.capability(value)
		}
		list = append(list, Xattr{name, value})
	}
	return list, nil
}

// capability makes of one that counts for the container's own root, who has another number here, one
// that counts for whoever is root where it goes.
func (t Tree) capability(value []byte) []byte {
	if t.Owners == nil || t.Owners.Shift.IsZero() {
		return value
	}
	root, ok := tree.CapabilityRoot(value)
	if own, known := t.Owners.Shift.HereUID(0); ok && known && root == own {
		return tree.PortableCapability(value)
	}
	return value
}
