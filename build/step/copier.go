package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/storage/tree"
)

// copier puts selections into a union with BuildKit's semantics
// (solver/llbsolver/file/backend.go and tonistiigi/fsutil's copy package):
//
//   - the directory that Dest names is made with mode 0755 or the octal one of --chmod, as is what is
//     missing above it;
//   - a directory's contents go into Dest; Dest itself keeps mode and owner, and gets the source's
//     time; a directory below that exists already gets the source's mode, owner and attributes;
//   - a file goes to Dest, or into it when Dest is a directory or ends in a slash;
//   - symlinks on the way to Dest are followed inside the root, those below it are not;
//   - a file never replaces a directory, nor a directory a file.
type copier struct {
	u *union
	// src is the root of the tree copied from; keep tells that owners come from there, too.
	src  int
	keep bool
	// owner, chmod and at override what the source says when not nil.
	owner *owner
	chmod *plan.Chmod
	at    *time.Time

	content *tree.Content
	// links leads from source inodes with several names to the first copy.
	links map[inode]string
	size  atomic.Int64
	// grown tells that a file had more at its end than when it was selected: a log that is written
	// to meanwhile, often the build's own. What was there when it was selected is copied.
	grown atomic.Bool
	ctx   context.Context
	stack []*level
	crew  *crew // not nil while a directory is copied
}

type inode struct{ dev, ino uint64 }

// level is a directory being filled.
type level struct {
	rel string // below the selection
	dst string // below the union's root
	// from, to and below are the directory in the source, the upper and the lower; below is -1 when
	// the lower has none.
	from, to, below int
	// fresh says that nothing was there before: no look is needed before a file is made.
	fresh bool
	times []unix.Timespec
	// users are the walk, while it is in the directory, and the files of it that are being copied.
	users atomic.Int32
}

// put copies one selection to dest, an absolute path as written.
func (c *copier) put(sel source.Selection, dest string) error {
	if len(sel.Entries) == 0 {
		return nil
	}
	made := owner{}
	if c.owner != nil {
		made = *c.owner
	}
	// The part of dest that must be a directory.
	dirPart, last := path.Split(dest)
	if last == "" || last == "." {
		dirPart = dest
	}
	rel, err := c.u.resolve(dirPart)
	if err != nil {
		return err
	}
	if err := c.u.mkdirAll(rel, made, c.chmod.Dir(), c.at); err != nil {
		return err
	}
	dst, err := c.u.resolve(dest)
	if err != nil {
		return err
	}
	st, _, err := c.u.lstat(dst)
	exists := err == nil
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
		return &fs.PathError{Op: "looking at", Path: "/" + dst, Err: err}
	}
	if sel.Dir {
		if !exists {
			if err := c.u.mkdirAll(dst, made, c.chmod.Dir(), c.at); err != nil {
				return err
			}
		} else if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return fmt.Errorf("cannot copy to non-directory: /%s", dst)
		}
		return c.tree(sel, dst)
	}
	if exists && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		dst = path.Join(dst, sel.Base)
	}
	parent, name := split(dst)
	if err := c.u.mkdirAll(parent, made, c.chmod.Dir(), c.at); err != nil {
		return err
	}
	return c.single(sel, parent, name)
}

// single copies a selection that is one file.
func (c *copier) single(sel source.Selection, parent, name string) error {
	srcParent, srcName := split(strings.TrimPrefix(sel.Path, "/"))
	from, err := openBeneath(c.src, srcParent, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return &fs.PathError{Op: "reading", Path: sel.Path, Err: err}
	}
	defer unix.Close(from)
	l, err := c.open(parent)
	if err != nil {
		return err
	}
	l.from = from
	defer l.close(false)
	return c.file(l, srcName, name, sel.Path, &sel.Entries[0])
}

// open gives the level of an existing directory of the union.
func (c *copier) open(dst string) (*level, error) {
	to, err := c.u.dir(dst)
	if err != nil {
		return nil, err
	}
	below := -1
	if c.u.lower >= 0 {
		if below, err = openBeneath(c.u.lower, dst, unix.O_PATH|unix.O_DIRECTORY); err != nil {
			below = -1
		}
	}
	return &level{dst: dst, to: to, below: below, from: -1}, nil
}

// leave ends a use of the level. The last one sets the directory's time.
func (l *level) leave() (err error) {
	if l.users.Add(-1) > 0 {
		return nil
	}
	if l.times != nil {
		if err = unix.UtimesNanoAt(l.to, ".", l.times, 0); err != nil {
			err = &fs.PathError{Op: "setting the time of", Path: "/" + l.dst, Err: err}
		}
	}
	l.close(true)
	return err
}

