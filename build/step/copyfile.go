package step

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/ownership"
)

// file copies the file src of the level's source directory, anything but a directory, to name. what
// is its path for messages, e what it was when it was selected.
func (c *copier) file(l *level, src, name, what string, e *source.Entry) error {
	dst := path.Join(l.dst, name)
	if !l.fresh {
		if there, _ := c.look(l, name); there != nil {
			if there.Mode&unix.S_IFMT == unix.S_IFDIR {
				return fmt.Errorf("cannot replace to directory /%s with file", dst)
			}
			if err := unix.Unlinkat(l.to, name, 0); err == nil {
				c.u.owners.Forget(dst)
			} else if !errors.Is(err, unix.ENOENT) {
				return &fs.PathError{Op: "replacing", Path: "/" + dst, Err: err}
			}
		}
	}
	if c.crew.takes(&e.Stat) {
		l.users.Add(1)
		c.crew.jobs <- job{l, src, name, dst, what, e}
		return nil
	}
	if err := c.make(l, src, name, dst, e); err != nil {
		return &fs.PathError{Op: "copying", Path: what, Err: err}
	}
	return nil
}

func (c *copier) make(l *level, src, name, dst string, e *source.Entry) error {
	st := &e.Stat
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.regular(l, src, name, dst, e)
	case unix.S_IFLNK:
		target, err := readlinkAt(l.from, src)
		if err == nil {
			err = unix.Symlinkat(target, l.to, name)
		}
		if err == nil {
			err = c.u.owners.Set(l.to, name, dst, c.attr(st))
		}
		if err != nil {
			return err
		}
	case unix.S_IFBLK, unix.S_IFCHR, unix.S_IFIFO:
		if err := c.u.owners.Mknod(l.to, name, dst, c.attr(st)); err != nil {
			return err
		}
	case unix.S_IFSOCK:
		return c.socket(l, name, dst, st)
	default:
		return fmt.Errorf("it is of an unknown type %#o", st.Mode&unix.S_IFMT)
	}
	if err := copyLinkXattrs(fdName(l.from, src), fdName(l.to, name)); err != nil {
		return err
	}
	return unix.UtimesNanoAt(l.to, name, c.times(st), unix.AT_SYMLINK_NOFOLLOW)
}

// socket makes an empty file of a socket in a context, as BuildKit's transfer of contexts does. One in
// a stage is left out: a layer can not hold it (tar(5)).
func (c *copier) socket(l *level, name, dst string, st *unix.Stat_t) error {
	if c.keep {
		return nil
	}
	to, err := unix.Openat(l.to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	unix.Close(to)
	as := *st
	as.Mode = unix.S_IFREG | st.Mode&0o7777
	if err := c.u.owners.Set(l.to, name, dst, c.attr(&as)); err != nil {
		return err
	}
	return unix.UtimesNanoAt(l.to, name, c.times(st), unix.AT_SYMLINK_NOFOLLOW)
}

// regular copies a regular file, or makes a link when the same file was copied before. An unchanged file of
// an earlier layer is not linked to, though that were faster: gzip(1), xz(1) and cron(8) leave files alone
// that have another name, so what worked in the first build would not in the second.
func (c *copier) regular(l *level, src, name, dst string, e *source.Entry) error {
	st, bare := &e.Stat, e.Bare
	id := inode{uint64(st.Dev), st.Ino}
	if st.Nlink > 1 {
		if first, ok := c.links[id]; ok {
			parent, last := split(first)
			dir, err := openBeneath(c.u.upper, parent, unix.O_PATH|unix.O_DIRECTORY)
			if err != nil {
				return err
			}
			defer unix.Close(dir)
			return unix.Linkat(dir, last, l.to, name, 0)
		}
		c.links[id] = dst
	}
	from, err := unix.Openat(l.from, src, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	attr := c.attr(st)
	// With its mode from the start, most files need no call to change it.
	to, err := unix.Openat(l.to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, attr.Mode&0o777)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if err := c.content.Copy(to, from, st); err != nil {
		return err
	}
	// What was copied must be what the key was computed from.
	var after unix.Stat_t
	if err := unix.Fstat(from, &after); err != nil {
		return err
	}
	switch {
	case after.Size > st.Size && after.Mode&unix.S_IFMT == unix.S_IFREG:
		c.grown.Store(true)
		bare = false
		if err := unix.Ftruncate(to, st.Size); err != nil { // a clone has all of it
			return fmt.Errorf("setting the size: %w", err)
		}
	case changed(st, &after):
		return errors.New("it changed while it was copied")
	}
	if err := c.u.owners.SetOpen(to, dst, attr); err != nil {
		return err
	}
	if !bare {
		if err := copyXattrs(from, to); err != nil {
			return err
		}
	}
	c.size.Add(st.Size)
	return unix.UtimesNanoAt(l.to, name, c.times(st), unix.AT_SYMLINK_NOFOLLOW)
}

// changed compares what a change of content alters. The device number is left out: an overlay shows
// another one through an open file than by name.
func changed(a, b *unix.Stat_t) bool {
	return a.Size != b.Size || a.Mtim != b.Mtim || a.Ctim != b.Ctim || b.Mode&unix.S_IFMT != unix.S_IFREG
}

// attr is what the copy of a file with status st gets.
func (c *copier) attr(st *unix.Stat_t) ownership.Attr {
	a := ownership.Attr{Mode: st.Mode, Rdev: st.Rdev}
	if c.keep {
		a.UID, a.GID = st.Uid, st.Gid
	}
	if c.owner != nil {
		a.UID, a.GID = c.owner.uid, c.owner.gid
	}
	if c.chmod != nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
		dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		a.Mode = st.Mode&unix.S_IFMT | c.chmod.Apply(st.Mode&0o7777, dir)&0o7777
	}
	return a
}

func (c *copier) times(st *unix.Stat_t) []unix.Timespec {
	if c.at != nil {
		ts := unix.NsecToTimespec(c.at.UnixNano())
		return []unix.Timespec{ts, ts}
	}
	return []unix.Timespec{st.Atim, st.Mtim}
}

// fdName is a path for calls that take no directory descriptor.
func fdName(dirfd int, name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dirfd, name) }
