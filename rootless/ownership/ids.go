package ownership

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// become gives the calling process new credentials.
func (w *worker) become(c *creds, next creds, e unix.Errno) answer {
	if e != 0 {
		return refuse(e)
	}
	if next == *c {
		return result(0)
	}
	if !valid(w.l.fd, w.n.id) {
		return proceed()
	}
	return refuse(w.s.creds.give(w.n.pid, next))
}

// change applies one of the set calls.
func (w *worker) change(f func(creds) (creds, unix.Errno)) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	next, e := f(*c)
	return w.become(c, next, e)
}

// id answers the calls that give one id.
func (w *worker) id(f func(*creds) uint32) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	return result(int64(f(c)))
}

// threeIDs answers getresuid(2) and getresgid(2).
func (w *worker) threeIDs(at *[6]uint64, f func(*creds) [3]uint32) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	for i, id := range f(c) {
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], id)
		if e := w.write(at[i], b[:]); e != 0 {
			return refuse(e)
		}
	}
	return result(0)
}

// setfs answers setfsuid(2) and setfsgid(2), which give the id before and no error.
func (w *worker) setfs(f func(creds) creds, before func(*creds) uint32) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	if next := f(*c); next != *c && valid(w.l.fd, w.n.id) {
		w.s.creds.give(w.n.pid, next)
	}
	return result(int64(before(c)))
}

const maxGroups = 65536 // NGROUPS_MAX

func (w *worker) getgroups(size int32, list uint64) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	n := len(c.groups) / 4
	switch {
	case size < 0 || size > 0 && int(size) < n:
		return refuse(unix.EINVAL)
	case size > 0:
		if e := w.write(list, []byte(c.groups)); e != 0 {
			return refuse(e)
		}
	}
	return result(int64(n))
}

func (w *worker) setgroups(size int32, list uint64) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	switch {
	case !c.can(capSetgid):
		return refuse(unix.EPERM)
	case size < 0 || size > maxGroups:
		return refuse(unix.EINVAL)
	}
	b := make([]byte, 4*int(size))
	for at := 0; at < len(b); at += pageSize {
		// Pieces, because a piece is read as a whole or not at all.
		end := min(at+pageSize, len(b))
		if e := w.readAll(list+uint64(at), b[at:end]); e != 0 {
			return refuse(e)
		}
	}
	next := *c
	next.groups = string(b)
	return w.become(c, next, 0)
}

// setUmask follows umask(2); the kernel sets it.
func (w *worker) setUmask(mask uint32) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	next := *c
	next.umask = uint16(mask & 0o777)
	if next != *c && valid(w.l.fd, w.n.id) {
		w.s.creds.give(w.n.pid, next)
	}
	return proceed()
}

// prctl follows PR_SET_KEEPCAPS and PR_CAPBSET_DROP.
func (w *worker) prctl(option, arg uint64) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 || c.onExec != nil {
		return proceed() // the runtime's own: see payload
	}
	next := *c
	switch {
	case option == unix.PR_SET_KEEPCAPS:
		next.keepCaps = arg != 0
	case option == unix.PR_CAPBSET_DROP && arg < 64 && !c.can(1<<unix.CAP_SETPCAP):
		return refuse(unix.EPERM)
	case option == unix.PR_CAPBSET_DROP && arg < 64:
		next.bounding &^= 1 << arg
	}
	if next != *c && valid(w.l.fd, w.n.id) {
		w.s.creds.give(w.n.pid, next)
	}
	return proceed()
}

// moveRoot follows the calls after which a process may have another root directory.
func (w *worker) moveRoot(capability uint64) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return proceed()
	}
	if !c.can(capability) {
		return refuse(unix.EPERM)
	}
	next := *c
	next.odd = true
	if next != *c && valid(w.l.fd, w.n.id) {
		w.s.creds.give(w.n.pid, next)
	}
	return proceed()
}

// capability headers and data of capset(2), version 3.
type capHeader struct {
	version uint32
	pid     int32
}

type capData [2]struct{ effective, permitted, inheritable uint32 }

const capVersion3 = 0x20080522

func (d *capData) sets() (effective, permitted uint64) {
	return uint64(d[0].effective) | uint64(d[1].effective)<<32, uint64(d[0].permitted) | uint64(d[1].permitted)<<32
}

// readHeader reads the header; it gives false for another process or an old version, which the kernel
// answers.
func (w *worker) readHeader(at uint64) bool {
	var h capHeader
	if w.readAll(at, unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h))) != 0 {
		return false
	}
	if h.version != capVersion3 {
		return false
	}
	if h.pid == 0 {
		return true
	}
	self, ok := innerPid(int32(w.n.pid)) // libcap-ng names itself
	return ok && self == h.pid
}