func (l *level) close(source bool) {
	unix.Close(l.to)
	if l.below >= 0 {
		unix.Close(l.below)
	}
	if source && l.from >= 0 {
		unix.Close(l.from)
	}
}

// tree copies what lies below a selected directory to dst, an existing directory.
func (c *copier) tree(sel source.Selection, dst string) (err error) {
	top, err := c.open(dst)
	if err != nil {
		return err
	}
	if top.from, err = openBeneath(c.src, strings.TrimPrefix(sel.Path, "/"), unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
		top.close(true)
		return &fs.PathError{Op: "reading", Path: sel.Path, Err: err}
	}
	if !sel.Partial {
		top.times = c.times(&sel.Entries[0].Stat)
	}
	top.users.Store(1)
	c.stack = []*level{top}
	c.crew = c.gather(len(sel.Entries))
	defer func() {
		if werr := c.crew.dismiss(); err == nil {
			err = werr
		}
		c.crew = nil
		for _, l := range c.stack { // after an error
			_ = l.leave()
		}
		c.stack = nil
	}()
	for i := 1; i < len(sel.Entries); i++ {
		e := &sel.Entries[i]
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if c.crew.failed() {
			return nil // dismiss tells
		}
		dir, name := split(e.Rel)
		if err := c.ascend(dir); err != nil {
			return err
		}
		l := c.stack[len(c.stack)-1]
		if l.rel != dir {
			return fmt.Errorf("%s: entry %q comes before its directory", sel.Path, e.Rel)
		}
		what := path.Join(sel.Path, e.Rel)
		if e.Stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = c.descend(l, name, what, e, sel.Partial)
		} else {
			err = c.file(l, name, name, what, e)
		}
		if err != nil {
			return err
		}
	}
	return c.ascend("\x00")
}

// ascend finishes the directories that do not lead to dir; "\x00" finishes all.
func (c *copier) ascend(dir string) error {
	for len(c.stack) > 0 {
		l := c.stack[len(c.stack)-1]
		if l.rel == dir || l.rel == "" && dir != "\x00" || l.rel != "" && strings.HasPrefix(dir, l.rel+"/") {
			return nil
		}
		c.stack = c.stack[:len(c.stack)-1]
		if err := l.leave(); err != nil {
			return err
		}
	}
	return nil
}

// descend copies the directory e itself, named name in l, and makes it the present level.
func (c *copier) descend(l *level, name, what string, e *source.Entry, partial bool) error {
	dst := path.Join(l.dst, name)
	there, below := c.look(l, name)
	next := &level{rel: e.Rel, dst: dst, from: -1, to: -1, below: -1, fresh: there == nil}
	if there != nil && there.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("cannot copy to non-directory: /%s", dst)
	}
	if there != nil {
		to, err := c.u.dir(dst)
		if err != nil {
			return err
		}
		unix.Close(to)
	} else {
		if err := unix.Mkdirat(l.to, name, 0o700); err != nil {
			return &fs.PathError{Op: "mkdir", Path: "/" + dst, Err: err}
		}
		c.u.seen[dst] = true
	}
	next.users.Store(1)
	var err error
	if next.to, err = unix.Openat(l.to, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
		next.from, err = unix.Openat(l.from, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err == nil && below {
		next.below, err = unix.Openat(l.below, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	c.stack = append(c.stack, next)
	if err != nil {
		return &fs.PathError{Op: "reading", Path: what, Err: err}
	}
	if there != nil && partial {
		return nil
	}
	if err := c.u.owners.Set(l.to, name, dst, c.attr(&e.Stat)); err != nil {
		return err
	}
	if err := copyXattrs(next.from, next.to); err != nil {
		return &fs.PathError{Op: "copying", Path: what, Err: err}
	}
	next.times = c.times(&e.Stat)
	return nil
}

// look tells what stands at name in the level, nil for nothing, and whether the lower has a
// directory there.
func (c *copier) look(l *level, name string) (there *unix.Stat_t, below bool) {
	if l.fresh {
		return nil, false
	}
	var up, low unix.Stat_t
	if unix.Fstatat(l.to, name, &up, unix.AT_SYMLINK_NOFOLLOW) == nil {
		there = &up
	}
	if l.below >= 0 && unix.Fstatat(l.below, name, &low, unix.AT_SYMLINK_NOFOLLOW) == nil && !isWhiteout(&low) {
		if there == nil {
			there = &low
		}
		below = low.Mode&unix.S_IFMT == unix.S_IFDIR
	}
	return there, below
}
