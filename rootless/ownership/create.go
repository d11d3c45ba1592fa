package ownership

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// cut gives the end of the parent directory in a place: "812/cwd/a/b/" gives the index behind "a/".
func (p *place) cut() int {
	i := p.end
	for i > p.text && p.buf[i-1] == '/' {
		i--
	}
	for i > p.start && p.buf[i-1] != '/' {
		i--
	}
	return i
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

func (w *worker) lookParent(p *place, o *object) unix.Errno {
	return p.inParent(func() unix.Errno { return w.look(p, true, o) })
}

// birth is what a new file would have to be given.
type birth struct {
	owner Owner
	c     *creds
}

// newborn decides about the creation of p: ok is false when the kernel's own way gives the right
// owner, which is the case for root outside of setgid directories.
func (w *worker) newborn(p *place) (b birth, ok bool, e unix.Errno) {
	c, e := w.creds()
	if e != 0 {
		return b, false, 0
	}
	b = birth{Owner{c.fsuid, c.fsgid}, c}
	if c.plain() {
		if p.inParent(func() unix.Errno { return w.statx(p, true, unix.STATX_MODE, &w.stx) }) != 0 || w.stx.Mode&unix.S_ISGID == 0 {
			return b, false, 0
		}
	}
	var dir object
	if w.lookParent(p, &dir) != 0 {
		return b, false, 0
	}
	unix.Close(dir.fd)
	if !c.plain() && !c.can(capOverride) {
		if e := w.reachParent(c, p); e != 0 {
			return b, false, e
		}
		if !c.allowed(dir.attr, mayWrite|mayExec) {
			return b, false, unix.EACCES
		}
	}
	if dir.attr.Mode&unix.S_ISGID != 0 {
		b.owner.GID = dir.attr.GID
	}
	return b, b.owner != Owner{}, 0
}

// own gives a file that was just made its owner.
func (w *worker) own(o *object, b birth) unix.Errno {
	if e := w.examine(o); e != 0 {
		return e
	}
	a := o.attr
	a.UID, a.GID = b.owner.UID, b.owner.GID
	return w.setOwner(o, a)
}

// ownAt is own for what lies at a place.
func (w *worker) ownAt(p *place, b birth) answer {
	fd, e := w.open(p, false)
	if e != 0 {
		return refuse(e)
	}
	defer unix.Close(fd)
	return refuse(w.own(&object{fd: fd}, b))
}

// openAt answers open(2), creat(2), openat(2) and openat2(2), whose other arguments the kernel gets
// to see only when nothing is made.
func (w *worker) openAt(dirfd int32, path uint64, flags uint64, mode uint32, how *openHow) answer {
	making := flags&unix.O_CREAT != 0
	nameless := flags&unix.O_TMPFILE == unix.O_TMPFILE
	if !making && !nameless && !w.s.creds.impure.Load() {
		return proceed()
	}
	if w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	p := &w.p
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	follow := flags&unix.O_NOFOLLOW == 0 && flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL
	if nameless {
		return w.openNameless(p, flags, mode)
	}
	if !c.plain() {
		var o object
		switch e := w.look(p, follow, &o); e {
		case 0:
			unix.Close(o.fd)
			if making && flags&unix.O_EXCL != 0 {
				return proceed() // EEXIST
			}
			return w.permit(c, p, follow, wanted(flags))
		case unix.ENOENT:
			if e := w.reach(c, p, follow); e != 0 {
				return refuse(e)
			}
		default:
			return proceed()
		}
	}
	if !making || how != nil && how.resolve != 0 {
		return proceed()
	}
	for range 8 { // dangling symlinks
		b, ok, e := w.newborn(p)
		if e != 0 {
			return w.refuseNew(p, e)
		}
		if !ok {
			return proceed()
		}
		a, again := w.makeFile(p, flags, mode, b)
		if !again {
			return a
		}
		if flags&unix.O_EXCL != 0 || !w.followLink(p) {
			return proceed()
		}
	}
	return proceed()
}

// refuseNew refuses to make p, unless it is there and the kernel has another answer.
func (w *worker) refuseNew(p *place, e unix.Errno) answer {
	if w.statx(p, false, unix.STATX_TYPE, &w.stx) == 0 {
		return proceed()
	}
	return refuse(e)
}

// wanted gives the permission an open asks for.
func wanted(flags uint64) uint32 {
	if flags&unix.O_PATH != 0 {
		return 0
	}
	want := [...]uint32{mayRead, mayWrite, mayRead | mayWrite, mayRead | mayWrite}[flags&unix.O_ACCMODE]
	if flags&unix.O_TRUNC != 0 {
		want |= mayWrite
	}
	return want
}

// makeFile makes a regular file for the caller and hands it over; again is true when something is
// there already.
func (w *worker) makeFile(p *place, flags uint64, mode uint32, b birth) (a answer, again bool) {
	if !valid(w.l.fd, w.n.id) {
		return proceed(), false
	}
	w.mask(b.c)
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(unix.AT_FDCWD&(1<<32-1)), p.z(),
		uintptr(flags|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOCTTY), uintptr(mode), 0, 0)
	if e == unix.EEXIST {
		return answer{}, true
	}
	if e != 0 {
		return refuse(e), false
	}
	return w.handOver(int(fd), flags, b), false
}

