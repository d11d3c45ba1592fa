package carry

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// Place is a directory that files are put into. As docker does, a file replaces a file, a directory's
// content is added to a directory's, and neither replaces the other.
type Place struct {
	// Root is the root directory of the filesystem, Dir the directory in it, Path the way from one to the
	// other, without symlinks.
	Root, Dir int
	Path      string
	// Name is what the file that is carried becomes in Dir; "" puts what is in it there, and leaves Dir
	// itself as it is.
	Name string
	// Owners gives files their owners where those can be kept, see Recorded; nil leaves them to whoever
	// makes them, as on the host.
	Owners *ownership.Tree
	// Recorded tells whether the owners of what lies in an open directory may be written down there, where
	// Owners has to; nil means everywhere.
	Recorded func(dir int) bool
	// Attr gives what a file gets of what its source says; nil is all.
	Attr func(ownership.Attr) ownership.Attr
	// Loose is for tars: their paths may lead through symlinks, within Root, and directories that no entry
	// describes are made.
	Loose bool
	// Capabilities tells whether the capabilities of executables come along.
	Capabilities bool
	// Setuid keeps the set-user-ID and set-group-ID bits of files also where their owners are not recorded:
	// there they would run as whoever the copy makes their owner.
	Setuid bool
	// Home, when not 0, is a directory that what is written to Dir ends up in, on another filesystem.
	Home int
	// Content, when not nil, is asked first to fill a new regular file; false leaves that to the copy.
	Content func(to int, i *Item) (filled bool, err error)
	// Carried, when not nil, is told how much was done, in bytes as a tar has them.
	Carried func(n int64)
	// LeftOut, when not nil, is told of files that can not be made here: devices. Without it they are an
	// error.
	LeftOut func(rel string, err error)
}

// ToTree puts the files of a source into a place. A regular file appears with all its content or not at
// all, where the filesystem can do that. After an error some of the files are there.
func ToTree(p Place, from Source) error {
	w := &writing{p: p, last: -1, content: tree.Content{}}
	if t, ok := from.(Tree); ok {
		if err := apart(p, t); err != nil {
			return err
		}
		w.from = t.At
	}
	if p.Carried != nil {
		w.content.Progress = p.Carried
	}
	defer w.forget()
	if err := from.Each(w.item); err != nil {
		return err
	}
	if err := w.setTimes(w.times.list); err != nil {
		return err
	}
	w.carried(2 * block) // a tar's end
	return nil
}

// writing is one ToTree.
type writing struct {
	p       Place
	content tree.Content
	// last is the directory that was resolved last, -1 for none.
	last     int
	lastName string
	recorded bool // of last
	times    times
	from     string // path of the tree that is read
	way      way
	plain    bool // the filesystem makes no nameless files
	buf      []byte
}

func (w *writing) forget() {
	if w.last >= 0 {
		unix.Close(w.last)
		w.last = -1
	}
}

func (w *writing) item(i *Item) error {
	w.carried(block)
	rel := path.Join(w.p.Name, i.Rel)
	if rel == "" || rel == "." { // the place itself
		var st unix.Stat_t
		if err := unix.Fstat(w.p.Dir, &st); err != nil {
			return err
		}
		return w.descend(i, inode{st.Dev, st.Ino})
	}
	at, err := w.parent(rel)
	if err != nil {
		return err
	}
	if w.p.Attr != nil {
		i.Attr = w.p.Attr(i.Attr)
	}
	f := target{Item: i, at: at, name: path.Base(rel), rel: rel}
	there, dir, err := look(at, f.name)
	if err != nil {
		return f.fail(err)
	}
	isDir := i.kind() == unix.S_IFDIR && i.Same == ""
	switch {
	case there && dir && !isDir:
		return fmt.Errorf("cannot overwrite directory %q with non-directory %q", w.shown(rel), w.shown(""))
	case there && !dir && isDir:
		return fmt.Errorf("cannot overwrite non-directory %q with directory %q", w.shown(rel), w.shown(""))
	}
	if err := w.make(f, there); err != nil {
		return f.fail(err)
	}
	return nil
}

func (w *writing) carried(n int64) {
	if w.p.Carried != nil {
		w.p.Carried(n)
	}
}

