package ownership

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// Tree sets and reads image owners in one directory tree, natively or recorded. It is not safe for
// concurrent use, but for SetOpen of regular files.
//
// Its methods take a directory descriptor and one file name inside it (or a path whose directories
// the caller trusts; "" means the directory itself), and rel, the path relative to the root of the
// layer, which keys Links. They never follow a symlink at name.
type Tree struct {
	// Native says that chown(2) can give files their image owners (plain root, subordinate ids).
	Native bool
	// Userns says that the process stands in a user namespace: devices can not be made and are
	// recorded instead, also where owners are native.
	Userns bool
	// Links collects the owners of symlinks and FIFOs where they are not native; nil is empty.
	Links Links
	// Aside, when not nil, is told at once of the owner of a symlink or FIFO, which Links then has too.
	// fd is the file, opened by name.
	Aside func(fd int, rel string, o Owner) error
	// Shift is that of the container whose files these are, where owners are native: Attr holds the ids
	// as the container has them.
	Shift idmap.Shift
}

// Lstat gives the image's view of a file and the raw stat the kernel gives.
func (t *Tree) Lstat(dirfd int, name, rel string) (Attr, unix.Stat_t, error) {
	var st unix.Stat_t
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if err := unix.Fstatat(dirfd, name, &st, flags); err != nil {
		return Attr{}, st, fmt.Errorf("reading owner of %q: stat: %w", rel, err)
	}
	a, err := t.Attr(dirfd, name, rel, &st)
	return a, st, err
}

// Attr is Lstat for a file whose raw stat is known.
func (t *Tree) Attr(dirfd int, name, rel string, st *unix.Stat_t) (Attr, error) {
	a := Attr{UID: st.Uid, GID: st.Gid, Mode: st.Mode, Rdev: st.Rdev}
	if !isDevice(st.Mode) {
		a.Rdev = 0
	}
	if t.Native {
		// The only records in a native tree are those of fake devices, which are empty files.
		if t.Userns && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 {
			r, ok, err := readRecord(dirfd, name)
			if err != nil {
				return Attr{}, fmt.Errorf("reading owner of %q: %w", rel, err)
			}
			if ok && r.IsDevice() {
				r.UID, r.GID = st.Uid, st.Gid
				a = r.apply(st.Mode, 0)
			}
		}
		a.UID, a.GID = t.Shift.Inside(a.UID, a.GID)
		return a, nil
	}
	a.UID, a.GID = 0, 0
	if !carriesXattr(st.Mode) {
		if o, ok := t.Links[cleanRel(rel)]; ok {
			a.UID, a.GID = o.UID, o.GID
		}
		return a, nil
	}
	r, ok, err := readRecord(dirfd, name)
	if err != nil {
		return Attr{}, fmt.Errorf("reading owner of %q: %w", rel, err)
	}
	if ok {
		a = r.apply(a.Mode, a.Rdev)
	}
	return a, nil
}

// LstatOpen is Lstat for a file that is open, perhaps only as a path.
func (t *Tree) LstatOpen(fd int, rel string) (Attr, unix.Stat_t, error) { return t.Lstat(fd, "", rel) }

// Set makes the image's view of an existing file equal to a: owner, permission bits and, where a is
// a device and the file a regular one, type and device number. The type in a is otherwise ignored,
// as are the permission bits of a symlink. Capabilities and setuid bits that chown(2) drops are
// those the file had before; set xattrs after Set.
func (t *Tree) Set(dirfd int, name, rel string, a Attr) error {
	if err := t.set(dirfd, name, rel, a); err != nil {
		return fmt.Errorf("setting owner %d:%d of %q: %w", a.UID, a.GID, rel, err)
	}
	return nil
}