// handOver owns an open new file and installs it in the caller.
func (w *worker) handOver(fd int, flags uint64, b birth) answer {
	defer unix.Close(fd)
	if e := w.own(&object{fd: fd}, b); e != 0 {
		return refuse(e)
	}
	if e := sendFD(w.l.fd, w.n.id, fd, flags&unix.O_CLOEXEC != 0); e != 0 && e != unix.ENOENT {
		return refuse(e)
	}
	return answer{kind: isAnswered}
}

// openNameless answers O_TMPFILE; the path is the directory.
func (w *worker) openNameless(p *place, flags uint64, mode uint32) answer {
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	var dir object
	if w.look(p, true, &dir) != 0 {
		return proceed()
	}
	unix.Close(dir.fd)
	if !c.plain() {
		if a := w.permit(c, p, true, mayWrite|mayExec); a.kind == isResult {
			return a
		}
	}
	b := birth{Owner{c.fsuid, c.fsgid}, c}
	if dir.attr.Mode&unix.S_ISGID != 0 {
		b.owner.GID = dir.attr.GID
	}
	if b.owner == (Owner{}) || !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	w.mask(c)
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(unix.AT_FDCWD&(1<<32-1)), p.z(),
		uintptr(flags|unix.O_CLOEXEC), uintptr(mode), 0, 0)
	if e != 0 {
		return refuse(e)
	}
	return w.handOver(int(fd), flags, b)
}

// followLink replaces a symlink at p by what it points to.
func (w *worker) followLink(p *place) bool {
	var target [unix.PathMax]byte
	n, _, e := unix.Syscall6(unix.SYS_READLINKAT, uintptr(unix.AT_FDCWD&(1<<32-1)), p.z(),
		uintptr(unsafe.Pointer(&target[0])), uintptr(len(target)-1), 0, 0)
	if e != 0 || n == 0 {
		return false
	}
	if target[0] == '/' {
		p.text = front
		p.end = front + copy(p.buf[front:len(p.buf)-1], target[:n])
		p.buf[p.end] = 0
		return w.spell(p, unix.AT_FDCWD, false) == 0
	}
	at := p.cut()
	if at+int(n) >= len(p.buf) {
		return false
	}
	p.end = at + copy(p.buf[at:], target[:n])
	p.buf[p.end] = 0
	return true
}

// makeAt is the frame of mkdir, mknod and symlink: do makes the file at w.p.
func (w *worker) makeAt(dirfd int32, path uint64, do func(c *creds) unix.Errno) answer {
	if w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	b, ok, e := w.newborn(&w.p)
	if e != 0 {
		return w.refuseNew(&w.p, e)
	}
	if !ok {
		return proceed()
	}
	if !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	w.mask(b.c)
	if e := do(b.c); e != 0 {
		return refuse(e)
	}
	return w.ownAt(&w.p, b)
}

// mkdirAt answers mkdirat(2).
func (w *worker) mkdirAt(dirfd int32, path uint64, mode uint32) answer {
	return w.makeAt(dirfd, path, func(*creds) unix.Errno {
		_, _, e := unix.Syscall(unix.SYS_MKDIRAT, uintptr(unix.AT_FDCWD&(1<<32-1)), w.p.z(), uintptr(mode))
		return e
	})
}