// shown is a path for messages.
func (w *writing) shown(rel string) string { return path.Join("/", w.p.Path, rel) }

// target is an item and where it goes: name in the directory at.
type target struct {
	*Item
	at   int
	name string
	rel  string // below Dir
}

func (f target) fail(err error) error { return fmt.Errorf("copying to %q: %w", f.rel, err) }

func look(at int, name string) (there, dir bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, false, nil
	}
	return err == nil, st.Mode&unix.S_IFMT == unix.S_IFDIR, err
}

// parent gives the directory rel's last component is in. The descriptor belongs to w.
func (w *writing) parent(rel string) (int, error) {
	dir := path.Dir(rel)
	if w.last >= 0 && w.lastName == dir {
		return w.last, nil
	}
	fd, err := tree.OpenBeneath(w.p.Dir, dir, unix.O_PATH|unix.O_DIRECTORY)
	if w.p.Loose && (err == unix.ELOOP || err == unix.ENOENT || err == unix.ENOTDIR) {
		fd, err = w.wayIn(dir)
	}
	if err != nil {
		return -1, fmt.Errorf("opening %q: %w", w.shown(dir), err)
	}
	w.forget()
	w.last, w.lastName = fd, dir
	w.recorded = w.p.Recorded == nil || w.p.Recorded(fd)
	return fd, nil
}

// wayIn opens a directory of a tar's path, through symlinks as a process in Root would, and makes what is
// missing of it.
func (w *writing) wayIn(dir string) (int, error) {
	full := path.Join(w.p.Path, dir)
	fd, err := tree.OpenIn(w.p.Root, full, unix.O_PATH|unix.O_DIRECTORY)
	if err != unix.ENOENT {
		return fd, err
	}
	at, err := tree.OpenIn(w.p.Root, w.p.Path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	done := w.p.Path
	for name := range strings.SplitSeq(dir, "/") {
		done = path.Join(done, name)
		// From the root each time: a symlink on the way may have absolute or ".." parts.
		next, err := tree.OpenIn(w.p.Root, done, unix.O_PATH|unix.O_DIRECTORY)
		if err == unix.ENOENT {
			if err = unix.Mkdirat(at, name, 0o755); err == nil {
				next, err = unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			}
			if err == nil {
				w.recorded = w.p.Recorded == nil || w.p.Recorded(at)
				err = w.own(next, done, ownership.Attr{Mode: unix.S_IFDIR | 0o755})
			}
		}
		unix.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}

// own gives an open file its owner and permissions.
func (w *writing) own(fd int, rel string, a ownership.Attr) error {
	if !w.recorded && !w.p.Setuid && a.Mode&unix.S_IFMT != unix.S_IFDIR {
		a.Mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if w.p.Owners != nil && (w.p.Owners.Native || w.recorded) {
		return explained(w.p.Owners.SetOpen(fd, rel, a), a)
	}
	return unix.Chmod(procFD(fd), a.Mode&0o7777)
}

// explained says what the one error of chown(2) that people meet means.
func explained(err error, a ownership.Attr) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("owner %d:%d lies outside the ids this user may use: give the user more in /etc/subuid and /etc/subgid (%w)", a.UID, a.GID, err)
	}
	return err
}

func (w *writing) make(f target, there bool) error {
	switch {
	case f.Same != "":
		return w.hardlink(f, there)
	case f.kind() == unix.S_IFDIR:
		return w.directory(f, there)
	case f.kind() == unix.S_IFREG:
		return w.regular(f, there)
	case f.kind() == unix.S_IFLNK:
		return w.replacing(f, there, func(name, rel string) error {
			if err := unix.Symlinkat(f.Link, f.at, name); err != nil {
				return err
			}
			if w.p.Owners != nil {
				if err := w.p.Owners.Set(f.at, name, rel, f.Attr); err != nil {
					return explained(err, f.Attr)
				}
			}
			return setTime(f.at, name, f.Time)
		})
	default:
		return w.node(f, there)
	}
}

func (w *writing) directory(f target, there bool) error {
	if !there {
		if err := unix.Mkdirat(f.at, f.name, 0o700); err != nil {
			return err
		}
	}
	fd, err := unix.Openat(f.at, f.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if err := w.descend(f.Item, inode{st.Dev, st.Ino}); err != nil {
		return err
	}
	if err := w.own(fd, path.Join(w.p.Path, f.rel), f.Attr); err != nil {
		return err
	}
	if err := w.xattrs(fd, f.Item); err != nil {
		return err
	}
	return w.keep(f.rel, f.Time)
}

// hardlink makes one more name for a file of the same source. Owner, mode and xattrs are the file's.
func (w *writing) hardlink(f target, there bool) error {
	first := path.Join(w.p.Name, f.Same)
	dir, err := tree.OpenBeneath(w.p.Dir, path.Dir(first), unix.O_PATH|unix.O_DIRECTORY)
	if w.p.Loose && err == unix.ELOOP {
		dir, err = tree.OpenIn(w.p.Root, path.Join(w.p.Path, path.Dir(first)), unix.O_PATH|unix.O_DIRECTORY)
	}
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", printable(f.Same), err)
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	err = unix.Fstatat(dir, path.Base(first), &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.EISDIR
	}
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", printable(f.Same), err)
	}
	var own unix.Stat_t
	if there && unix.Fstatat(f.at, f.name, &own, unix.AT_SYMLINK_NOFOLLOW) == nil && own.Dev == st.Dev && own.Ino == st.Ino {
		return nil // it has both names already
	}
	err = w.replacing(f, there, func(name, _ string) error {
		return unix.Linkat(dir, path.Base(first), f.at, name, 0)
	})
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", printable(f.Same), err)
	}
	return nil
}

