package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/tree"
	"github.com/dhow-containers/dhow/storage/working"
)

// checkMapped compares the trees of mapped images with the layers they were made of. The caller holds the
// shared lock.
func (s *Store) checkMapped(ctx context.Context, layers map[string]layerRecord, o CheckOptions) (found []Problem, err error) {
	dirs, err := s.mapped()
	if err != nil {
		return nil, err
	}
	for dir, top := range dirs {
		if ctx.Err() != nil {
			return found, nil
		}
		if _, ok := layers[top]; !ok || o.Quick {
			continue // findOrphans tells of it
		}
		text, err := s.compareMapped(ctx, dir, top, layers)
		if err != nil {
			text = err.Error()
		}
		if text != "" && ctx.Err() == nil {
			found = append(found, Problem{Path: dir, Mapped: top, Text: fmt.Sprintf("mapped files of layer %s: %s", short(top), text)})
		}
	}
	return found, nil
}

// orphansMapped are the trees of layers nobody knows.
func (s *Store) orphansMapped(known map[string]bool) (found []Problem, err error) {
	dirs, err := s.mapped()
	for dir, top := range dirs {
		if !known[top] {
			found = append(found, Problem{Path: dir, Text: fmt.Sprintf("mapped files of layer %s: no record knows it", short(top))})
		}
	}
	return found, err
}

// removeFound removes what Check found at a path. A tree goes as every tree does: half removed it is none.
func (s *Store) removeFound(path string) error {
	if filepath.Dir(path) != s.mappedRoot() {
		return os.RemoveAll(path)
	}
	lock, err := journal.TryLock(s.mappedLock(), true)
	if err != nil {
		return err
	}
	if lock == nil {
		return fmt.Errorf("%s stays: a mapped image is being made just now", path)
	}
	return errors.Join(dropMapped(path), lock.Unlock())
}

// compareMapped says what is wrong with one tree, "" when nothing is.
func (s *Store) compareMapped(ctx context.Context, dir, top string, layers map[string]layerRecord) (text string, err error) {
	if _, err := readMapped(dir); errors.Is(err, fs.ErrNotExist) {
		return "they are not complete", nil
	} else if err != nil {
		return "", err
	}
	uid, gid, ok := mappedIDs(dir)
	if !ok {
		return "they are of no container", nil
	}
	temp, err := s.tempDir("check-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	w := working.Work{Dir: temp, ReadOnly: true}
	for id := top; id != ""; id = layers[id].Parent {
		w.Lowers = append([]string{s.layerDir(id)}, w.Lowers...)
	}
	if err := w.Mount(); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.Unmount()) }()
	m := mapping{s: s, shift: s.opts.Mapping.KeepID(uid, gid)}
	c := comparison{was: m.owners(idmap.Shift{}), now: m.owners(m.shift), left: map[string]bool{}}
	if c.root, err = unix.Open(filepath.Join(dir, "files"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return "their directory can not be opened: " + err.Error(), nil
	}
	defer unix.Close(c.root)
	err = tree.Walk(filepath.Join(dir, "files"), func(e *tree.Entry) error {
		c.left[e.Rel] = true
		return ctx.Err()
	})
	if err == nil {
		err = tree.Walk(w.Merged(), func(e *tree.Entry) error { return errors.Join(ctx.Err(), c.entry(e)) })
	}
	var d difference
	if errors.As(err, &d) {
		return string(d), nil
	}
	for rel := range c.left {
		return fmt.Sprintf("%q is in none of its layers", rel), err
	}
	return "", err
}

// mappedIDs reads the ids in the name of a tree.
func mappedIDs(dir string) (uid, gid uint32, ok bool) {
	_, ids, _ := strings.Cut(strings.TrimSuffix(filepath.Base(dir), fullSuffix), ".")
	u, g, _ := strings.Cut(ids, "-")
	a, err1 := strconv.ParseUint(u, 10, 32)
	b, err2 := strconv.ParseUint(g, 10, 32)
	return uint32(a), uint32(b), err1 == nil && err2 == nil
}

// difference is what comparison stops at.
type difference string

func (d difference) Error() string { return string(d) }

// comparison is one compareMapped: the files of the layers are looked for below root.
type comparison struct {
	was, now *ownership.Tree
	root     int
	left     map[string]bool // of root, not met yet
}

func (c *comparison) entry(e *tree.Entry) error {
	a, st, err := c.was.Lstat(e.DirFD, e.Name, e.Rel)
	if err != nil {
		return err
	}
	if a.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return nil // left out
	}
	differs := difference(fmt.Sprintf("%q is not what it is in its layer", e.Rel))
	fd, err := tree.OpenBeneath(c.root, e.Rel, unix.O_PATH|unix.O_NOFOLLOW)
	if err == unix.ELOOP {
		fd, err = c.openLink(e.Rel)
	}
	if err != nil {
		return differs
	}
	defer unix.Close(fd)
	delete(c.left, e.Rel)
	is, now, err := c.now.LstatOpen(fd, e.Rel)
	if err != nil {
		return err
	}
	if is != a || now.Size != st.Size && !e.IsDir() || now.Mtim != st.Mtim {
		return differs
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := e.Readlink()
		buf := make([]byte, unix.PathMax)
		n, rerr := unix.Readlinkat(fd, "", buf)
		if err != nil || rerr != nil || target != string(buf[:n]) {
			return differs
		}
	case unix.S_IFREG:
		same, err := sameContent(e, fd)
		if err != nil {
			return err
		}
		if !same {
			return differs
		}
	}
	return nil
}

// openLink opens a symlink without following it or others.
func (c *comparison) openLink(rel string) (int, error) {
	dir, err := tree.OpenBeneath(c.root, filepath.Dir(rel), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	return unix.Openat(dir, filepath.Base(rel), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// sameContent compares a file of the layers with the one made of it, open with O_PATH.
func sameContent(e *tree.Entry, fd int) (bool, error) {
	own, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return false, err
	}
	defer own.Close()
	if to := working.Referred(int(own.Fd())); to != "" {
		// A file with several names is referred to by the first of them.
		return to == e.Rel || e.Stat.Nlink > 1, nil
	}
	layer, err := e.Open()
	if err != nil {
		return false, err
	}
	defer layer.Close()
	a, b := sha256.New(), sha256.New()
	_, err1 := io.Copy(a, own)
	_, err2 := io.Copy(b, layer)
	return string(a.Sum(nil)) == string(b.Sum(nil)), errors.Join(err1, err2)
}
