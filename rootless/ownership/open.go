package ownership

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// openAt answers open(2), creat(2), openat(2) and openat2(2). The kernel opens what is there; what is
// to be made for somebody else than root is made here and handed over.
func (w *worker) openAt(dirfd int32, path uint64, flags uint64, mode uint32, how *openHow) answer {
	making := flags&unix.O_CREAT != 0
	nameless := flags&unix.O_TMPFILE == unix.O_TMPFILE
	c, e := w.creds()
	if e != 0 || c.plain() && !making && !nameless {
		return proceed()
	}
	p := &w.p
	if w.at(p, dirfd, path, false) != 0 {
		return proceed()
	}
	if nameless {
		return w.openNameless(c, p, flags, mode)
	}
	if !c.plain() {
		follow := flags&unix.O_NOFOLLOW == 0 && flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL
		var o object
		switch e := w.look(p, follow, &o); e {
		case 0:
			unix.Close(o.fd)
			if making && flags&unix.O_EXCL != 0 {
				return proceed() // EEXIST
			}
			return w.permitObject(c, p, follow, &o, wanted(flags))
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
		a, exists := w.makeFile(p, flags, mode)
		if !exists {
			return a
		}
		if flags&unix.O_EXCL != 0 || !w.followLink(p) {
			break
		}
	}
	return proceed()
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

// makeFile makes a regular file for the caller and hands it over; exists is true when something is
// there already.
func (w *worker) makeFile(p *place, flags uint64, mode uint32) (a answer, exists bool) {
	b, e := w.newborn(p, false)
	if e != 0 {
		return w.refuseNew(p, e), false
	}
	defer b.close()
	if b.dir < 0 {
		return proceed(), false
	}
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(b.dir), p.base(),
		uintptr(flags|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOCTTY), uintptr(mode), 0, 0)
	if e == unix.EEXIST {
		return answer{}, true
	}
	if e != 0 {
		return refuse(e), false
	}
	a = w.handOver(int(fd), flags, mode, &b)
	if a.kind == isResult && a.err != 0 {
		// It was not there before the call that failed.
		_, _, _ = unix.Syscall(unix.SYS_UNLINKAT, uintptr(b.dir), p.base(), 0)
	}
	return a, false
}

// handOver owns an open new file and installs it in the caller.
func (w *worker) handOver(fd int, flags uint64, mode uint32, b *birth) answer {
	defer unix.Close(fd)
	e := unix.EOPNOTSUPP
	if b.kind == mountRecorded && b.owner != (Owner{}) {
		// A new file has no record that could be in the way, and the place for one.
		a := Attr{b.owner.UID, b.owner.GID, unix.S_IFREG | mode&permMask&^uint32(b.c.umask), 0}
		record := a.appendRecord(w.small[:0])
		_, _, e = unix.Syscall6(unix.SYS_FSETXATTR, uintptr(fd), uintptr(unsafe.Pointer(&xattrNameZ[0])),
			uintptr(unsafe.Pointer(&record[0])), uintptr(len(record)), 0, 0)
	}
	if e == unix.EOPNOTSUPP {
		e = w.own(&object{fd: fd}, b)
	}
	if e != 0 {
		return refuse(e)
	}
	if e := sendFD(w.l.fd, w.n.id, fd, flags&unix.O_CLOEXEC != 0); e != 0 && e != unix.ENOENT {
		return refuse(e)
	}
	return answer{kind: isAnswered}
}

// openNameless answers O_TMPFILE; the path is the directory.
func (w *worker) openNameless(c *creds, p *place, flags uint64, mode uint32) answer {
	var dir object
	if w.look(p, true, &dir) != 0 {
		return proceed()
	}
	defer unix.Close(dir.fd)
	if !c.plain() {
		if a := w.permit(c, p, true, mayWrite|mayExec); a.kind == isResult {
			return a
		}
	}
	b := birth{dir.fd, dir.kind, Owner{c.fsuid, c.fsgid}, c}
	if dir.attr.Mode&unix.S_ISGID != 0 {
		b.owner.GID = dir.attr.GID
	}
	if b.owner == (Owner{}) || !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	w.mask(c)
	fd, err := unix.Openat(dir.fd, ".", int(flags|unix.O_CLOEXEC), mode)
	if err != nil {
		return refuse(errno(err))
	}
	return w.handOver(fd, flags, mode, &b)
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
