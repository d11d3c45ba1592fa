package ownership

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stat answers stat(2) of a place; the structure at out is struct stat of the kernel.
func (w *worker) stat(p *place, follow bool, out uint64) answer {
	var st unix.Stat_t
	var o object
	done, a := w.seen(p, follow, &o)
	if done {
		return a
	}
	defer unix.Close(o.fd)
	if err := unix.Fstatat(o.fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return proceed()
	}
	st.Uid, st.Gid, st.Mode = o.attr.UID, o.attr.GID, o.attr.Mode
	if o.attr.IsDevice() {
		st.Rdev = o.attr.Rdev
	}
	return refuse(w.write(out, unsafe.Slice((*byte)(unsafe.Pointer(&st)), unsafe.Sizeof(st))))
}

// seen opens a place whose view differs from the kernel's, unless the caller may not reach it.
func (w *worker) seen(p *place, follow bool, o *object) (bool, answer) {
	c, e := w.creds()
	if e != 0 {
		return true, proceed()
	}
	if w.s.creds.impure.Load() {
		if owner := w.processOwner(p); owner != nil && w.look(p, follow, o) == 0 {
			o.attr.UID, o.attr.GID = owner.euid, owner.egid
			return false, answer{}
		}
	}
	if !c.plain() {
		if e := w.reach(c, p, follow); e != 0 {
			return true, refuse(e)
		}
	}
	if !w.differs(p, follow) || w.look(p, follow, o) != 0 {
		return true, proceed()
	}
	return false, answer{}
}

// statAt answers newfstatat(2).
func (w *worker) statAt(dirfd int32, path, out, flags uint64) answer {
	empty := flags&unix.AT_EMPTY_PATH != 0
	if w.at(&w.p, dirfd, path, empty) != 0 {
		return proceed()
	}
	return w.stat(&w.p, flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole(), out)
}

// fstat answers fstat(2).
func (w *worker) fstat(fd int32, out uint64) answer {
	if w.descriptor(&w.p, fd) != 0 {
		return proceed()
	}
	return w.stat(&w.p, true, out)
}

// statxAt answers statx(2).
func (w *worker) statxAt(dirfd int32, path, flags, mask, out uint64) answer {
	if w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	var o object
	done, a := w.seen(&w.p, flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole(), &o)
	if done {
		return a
	}
	defer unix.Close(o.fd)
	var stx unix.Statx_t
	if err := unix.Statx(o.fd, "", int(flags)&^unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH, int(mask), &stx); err != nil {
		return proceed()
	}
	stx.Uid, stx.Gid, stx.Mode = o.attr.UID, o.attr.GID, uint16(o.attr.Mode)
	if o.attr.IsDevice() {
		stx.Rdev_major, stx.Rdev_minor = unix.Major(o.attr.Rdev), unix.Minor(o.attr.Rdev)
	}
	return refuse(w.write(out, unsafe.Slice((*byte)(unsafe.Pointer(&stx)), unsafe.Sizeof(stx))))
}

// whole tells that a place is a descriptor or the working directory itself: there is a link of /proc
// to follow, whatever the call says about symlinks.
func (p *place) whole() bool { return p.text == p.end && p.start < p.text }

// processOwner gives the credentials of the process whose directory in /proc a place is, nil for
// other places: ps(1) and start-stop-daemon(8) take a process's user from there. The number is one
// of the container's pid namespace; the limits its /proc shows hold the credentials.
func (w *worker) processOwner(p *place) *creds {
	const dir = "/proc/"
	name := bytes.TrimSuffix(p.bytes(), slash)
	if len(name) <= len(dir) || string(name[:len(dir)]) != dir || name[len(dir)] < '0' || name[len(dir)] > '9' {
		return nil
	}
	for _, c := range name[len(dir):] {
		if c < '0' || c > '9' {
			return nil
		}
	}
	b, err := os.ReadFile(string(name) + "/limits") // below the thread's root
	if err != nil {
		return nil
	}
	return w.s.creds.at(tokenOf(b))
}
