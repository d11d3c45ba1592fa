// Package diff tells how two directory trees differ.
//
// It takes two directories, mounted images as a rule, and gives the paths that one has and the other has
// not, or has differently; it looks at what stands there, not at how it came to.
package diff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// Change is one path that is not what it was: "A" added, "C" changed, "D" deleted.
type Change struct {
	Kind string
	Path string // absolute
}

// Side is one of the trees.
type Side struct {
	Dir   string
	Links ownership.Links // owners of its symlinks where the disk can not hold them
}

// Trees gives what became of the tree old in the tree now, sorted by path. A directory with something
// changed in it has changed; of a deleted directory only itself is told. Files that are one file on disk
// are the same; those of the same size and time are read.
func Trees(old, now Side) ([]Change, error) {
	before := map[string]what{}
	if err := tree.Walk(old.Dir, func(e *tree.Entry) error { return note(before, e, old.Links) }); err != nil {
		return nil, err
	}
	root, err := unix.Open(old.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", old.Dir, err)
	}
	defer unix.Close(root)
	kinds := map[string]string{}
	here := map[string]bool{}
	err = tree.Walk(now.Dir, func(e *tree.Entry) error {
		here[e.Rel] = true
		b, there := before[e.Rel]
		if !there {
			kinds[e.Rel] = "A"
			return nil
		}
		a, err := look(e, now.Links)
		if err != nil {
			return err
		}
		same := a.like(b)
		if same && a.mode&unix.S_IFMT == unix.S_IFREG && a.inode != b.inode {
			same, err = sameBytes(root, e)
		}
		if !same && e.Rel != "" {
			kinds[e.Rel] = "C"
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for rel := range before {
		if !here[rel] && here[parent(rel)] {
			kinds[rel] = "D"
		}
	}
	for _, rel := range sorted(kinds) {
		for up := parent(rel); up != "" && kinds[up] == ""; up = parent(up) {
			kinds[up] = "C"
		}
	}
	all := make([]Change, 0, len(kinds))
	for _, rel := range sorted(kinds) {
		all = append(all, Change{Kind: kinds[rel], Path: "/" + rel})
	}
	return all, nil
}

func sorted(kinds map[string]string) []string {
	rels := make([]string, 0, len(kinds))
	for rel := range kinds {
		rels = append(rels, rel)
	}
	slices.Sort(rels)
	return rels
}

func parent(rel string) string { return strings.TrimPrefix(path.Dir("/"+rel), "/") }

// what is all that is compared of a file but its bytes.
type what struct {
	mode     uint32
	uid, gid uint32
	rdev     uint64
	size     int64 // of a directory 0: what it holds is told by itself
	time     [2]int64
	inode    uint64
	text     string // target of a symlink, xattrs that are content
}

func (a what) like(b what) bool {
	a.inode, b.inode = 0, 0
	return a == b
}

func note(all map[string]what, e *tree.Entry, links ownership.Links) error {
	w, err := look(e, links)
	all[e.Rel] = w
	return err
}

func look(e *tree.Entry, links ownership.Links) (what, error) {
	st := &e.Stat
	w := what{
		mode: st.Mode, uid: st.Uid, gid: st.Gid, rdev: st.Rdev, size: st.Size, inode: st.Ino,
		time: [2]int64{int64(st.Mtim.Sec), int64(st.Mtim.Nsec)},
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.size = 0
	case unix.S_IFREG:
	case unix.S_IFLNK:
		target, err := e.Readlink()
		if err != nil {
			return w, err
		}
		owner := links[e.Rel]
		w.text = fmt.Sprintf("%d:%d %s", owner.UID, owner.GID, target)
		return w, nil
	default:
		w.size = 0
		owner := links[e.Rel]
		w.text = fmt.Sprintf("%d:%d", owner.UID, owner.GID)
		return w, nil
	}
	for _, name := range []string{"security.capability", ownership.XattrName} {
		var value [256]byte
		n, err := unix.Lgetxattr(e.ProcPath(), name, value[:])
		if err == nil {
			w.text += name + "=" + string(value[:n]) + "\n"
		} else if err != unix.ENODATA && err != unix.ENOTSUP {
			return w, fmt.Errorf("reading %s of %q: %w", name, e.Rel, err)
		}
	}
	return w, nil
}

// sameBytes compares a file with the one of the same path below root; both have the same size.
func sameBytes(root int, e *tree.Entry) (same bool, err error) {
	a, err := e.Open()
	if err != nil {
		return false, err
	}
	defer a.Close()
	fd, err := tree.OpenBeneath(root, e.Rel, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return false, fmt.Errorf("opening %q: %w", e.Rel, err)
	}
	b := os.NewFile(uintptr(fd), e.Rel)
	defer b.Close()
	var x, y [32 << 10]byte
	for {
		n, xerr := io.ReadFull(a, x[:])
		m, yerr := io.ReadFull(b, y[:])
		for _, err := range []error{xerr, yerr} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, fmt.Errorf("reading %q: %w", e.Rel, err)
			}
		}
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if n < len(x) {
			return true, nil
		}
	}
}