// node makes a FIFO or a device, or tells that this place can have none.
func (w *writing) node(f target, there bool) error {
	var err error
	if f.Attr.IsDevice() && w.p.Owners != nil && w.p.Owners.Userns && !w.recorded {
		err = unix.EPERM
	} else {
		err = w.replacing(f, there, func(name, rel string) error {
			var err error
			if w.p.Owners != nil {
				err = explained(w.p.Owners.Mknod(f.at, name, rel, f.Attr), f.Attr)
			} else if err = unix.Mknodat(f.at, name, f.Attr.Mode&^0o7777|0o600, int(f.Attr.Rdev)); err == nil {
				err = chmodNode(f.at, name, f.Attr)
			}
			if err != nil {
				return err
			}
			return setTime(f.at, name, f.Time)
		})
	}
	if errors.Is(err, unix.EPERM) && f.Attr.IsDevice() {
		err = fmt.Errorf("only root can make a device there: %w", unix.EPERM)
		if w.p.LeftOut != nil && f.Item.Rel != "" {
			w.p.LeftOut(f.rel, err)
			return nil
		}
	}
	return err
}

// chmodNode gives a FIFO or device its permissions, and nothing that has taken its place: a symlink there
// would lead chmod(2) anywhere.
func chmodNode(at int, name string, a ownership.Attr) error {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != a.Mode&unix.S_IFMT {
		return fmt.Errorf("something else has taken its place: %w", unix.EBUSY)
	}
	return unix.Chmod(procFD(fd), a.Mode&0o7777)
}

func (w *writing) xattrs(fd int, i *Item) error {
	for _, x := range i.Xattrs {
		if x.Name == capabilityXattr && !w.p.Capabilities {
			continue
		}
		err := unix.Fsetxattr(fd, x.Name, x.Value, 0)
		// Not every filesystem has them.
		if err != nil && err != unix.ENOTSUP && err != unix.EPERM {
			return fmt.Errorf("setting %s: %w", x.Name, err)
		}
	}
	return nil
}

// body copies what is left of a tar's entry, leaving holes for zeros.
func (w *writing) body(to int, i *Item) error {
	if w.buf == nil {
		w.buf = make([]byte, 256<<10)
	}
	var at int64
	for {
		n, err := io.ReadFull(i.Body, w.buf)
		if n > 0 && !zeros(w.buf[:n]) {
			for done := 0; done < n; {
				m, werr := unix.Pwrite(to, w.buf[done:n], at+int64(done))
				if werr != nil {
					return werr
				}
				done += m
			}
		}
		at += int64(n)
		w.carried(int64(n))
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if at != i.Size {
		return io.ErrUnexpectedEOF
	}
	return unix.Ftruncate(to, at)
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