// symlinkAt answers symlinkat(2).
func (w *worker) symlinkAt(target uint64, dirfd int32, path uint64) answer {
	make := func() unix.Errno {
		n, e := w.readString(target, w.q.buf[:])
		if e != 0 {
			return e
		}
		w.q.start, w.q.end = 0, n
		_, _, e = unix.Syscall(unix.SYS_SYMLINKAT, w.q.z(), uintptr(unix.AT_FDCWD&(1<<32-1)), w.p.z())
		return e
	}
	a := w.makeAt(dirfd, path, func(*creds) unix.Errno { return make() })
	if a.kind != isProceed || len(w.s.files.linked) == 0 {
		return a
	}
	// Root's, but at a path where a layer below had somebody else's symlink: say so.
	fd, e := w.openParent(&w.p)
	if e != 0 {
		return a
	}
	dir, ok := w.pathInside(fd)
	unix.Close(fd)
	name := w.p.buf[w.p.cut():w.p.end]
	if !ok || !w.s.files.lowerLink(dir, string(name)) || !valid(w.l.fd, w.n.id) {
		return a
	}
	if e := make(); e != 0 {
		return refuse(e)
	}
	return w.ownAt(&w.p, birth{})
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
	if !isDevice(mode) {
		return w.makeAt(dirfd, path, func(*creds) unix.Errno { return w.mknod(mode, 0) })
	}
	if dev == 0 && mode&unix.S_IFMT == unix.S_IFCHR {
		return proceed() // overlayfs's whiteout: refused by it
	}
	if w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	if !c.can(capMknod) {
		return w.refuseNew(&w.p, unix.EPERM)
	}
	b, _, e := w.newborn(&w.p)
	if e != 0 {
		return w.refuseNew(&w.p, e)
	}
	if !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	w.mask(c)
	if e := w.mknod(unix.S_IFREG|mode&permMask, 0); e != 0 {
		return refuse(e)
	}
	fd, e := w.open(&w.p, false)
	if e != 0 {
		return refuse(e)
	}
	defer unix.Close(fd)
	o := object{fd: fd}
	if e := w.examine(&o); e != 0 {
		return refuse(e)
	}
	a := Attr{UID: b.owner.UID, GID: b.owner.GID, Mode: mode&unix.S_IFMT | uint32(o.stx.Mode)&permMask, Rdev: userDevice(dev)}
	return refuse(w.setOwner(&o, a))
}

func (w *worker) mknod(mode uint32, dev uint64) unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_MKNODAT, uintptr(unix.AT_FDCWD&(1<<32-1)), w.p.z(), uintptr(mode), uintptr(dev), 0, 0)
	return e
}

// userDevice widens the kernel's 32-bit form of a device number to st_rdev's.
func userDevice(dev uint64) uint64 {
	major := uint32(dev>>8) & 0xfff
	minor := uint32(dev)&0xff | uint32(dev>>12)&0xfff00
	return unix.Mkdev(major, minor)
}

// unlinkAt answers unlinkat(2) and rmdir(2).
func (w *worker) unlinkAt(dirfd int32, path uint64) answer {
	w.s.files.age.Add(1)
	c, e := w.creds()
	if e != 0 || c.plain() || w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	if e := w.permitEntry(c, &w.p); e != 0 {
		return refuse(e)
	}
	return proceed()
}

// renameAt answers renameat2(2).
func (w *worker) renameAt(fromFD int32, from uint64, toFD int32, to uint64) answer {
	f := &w.s.files
	f.age.Add(1)
	c, e := w.creds()
	if e != 0 || c.plain() && len(f.linked) == 0 ||
		w.at(&w.p, fromFD, from, false) != 0 || w.at(&w.q, toFD, to, false) != 0 {
		return proceed()
	}
	if e := w.permitEntry(c, &w.p); e != 0 {
		return refuse(e)
	}
	if e := w.permitEntry(c, &w.q); e != 0 {
		return refuse(e)
	}
	if !c.plain() {
		if _, _, e := w.newborn(&w.q); e != 0 {
			return refuse(e)
		}
	}
	if len(f.linked) > 0 {
		w.pinLink()
	}
	return proceed()
}

// pinLink makes the owner of a symlink at w.p its own before it is renamed: the layers below know it
// by path only.
func (w *worker) pinLink() {
	if w.statx(&w.p, false, unix.STATX_TYPE, &w.stx) != 0 || w.stx.Mode&unix.S_IFMT != unix.S_IFLNK {
		return
	}
	var o object
	if w.look(&w.p, false, &o) != 0 {
		return
	}
	defer unix.Close(o.fd)
	if !valid(w.l.fd, w.n.id) || unix.Fchownat(o.fd, "", -1, -1, unix.AT_EMPTY_PATH) != nil {
		return // the rename will fail as well
	}
	w.setOwner(&o, o.attr)
}
