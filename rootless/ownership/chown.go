package ownership

import (
	"errors"

	"golang.org/x/sys/unix"
)

// chownAt answers fchownat(2).
func (w *worker) chownAt(dirfd int32, path uint64, uid, gid uint32, flags uint64) answer {
	if w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	return w.chown(&w.p, flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole(), uid, gid)
}

// fchown answers fchown(2).
func (w *worker) fchown(fd int32, uid, gid uint32) answer {
	if w.descriptor(&w.p, fd) != 0 {
		return proceed()
	}
	return w.chown(&w.p, true, uid, gid)
}

func (w *worker) chown(p *place, follow bool, uid, gid uint32) answer {
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	ours := (uid == 0 || uid == noID) && (gid == 0 || gid == noID)
	if c.plain() && ours && !w.differs(p, follow) {
		return proceed()
	}
	var o object
	if e := w.look(p, follow, &o); e != 0 {
		return p.refuse(e)
	}
	defer unix.Close(o.fd)
	if !c.plain() {
		if e := w.reach(c, p, follow); e != 0 {
			return refuse(e)
		}
		if !c.mayChown(o.attr, uid, gid) {
			return refuse(unix.EPERM)
		}
	}
	if !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	// The kernel does the rest of a chown: it refuses on read-only mounts, copies up, drops setuid
	// bits and capabilities, sets the ctime.
	if err := unix.Fchownat(o.fd, "", -1, -1, unix.AT_EMPTY_PATH); err != nil && o.kind == mountRecorded {
		return refuse(errno(err))
	}
	a := o.attr
	if uid != noID {
		a.UID = uid
	}
	if gid != noID {
		a.GID = gid
	}
	var st unix.Stat_t
	if err := unix.Fstatat(o.fd, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return refuse(errno(err))
	}
	a.Mode = a.Mode&unix.S_IFMT | st.Mode&permMask
	return refuse(w.setOwner(&o, a))
}

// mayChown is chown_ok and chgrp_ok of fs/attr.c.
func (c *creds) mayChown(a Attr, uid, gid uint32) bool {
	if c.can(capChown) {
		return true
	}
	if uid != noID && (c.fsuid != a.UID || uid != a.UID) {
		return false
	}
	return gid == noID || c.fsuid == a.UID && (gid == a.GID || c.inGroup(gid))
}

// chmodAt answers fchmodat2(2) and those without flags.
func (w *worker) chmodAt(dirfd int32, path uint64, mode uint32, flags uint64) answer {
	if w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	return w.chmod(&w.p, flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole(), mode)
}

// fchmod answers fchmod(2).
func (w *worker) fchmod(fd int32, mode uint32) answer {
	if w.descriptor(&w.p, fd) != 0 {
		return proceed()
	}
	return w.chmod(&w.p, true, mode)
}

func (w *worker) chmod(p *place, follow bool, mode uint32) answer {
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	if c.plain() {
		w.s.files.age.Add(1)
		return proceed() // the bits on disk are the image's
	}
	var o object
	if e := w.look(p, follow, &o); e != 0 {
		return p.refuse(e)
	}
	defer unix.Close(o.fd)
	if e := w.reach(c, p, follow); e != 0 {
		return refuse(e)
	}
	mode &= permMask
	// setattr_prepare and chmod_common of the kernel
	if c.fsuid != o.attr.UID && !c.can(capFowner) {
		return refuse(unix.EPERM)
	}
	if !c.inGroup(o.attr.GID) && !c.can(capFsetid) {
		mode &^= unix.S_ISGID
	}
	if linkLike(uint32(o.stx.Mode)) && o.stx.Mode&unix.S_IFMT == unix.S_IFLNK {
		return refuse(unix.EOPNOTSUPP)
	}
	if !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	if err := unix.Chmod(ownFD(o.fd), mode); err != nil {
		return refuse(errno(err))
	}
	if o.stx.Mode&unix.S_IFMT == unix.S_IFDIR {
		w.s.files.age.Add(1)
	}
	return result(0)
}

// refuse says why a place can not be opened.
func (p *place) refuse(e unix.Errno) answer {
	switch {
	case e == notOurs:
		return proceed()
	case e == unix.ENOENT && p.whole():
		e = unix.EBADF
	}
	return refuse(e)
}

func errno(err error) unix.Errno {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return unix.EIO
}
