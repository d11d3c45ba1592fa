package ownership

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Files the kernel would give to the wrong owner are made by the worker: in the parent directory as
// it was looked at, under a name that must not exist, so that nobody can lead it elsewhere meanwhile.

// birth is what a file to be made needs.
type birth struct {
	dir   int // the parent directory, -1: the kernel's own way gives the right owner
	kind  mountKind
	owner Owner
	c     *creds
}

func (b *birth) close() {
	if b.dir >= 0 {
		unix.Close(b.dir)
	}
}

// newborn decides about the creation of p, whose owner root's processes outside of setgid directories
// need not be told. always: the file has to be made here in any case. The caller closes the birth.
func (w *worker) newborn(p *place, always bool) (birth, unix.Errno) {
	b := birth{dir: -1}
	c, e := w.creds()
	if e != 0 || !p.hasName() {
		return b, 0
	}
	if c.plain() && !always {
		if p.inParent(func() unix.Errno { return w.statx(p, true, unix.STATX_MODE, &w.stx) }) != 0 || w.stx.Mode&unix.S_ISGID == 0 {
			return b, 0
		}
	}
	var dir object
	if p.inParent(func() unix.Errno { return w.look(p, true, &dir) }) != 0 {
		return b, 0
	}
	b = birth{dir.fd, dir.kind, Owner{c.fsuid, c.fsgid}, c}
	if !c.plain() && !c.can(capOverride) {
		if e = w.reachParent(c, p); e == 0 && !c.allowed(dir.attr, mayWrite|mayExec) {
			e = unix.EACCES
		}
	}
	if dir.attr.Mode&unix.S_ISGID != 0 {
		b.owner.GID = dir.attr.GID
	}
	// A descriptor can be a file as well, and the process must still be the one that named it.
	if e != 0 || dir.attr.Mode&unix.S_IFMT != unix.S_IFDIR || !always && b.owner == (Owner{}) || !valid(w.l.fd, w.n.id) {
		b.close()
		b.dir = -1
		return b, e
	}
	w.mask(c)
	return b, 0
}

// cut gives the end of the parent directory in a place: "812/cwd/a/b" gives the index behind "a/".
func (p *place) cut() int {
	i := p.end
	for i > p.start && p.buf[i-1] != '/' {
		i--
	}
	return i
}

// base gives the NUL-terminated last component for a system call.
func (p *place) base() uintptr { return uintptr(unsafe.Pointer(&p.buf[p.cut()])) }

// hasName tells whether the last component can be the name of a new file.
func (p *place) hasName() bool {
	if p.whole() {
		return false
	}
	name := p.buf[p.cut():p.end]
	return len(name) > 0 && string(name) != "." && string(name) != ".."
}

// strip takes trailing slashes off.
func (p *place) strip() {
	for p.end > p.text+1 && p.buf[p.end-1] == '/' {
		p.end--
		p.buf[p.end] = 0
	}
}

// inParent runs f while p names the parent directory.
func (p *place) inParent(f func() unix.Errno) unix.Errno {
	at, end := p.cut(), p.end
	saved := p.buf[at]
	p.buf[at], p.end = 0, at
	e := f()
	p.buf[at], p.end = saved, end
	return e
}

func (w *worker) openParent(p *place) (fd int, e unix.Errno) {
	e = p.inParent(func() (e unix.Errno) {
		fd, e = w.open(p, true)
		return e
	})
	return fd, e
}

// refuseNew refuses to make p, unless it is there and the kernel has another answer.
func (w *worker) refuseNew(p *place, e unix.Errno) answer {
	if w.statx(p, false, unix.STATX_TYPE, &w.stx) == 0 {
		return proceed()
	}
	return refuse(e)
}

// own gives a file that was just made its owner.
func (w *worker) own(o *object, b *birth) unix.Errno {
	if e := w.examine(o, false); e != 0 {
		return e
	}
	a := o.attr
	a.UID, a.GID = b.owner.UID, b.owner.GID
	return w.setOwner(o, a)
}

// openNew opens what was just made at p.
func (w *worker) openNew(p *place, b *birth) (int, unix.Errno) {
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(b.dir), p.base(), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, 0, 0)
	return int(fd), e
}

// ownNew is own for what was just made at p.
func (w *worker) ownNew(p *place, b *birth) answer {
	fd, e := w.openNew(p, b)
	if e != 0 {
		return refuse(e)
	}
	defer unix.Close(fd)
	return refuse(w.own(&object{fd: fd}, b))
}

