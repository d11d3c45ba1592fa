package source

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/dockerfile"
)

// maxDepth bounds how deep directories may nest: each level holds a descriptor open.
const maxDepth = 512

// visit is the walk through one selection.
type visit struct {
	*walker
	s *Selection
	// pending are the directories on the way down that are not selected themselves; they become
	// entries when something in them is.
	pending []Entry
	depth   int
}

// fill reads the match itself and, if it is a directory, all below it.
func (w *walker) fill(s *Selection, dangling bool) error {
	dir, base := path.Split(s.Path)
	parent, err := openIn(int(w.root.Fd()), dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if base == "" {
		base = "."
	}
	st, err := w.stat(parent, base, relative(s.Path))
	if err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFLNK && !dangling {
		return errors.New("it became a symlink while being read")
	}
	hidden, ignoring, err := w.ignored(s.Path)
	if err != nil {
		return err
	}
	if kind != unix.S_IFDIR {
		if hidden {
			return errIgnored
		}
		if w.include != nil {
			return ErrNotFound
		}
		if skip, _, err := w.exclude.Match(s.Base, dockerfile.State{}); err != nil || skip {
			return orNotFound(err)
		}
		s.Entries = []Entry{{Stat: st}}
		return nil
	}
	if hidden && !w.opts.Ignore.MayHoldExceptions(strings.TrimPrefix(s.Path, "/")) {
		return errIgnored
	}
	s.Dir = true
	v := &visit{walker: w, s: s}
	first := Entry{Stat: st}
	if hidden {
		v.pending = []Entry{first}
	} else {
		s.Entries = []Entry{first}
	}
	fd, err := openAt(parent, base)
	if err != nil {
		return err
	}
	if err := v.dir(fd, "", states{ignoring: ignoring}); err != nil {
		return err
	}
	if len(s.Entries) == 0 {
		return errIgnored // and no exception is in it
	}
	return nil
}

// states are what the pattern lists said of a directory.
type states struct {
	ignoring, excluding, including dockerfile.State
}

// openAt opens a directory without following a symlink.
func openAt(parent int, name string) (int, error) {
	for {
		fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// dir walks an open directory, which it closes; rel is its path below the selection.
func (v *visit) dir(fd int, rel string, above states) error {
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	if v.depth++; v.depth > maxDepth {
		return fmt.Errorf("%s: directories nest more than %d deep", path.Join(v.s.Path, rel), maxDepth)
	}
	defer func() { v.depth-- }()
	names, err := sortedNames(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path.Join(v.s.Path, rel), err)
	}
	for _, name := range names {
		if err := v.entry(fd, name, join(rel, name), above); err != nil {
			return err
		}
	}
	return nil
}

// join is path.Join without its cost: both sides are clean.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (v *visit) entry(parent int, name, rel string, above states) error {
	inTree := rel
	if v.s.Path != "/" {
		inTree = v.s.Path[1:] + "/" + rel
	}
	here, taken, err := v.judge(inTree, rel, above)
	if err != nil {
		return fmt.Errorf("/%s: %w", inTree, err)
	}
	enter := taken || v.mayHold(inTree, rel, here)
	if !enter {
		return nil
	}
	st, err := v.stat(parent, name, inTree)
	if err == unix.ENOENT {
		return nil // gone meanwhile
	}
	if err != nil {
		return fmt.Errorf("reading /%s: %w", inTree, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if taken {
			v.take(Entry{Rel: rel, Stat: st})
		}
		return nil
	}
	waiting := len(v.pending)
	if taken {
		v.take(Entry{Rel: rel, Stat: st})
	} else {
		v.pending = append(v.pending, Entry{Rel: rel, Stat: st})
	}
	fd, err := openAt(parent, name)
	if err != nil {
		return fmt.Errorf("reading /%s: %w", inTree, err)
	}
	if err := v.dir(fd, rel, here.states); err != nil {
		return err
	}
	if !taken && len(v.pending) > waiting {
		v.pending = v.pending[:waiting] // nothing in it was selected
	}
	return nil
}

// take adds an entry, after the directories it stands in.
func (v *visit) take(e Entry) {
	if n := len(v.s.Entries); n == cap(v.s.Entries) {
		// append alone grows a long slice by a quarter, and copies each entry four times on the way.
		v.s.Entries = slices.Grow(v.s.Entries, n+len(v.pending)+1)
	}
	v.s.Entries = append(v.s.Entries, v.pending...)
	v.pending = v.pending[:0]
	v.s.Entries = append(v.s.Entries, e)
}

// verdict is what the lists say of one path.
type verdict struct {
	states
	ignored, excluded, included bool
}

func (v *visit) judge(inTree, rel string, above states) (verdict, bool, error) {
	d := verdict{included: true}
	var err error
	if v.opts.Ignore != nil {
		if d.ignored, d.ignoring, err = v.opts.Ignore.Match(inTree, above.ignoring); err != nil {
			return d, false, err
		}
	}
	if v.exclude != nil {
		if d.excluded, d.excluding, err = v.exclude.Match(rel, above.excluding); err != nil {
			return d, false, err
		}
	}
	if v.include != nil {
		if d.included, d.including, err = v.include.Match(rel, above.including); err != nil {
			return d, false, err
		}
	}
	return d, d.included && !d.ignored && !d.excluded, nil
}

// mayHold tells whether something below an unselected directory may be selected after all.
func (v *visit) mayHold(inTree, rel string, d verdict) bool {
	return (!d.ignored || v.opts.Ignore.MayHoldExceptions(inTree)) &&
		(!d.excluded || v.exclude.MayHoldExceptions(rel)) &&
		(d.included || v.include.MayMatchBelow(rel))
}

// stat is fstatat, or what the options put in its place.
func (w *walker) stat(dirfd int, name, rel string) (unix.Stat_t, error) {
	if w.opts.Stat != nil {
		return w.opts.Stat(dirfd, name, rel)
	}
	var st unix.Stat_t
	for {
		err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			return st, err
		}
	}
}
