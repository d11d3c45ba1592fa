package run

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/diff"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/tree"
	"github.com/dhow-containers/dhow/storage/working"
)

// Change is one path that a container has changed.
type Change = diff.Change

// Changes tells what a container has changed since it was made, sorted by path. What dhow itself put in
// place for it, mount points and the files bound over them, is not told of.
func Changes(s *storage.Store, f record.Found) (_ []Change, err error) {
	below, done, err := view(s, f, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	root, err := unix.Open(below, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("looking at the image of container %s: %w", f.Name, err)
	}
	defer unix.Close(root)
	own := mountPoints(f)
	var all []Change
	upper := filepath.Join(f.Dir, "upper")
	if _, err := os.Lstat(upper); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // never started
	}
	err = tree.Walk(upper, func(e *tree.Entry) error {
		if e.Rel == "" {
			return nil
		}
		there, dir := exists(root, e.Rel)
		if isWhiteout(&e.Stat) {
			if there {
				all = append(all, Change{Kind: "D", Path: "/" + e.Rel})
			}
			return nil
		}
		if !there && own[e.Rel] {
			if e.IsDir() {
				return tree.SkipDir
			}
			return nil
		}
		kind := "A"
		if there {
			kind = "C"
		}
		all = append(all, Change{Kind: kind, Path: "/" + e.Rel})
		if there && dir && e.IsDir() && opaque(e) {
			gone, err := hidden(below, upper, e.Rel)
			if err != nil {
				return err
			}
			all = append(all, gone...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("comparing container %s with its image: %w", f.Name, err)
	}
	all = unmarked(trimParents(all, own))
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// trimParents leaves out directories that changed only because a mount point was made in them.
func trimParents(all []Change, own map[string]bool) []Change {
	return slices.DeleteFunc(all, func(c Change) bool {
		if c.Kind != "C" {
			return false
		}
		holds := false
		for p := range own {
			if path.Dir("/"+p) == c.Path {
				holds = true
			}
		}
		return holds && !slices.ContainsFunc(all, func(o Change) bool { return strings.HasPrefix(o.Path, c.Path+"/") })
	})
}

// mountPoints are the places, without the first slash, that the run itself makes when the image has none.
func mountPoints(f record.Found) map[string]bool {
	own := map[string]bool{}
	for _, p := range []string{"dev", "proc", "sys", "etc", "sbin", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", "sbin/docker-init"} {
		own[p] = true
	}
	delete(own, "etc")
	delete(own, "sbin")
	for name := range marks {
		own[name] = true
	}
	for _, m := range f.Mounts {
		own[strings.TrimPrefix(path.Clean(m.Target), "/")] = true
	}
	return own
}

func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func opaque(e *tree.Entry) bool {
	name := "trusted.overlay.opaque"
	if working.Userxattr() {
		name = "user.overlay.opaque"
	}
	var value [2]byte
	n, err := unix.Lgetxattr(e.ProcPath(), name, value[:])
	return err == nil && n == 1 && value[0] == 'y'
}

// exists tells whether the image has rel, and whether it is a directory.
func exists(root int, rel string) (there, dir bool) {
	fd, err := unix.Openat2(root, rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err == unix.ELOOP { // the last part may be a symlink: RESOLVE_NO_SYMLINKS forbids even that
		parent, perr := unix.Openat2(root, "./"+path.Dir(rel), &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
		})
		if perr != nil {
			return false, false
		}
		defer unix.Close(parent)
		var st unix.Stat_t
		return unix.Fstatat(parent, path.Base(rel), &st, unix.AT_SYMLINK_NOFOLLOW) == nil, false
	}
	if err != nil {
		return false, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false, false
	}
	return true, st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// hidden are the entries of the image's directory rel that an opaque directory hides.
func hidden(below, upper, rel string) ([]Change, error) {
	var gone []Change
	entries, err := os.ReadDir(filepath.Join(below, rel))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, err := os.Lstat(filepath.Join(upper, rel, e.Name())); errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, Change{Kind: "D", Path: path.Join("/", rel, e.Name())})
		}
	}
	return gone, nil
}

// viewPrefix is that of the directories in which containers are looked at.
const viewPrefix = "view-"

// view mounts the container's image read-only, with what the container has written above it or without.
// The caller calls done.
func view(s *storage.Store, f record.Found, written bool) (dir string, done func() error, err error) {
	var layers []storage.Layer
	for _, id := range f.Layers {
		l, err := s.Layer(id)
		if err != nil {
			return "", nil, fmt.Errorf("the image of container %s: %w", f.Name, err)
		}
		layers = append(layers, l)
	}
	var shift idmap.Shift // the image's own files are found without
	if written {
		shift = shiftOf(s.Mapping(), f.Container)
	}
	below, err := s.Below(layers, shift)
	if err != nil {
		return "", nil, fmt.Errorf("the image of container %s: %w", f.Name, err)
	}
	w := &working.Work{ReadOnly: true, Lowers: below.Lowers, Data: below.Data}
	upper := filepath.Join(f.Dir, "upper")
	if _, serr := os.Lstat(upper); serr == nil && written {
		w.Lowers = append(w.Lowers, upper)
	}
	_ = journal.ClearUnclaimed(f.Dir, viewPrefix) // what can not be removed is in nobody's way
	claim, err := journal.ClaimDir(f.Dir, viewPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("looking at container %s: %w", f.Name, err)
	}
	w.Dir = claim.Path
	if err := w.Mount(); err != nil {
		return "", nil, errors.Join(err, claim.Close())
	}
	return w.Merged(), func() error { return errors.Join(w.Unmount(), claim.Close()) }, nil
}

// links are the recorded owners of symlinks in a container: those of its layers, and its own above them.
func links(s *storage.Store, f record.Found, layers bool) (ownership.Links, error) {
	all := ownership.Links{}
	if layers {
		for _, id := range f.Layers {
			l, err := s.Layer(id)
			if err != nil {
				return nil, err
			}
			for k, v := range l.Links {
				all[k] = v
			}
		}
	}
	upper := filepath.Join(f.Dir, "upper")
	if _, err := os.Lstat(upper); err != nil {
		return all, nil
	}
	own, err := ownership.UpperLinks(upper, filepath.Join(f.Dir, "table"))
	for k, v := range own {
		if all[k] = v; v == (ownership.Owner{}) {
			delete(all, k)
		}
	}
	return all, err
}

// Export writes the container's filesystem as a tar, without what is mounted in it.
func Export(s *storage.Store, f record.Found, w io.Writer) (err error) {
	dir, done, err := view(s, f, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	owners, err := links(s, f, true)
	if err != nil {
		return err
	}
	own, err := ownMarks(s, f, dir)
	if err != nil {
		return err
	}
	return s.Export(w, dir, owners, shiftOf(s.Mapping(), f.Container), own)
}

// CommitLayer makes a layer of what a container has written, on top of its image's. A running container
// is not stopped for it. No layer (and false) when nothing was written.
func CommitLayer(ctx context.Context, s *storage.Store, f record.Found) (storage.Layer, bool, error) {
	changes, err := Changes(s, f)
	if err != nil || len(changes) == 0 {
		return storage.Layer{}, false, err
	}
	owners, err := links(s, f, false)
	if err != nil {
		return storage.Layer{}, false, err
	}
	kept := map[string]bool{}
	for _, c := range changes {
		kept[strings.TrimPrefix(c.Path, "/")] = true
	}
	shift := shiftOf(s.Mapping(), f.Container)
	raw, all := io.Pipe()
	cut, some := io.Pipe()
	go func() { all.CloseWithError(s.WriteTar(all, filepath.Join(f.Dir, "upper"), owners, shift)) }()
	go func() {
		err := strip(raw, some, func(name string) bool { return kept[name] })
		raw.CloseWithError(err)
		some.CloseWithError(err)
	}()
	parent := ""
	if n := len(f.Layers); n > 0 {
		parent = f.Layers[n-1]
	}
	l, err := s.Append(ctx, parent, cut)
	cut.CloseWithError(err)
	if err != nil {
		return l, false, fmt.Errorf("committing container %s: %w", f.Name, err)
	}
	return l, true, nil
}

// strip copies the entries of a layer tar that are wanted; a whiteout counts as what it hides.
func strip(from io.Reader, to io.Writer, wanted func(name string) bool) error {
	in, out := tar.NewReader(from), tar.NewWriter(to)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
		base := path.Base(name)
		subject := name
		switch {
		case base == ".wh..wh..opq":
			subject = path.Dir(name)
		case strings.HasPrefix(base, ".wh."):
			subject = path.Join(path.Dir(name), strings.TrimPrefix(base, ".wh."))
		}
		if name != "" && name != "." && !wanted(subject) {
			continue
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
	return out.Close()
}