// makeAt is the frame of the calls that make something else than a regular file: do makes it.
func (w *worker) makeAt(p *place, do func(b *birth) unix.Errno) answer {
	b, e := w.newborn(p, false)
	if e != 0 {
		return w.refuseNew(p, e)
	}
	defer b.close()
	if b.dir < 0 {
		return proceed()
	}
	if e := do(&b); e != 0 {
		return refuse(e)
	}
	return w.ownNew(p, &b)
}

// mkdirAt answers mkdirat(2).
func (w *worker) mkdirAt(dirfd int32, path uint64, mode uint32) answer {
	p := &w.p
	if w.at(p, dirfd, path, false) != 0 {
		return proceed()
	}
	p.strip()
	return w.makeAt(p, func(b *birth) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_MKDIRAT, uintptr(b.dir), p.base(), uintptr(mode))
		return e
	})
}

// symlinkAt answers symlinkat(2).
func (w *worker) symlinkAt(target uint64, dirfd int32, path uint64) answer {
	p := &w.p
	if w.at(p, dirfd, path, false) != 0 {
		return proceed()
	}
	symlink := func(b *birth) unix.Errno {
		n, e := w.readString(target, w.q.buf[:])
		if e != 0 {
			return e
		}
		w.q.start, w.q.end = 0, n
		_, _, e = unix.Syscall(unix.SYS_SYMLINKAT, w.q.z(), uintptr(b.dir), p.base())
		return e
	}
	a := w.makeAt(p, symlink)
	if a.kind != isProceed || len(w.s.files.linked) == 0 {
		return a
	}
	// Root's, but perhaps at a path where a layer below had somebody else's symlink: say so.
	b, e := w.newborn(p, true)
	if e != 0 || b.dir < 0 {
		return a
	}
	defer b.close()
	dir, ok := w.pathInside(b.dir)
	if !ok || !w.s.files.lowerLink(dir, string(p.buf[p.cut():p.end])) {
		return a
	}
	if e := symlink(&b); e != 0 {
		return refuse(e)
	}
	return w.ownNew(p, &b)
}

// lowerLink tells whether a layer below records an owner for dir/name.
func (f *files) lowerLink(dir, name string) bool {
	if dir != "" {
		name = dir + "/" + name
	}
	_, ok := f.linked[name]
	return ok
}

// mknodAt answers mknodat(2): devices become empty files with a record.
func (w *worker) mknodAt(dirfd int32, path uint64, mode uint32, dev uint64) answer {
	p := &w.p
	if w.at(p, dirfd, path, false) != 0 {
		return proceed()
	}
	if !isDevice(mode) {
		return w.makeAt(p, func(b *birth) unix.Errno { return w.mknod(p, b, mode) })
	}
	if dev == 0 && mode&unix.S_IFMT == unix.S_IFCHR {
		return proceed() // overlayfs's whiteout: refused by it
	}
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	if !c.can(capMknod) {
		return w.refuseNew(p, unix.EPERM)
	}
	b, e := w.newborn(p, true)
	if e != 0 {
		return w.refuseNew(p, e)
	}
	defer b.close()
	if b.dir < 0 {
		return proceed()
	}
	if e := w.mknod(p, &b, unix.S_IFREG|mode&permMask); e != 0 {
		return refuse(e)
	}
	fd, e := w.openNew(p, &b)
	if e != 0 {
		return refuse(e)
	}
	defer unix.Close(fd)
	o := object{fd: fd}
	if e := w.examine(&o, false); e != 0 {
		return refuse(e)
	}
	perm := uint32(o.stx.Mode) & permMask
	return refuse(w.setOwner(&o, Attr{b.owner.UID, b.owner.GID, mode&unix.S_IFMT | perm, userDevice(dev)}))
}

func (w *worker) mknod(p *place, b *birth, mode uint32) unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_MKNODAT, uintptr(b.dir), p.base(), uintptr(mode), 0, 0, 0)
	return e
}

// userDevice widens the kernel's 32-bit form of a device number to st_rdev's.
func userDevice(dev uint64) uint64 {
	major := uint32(dev>>8) & 0xfff
	minor := uint32(dev)&0xff | uint32(dev>>12)&0xfff00
	return unix.Mkdev(major, minor)
}