func (t *Tree) set(dirfd int, name, rel string, a Attr) error {
	// One descriptor for everything: what is changed is the file that was looked at.
	fd, err := openPath(dirfd, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return t.setOpen(fd, rel, a)
}

// SetOpen is Set for a file that is open, so that it is this one whatever its name leads to now.
func (t *Tree) SetOpen(fd int, rel string, a Attr) error {
	if err := t.setOpen(fd, rel, a); err != nil {
		return fmt.Errorf("setting owner %d:%d of %q: %w", a.UID, a.GID, rel, err)
	}
	return nil
}

func (t *Tree) setOpen(fd int, rel string, a Attr) error {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	fake := a.IsDevice() && st.Mode&unix.S_IFMT == unix.S_IFREG
	if fake && !t.Userns {
		return fmt.Errorf("a regular file can not become a device: %w", unix.EINVAL)
	}
	uid, gid, ok := t.Shift.Here(a.UID, a.GID)
	if !ok {
		return fmt.Errorf("the container has no such id: %w", unix.EINVAL)
	}
	chowned := t.Native && (st.Uid != uid || st.Gid != gid)
	if chowned {
		if err := unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return t.setLink(fd, rel, a)
	}
	perm := a.Mode & permMask
	// After chown, which drops setuid and setgid bits.
	if st.Mode&permMask != perm || chowned && perm&(unix.S_ISUID|unix.S_ISGID) != 0 {
		if err := unix.Chmod(fdPath(fd, ""), perm); err != nil {
			return err
		}
	}
	switch {
	case !carriesXattr(st.Mode):
		return t.setLink(fd, rel, a)
	case fake || !t.Native && (a.UID != 0 || a.GID != 0):
		if !fake {
			a.Mode = st.Mode&unix.S_IFMT | perm
		}
		return writeRecord(fd, "", a)
	case !t.Native || t.Userns && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0:
		return dropRecord(fd, "")
	}
	return nil
}

func (t *Tree) setLink(fd int, rel string, a Attr) error {
	if t.Native {
		return nil
	}
	rel = cleanRel(rel)
	o := Owner{UID: a.UID, GID: a.GID}
	if t.Aside != nil {
		if err := t.Aside(fd, rel, o); err != nil {
			return err
		}
	}
	if o == (Owner{}) {
		delete(t.Links, rel)
		return nil
	}
	if t.Links == nil {
		t.Links = Links{}
	}
	t.Links[rel] = o
	return nil
}

// Mknod makes a FIFO, or a device: a real one for plain root, elsewhere an empty regular file with
// a record. The name must not exist (EEXIST).
func (t *Tree) Mknod(dirfd int, name, rel string, a Attr) error {
	var err error
	switch {
	case a.Mode&unix.S_IFMT == unix.S_IFIFO:
		err = unix.Mknodat(dirfd, name, unix.S_IFIFO|0o600, 0)
	case !a.IsDevice():
		err = fmt.Errorf("type %#o is neither device nor FIFO: %w", a.Mode&unix.S_IFMT, unix.EINVAL)
	case !t.Userns:
		err = unix.Mknodat(dirfd, name, a.Mode&unix.S_IFMT|0o600, int(a.Rdev))
	default:
		var fd int
		fd, err = unix.Openat(dirfd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			err = unix.Close(fd)
		}
	}
	if err != nil {
		return fmt.Errorf("making device or FIFO %q: %w", rel, err)
	}
	return t.Set(dirfd, name, rel, a)
}

// Forget tells that rel, and with it everything below, has been removed from the tree.
func (t *Tree) Forget(rel string) { t.Links.remove(cleanRel(rel)) }

// Renamed tells that the file at from, which is no directory, has taken the place of what was at to.
func (t *Tree) Renamed(from, to string) {
	from, to = cleanRel(from), cleanRel(to)
	o, ok := t.Links[from]
	t.Links.remove(to)
	if ok {
		delete(t.Links, from)
		t.Links[to] = o
	}
}

// openPath opens what name is, without following a symlink there.
func openPath(dirfd int, name string) (int, error) {
	if name == "" {
		name = "." // only directories are named by their descriptor
	}
	return unix.Openat(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}