// realCaps asks the kernel for the capabilities of the calling thread.
func (w *worker) realCaps() (capData, bool) {
	h := capHeader{capVersion3, int32(w.n.pid)}
	var d capData
	_, _, e := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&d)), 0)
	return d, e == 0
}

func (w *worker) capget(header, data uint64) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 || data == 0 || !w.s.creds.impure.Load() || !w.readHeader(header) {
		return proceed()
	}
	d, ok := w.realCaps()
	if !ok {
		return proceed()
	}
	for i := range d {
		d[i].effective &= uint32(c.effective >> (32 * i))
		d[i].permitted &= uint32(c.permitted >> (32 * i))
	}
	return refuse(w.write(data, unsafe.Slice((*byte)(unsafe.Pointer(&d)), unsafe.Sizeof(d))))
}

// capset lets the kernel set what it is asked for, as far as the emulated sets allow it.
func (w *worker) capset(header, data uint64) answer {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 || c.onExec != nil || !w.readHeader(header) {
		return proceed()
	}
	var d capData
	if w.readAll(data, unsafe.Slice((*byte)(unsafe.Pointer(&d)), unsafe.Sizeof(d))) != 0 {
		return proceed()
	}
	real, ok := w.realCaps()
	if !ok {
		return proceed()
	}
	effective, permitted := d.sets()
	_, realPermitted := real.sets()
	if permitted&^(c.permitted&realPermitted) != 0 || effective&^permitted != 0 {
		return refuse(unix.EPERM)
	}
	next := *c
	next.permitted, next.effective = permitted, effective
	if next != *c && valid(w.l.fd, w.n.id) {
		if e := w.s.creds.give(w.n.pid, next); e != 0 {
			return refuse(e)
		}
	}
	return proceed()
}

// Limits: RLIMIT_LOCKS carries the credentials (see credLimit) and looks unlimited.

func (w *worker) getLimit(out uint64) answer {
	lim := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if out == 0 {
		return result(0)
	}
	return refuse(w.write(out, unsafe.Slice((*byte)(unsafe.Pointer(&lim)), unsafe.Sizeof(lim))))
}

// execAt answers execve(2) and execveat(2): setuid and setgid files, and the first program of the
// container, change credentials.
func (w *worker) execAt(dirfd int32, path, flags uint64) answer {
	if w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	c, e := w.creds()
	if e != 0 {
		return proceed()
	}
	follow := flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole()
	before := *c
	if c.onExec != nil {
		before = w.payload(c)
	}
	if w.statx(&w.p, follow, unix.STATX_TYPE|unix.STATX_MODE, &w.stx) != 0 || w.stx.Mode&unix.S_IFMT != unix.S_IFREG {
		return proceed()
	}
	setuid, setgid := noID, noID
	if !before.plain() || w.stx.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		var o object
		if w.look(&w.p, follow, &o) != 0 {
			return proceed()
		}
		defer unix.Close(o.fd)
		if e := w.reach(&before, &w.p, follow); e != 0 {
			return refuse(e)
		}
		if o.attr.IsDevice() || !before.allowed(o.attr, mayExec) {
			return refuse(unix.EACCES)
		}
		if w.elevates(&o) {
			if o.attr.Mode&unix.S_ISUID != 0 {
				setuid = o.attr.UID
			}
			if o.attr.Mode&(unix.S_ISGID|0o010) == unix.S_ISGID|0o010 {
				setgid = o.attr.GID
			}
		}
	}
	next := before.exec(setuid, setgid)
	if c.onExec != nil && c == w.s.creds.at(0) {
		w.s.creds.rebase(next)
		return proceed()
	}
	if next != *c && valid(w.l.fd, w.n.id) {
		if e := w.s.creds.give(w.n.pid, next); e != 0 {
			return refuse(e)
		}
	}
	return proceed()
}

// payload gives the credentials a process of the runtime passes on to the payload. It has dropped
// what the payload may not have only after its first notification.
func (w *worker) payload(c *creds) creds {
	p := *c.onExec
	p.umask, p.odd = c.umask, c.odd
	if bounding, _, err := readStatus(strconv.Itoa(int(w.n.pid)) + "/status"); err == nil { // in dhow's /proc
		p.bounding = bounding
	}
	return p.exec(noID, noID)
}

// elevates tells whether setuid bits of a file count: not on a nosuid mount and not under
// no_new_privs.
func (w *worker) elevates(o *object) bool {
	if o.attr.Mode&(unix.S_ISUID|unix.S_ISGID) == 0 {
		return false
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(o.fd, &fs); err != nil || fs.Flags&unix.ST_NOSUID != 0 {
		return false
	}
	b, err := os.ReadFile(strconv.Itoa(int(w.n.pid)) + "/status") // in dhow's /proc
	return err == nil && !bytes.Contains(b, []byte("\nNoNewPrivs:\t1\n"))
}
