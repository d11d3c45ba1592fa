package ownership

import (
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// object is a file a worker looks at more closely.
type object struct {
	fd   int // O_PATH, or open
	stx  unix.Statx_t
	kind mountKind // never unknown or foreign
	attr Attr      // the image's view
}

// notOurs says that a file lies outside of what the caller's mount namespace shows. The worker has
// more rights than the caller and could be led there through /proc; it answers with proceed, and the
// kernel decides.
const notOurs = unix.Errno(4095)

const objectMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID

// creds gives the credentials of the calling process, and puts the thread into its root directory.
func (w *worker) creds() (*creds, unix.Errno) {
	c, e := w.s.creds.of(w.n.pid)
	if e != 0 {
		return nil, e
	}
	return c, w.stand(c)
}

// look opens a place. The caller closes the object's descriptor.
func (w *worker) look(p *place, follow bool, o *object) unix.Errno {
	fd, e := w.open(p, follow)
	if e != 0 {
		return e
	}
	o.fd = fd
	e = w.examine(o, p.whole())
	if e != 0 {
		unix.Close(fd)
	}
	return e
}

// examine fills an object whose descriptor is open. held: the caller holds it open, too, so that it
// may lie anywhere.
func (w *worker) examine(o *object, held bool) unix.Errno {
	var none [1]byte
	_, _, e := unix.Syscall6(unix.SYS_STATX, uintptr(o.fd), uintptr(unsafe.Pointer(&none[0])), unix.AT_EMPTY_PATH, objectMask, uintptr(unsafe.Pointer(&o.stx)), 0)
	if e != 0 {
		return e
	}
	o.attr = Attr{UID: o.stx.Uid, GID: o.stx.Gid, Mode: uint32(o.stx.Mode)}
	if isDevice(o.attr.Mode) {
		o.attr.Rdev = unix.Mkdev(o.stx.Rdev_major, o.stx.Rdev_minor)
	}
	f := &w.s.files
	o.kind = f.kind(o.stx.Mnt_id, w.n.pid)
	if o.kind == mountForeign {
		t := o.attr.Mode & unix.S_IFMT
		if !held && (t == unix.S_IFREG || t == unix.S_IFDIR || t == unix.S_IFLNK) {
			return notOurs
		}
		o.kind = mountLoose // pipes, sockets, memfds
	}
	if o.kind == mountRecorded && carriesXattr(o.attr.Mode) {
		spellFD(&w.self, o.fd)
		if n, e := w.getRecord(&w.self, true); e == 0 {
			if r, ok := parseRecord(w.small[:n]); ok {
				o.attr = r.apply(o.attr.Mode, o.attr.Rdev)
				return 0
			}
		}
	}
	if !f.aside.Load() {
		return 0
	}
	o.attr.UID, o.attr.GID = f.shown(o)
	if owner, ok := w.ownerAside(o); ok {
		o.attr.UID, o.attr.GID = owner.UID, owner.GID
	}
	return 0
}

// shown is the owner of a file that nobody has changed: the kernel's, or on the host's own files the
// caller's ids as they are to be seen.
func (f *files) shown(o *object) (uid, gid uint32) {
	uid, gid = o.stx.Uid, o.stx.Gid
	if o.kind == mountCallers {
		if uid == 0 {
			uid = f.caller.UID
		}
		if gid == 0 {
			gid = f.caller.GID
		}
	}
	return uid, gid
}

// ownerAside finds the owner of what has no record of its own.
func (w *worker) ownerAside(o *object) (Owner, bool) {
	f := &w.s.files
	if o.stx.Mnt_id == f.root.mount && linkLike(o.attr.Mode) && f.upper >= 0 {
		p, ok := w.pathInside(o.fd)
		if !ok {
			return Owner{}, false
		}
		key, inUpper := f.upperKey(p)
		f.mu.Lock()
		defer f.mu.Unlock()
		if inUpper {
			if owner, ok := f.table.entries[key]; ok {
				return owner, true
			}
		}
		if _, ok := f.linked[p]; ok {
			return f.lowerOwner(p), true
		}
		return Owner{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	owner, ok := f.loose[o.looseKey()]
	return owner, ok
}

func (o *object) looseKey() looseKey {
	return looseKey{unix.Mkdev(o.stx.Dev_major, o.stx.Dev_minor), birthOf(&o.stx)}
}

// setOwner makes a.UID and a.GID the owner of an object, and a the whole record when that is a fake
// device.
func (w *worker) setOwner(o *object, a Attr) unix.Errno {
	f := &w.s.files
	if o.stx.Mode&unix.S_IFMT == unix.S_IFDIR {
		f.age.Add(1)
	}
	onRoot := o.stx.Mnt_id == f.root.mount
	switch {
	case linkLike(uint32(o.stx.Mode)) && onRoot && f.upper >= 0:
		if p, ok := w.pathInside(o.fd); ok {
			if key, ok := f.upperKey(p); ok {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.aside.Store(true)
				if err := f.table.put(key, Owner{a.UID, a.GID}); err != nil {
					return errno(err)
				}
				return 0
			}
		}
	case carriesXattr(uint32(o.stx.Mode)) && o.kind == mountRecorded:
		spellFD(&w.self, o.fd)
		var e unix.Errno
		if a.UID == o.stx.Uid && a.GID == o.stx.Gid && !a.IsDevice() {
			_, _, e = unix.Syscall(unix.SYS_REMOVEXATTR, w.self.z(), uintptr(unsafe.Pointer(&xattrNameZ[0])), 0)
			if e == unix.ENODATA {
				e = 0
			}
		} else {
			record := a.appendRecord(w.small[:0])
			_, _, e = unix.Syscall6(unix.SYS_SETXATTR, w.self.z(), uintptr(unsafe.Pointer(&xattrNameZ[0])),
				uintptr(unsafe.Pointer(&record[0])), uintptr(len(record)), 0, 0)
		}
		// Where the container's own tree can not hold a record, losing it would be a lie.
		if e != unix.EOPNOTSUPP || onRoot {
			return e
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := o.looseKey()
	if uid, gid := f.shown(o); a.UID == uid && a.GID == gid {
		delete(f.loose, key)
		return 0
	}
	if len(f.loose) >= maxLoose {
		return unix.ENOSPC
	}
	f.aside.Store(true)
	f.loose[key] = Owner{a.UID, a.GID}
	return 0
}

// differs tells whether the image's view of a place may not be the kernel's: one system call when
// there is nothing but xattrs.
func (w *worker) differs(p *place, follow bool) bool {
	n, e := w.getRecord(p, follow)
	switch e {
	case 0:
		return n > 0
	case unix.ENODATA, unix.EOPNOTSUPP:
	default:
		return false // the kernel will say the same
	}
	return w.mayBeAside(p, follow)
}

// mayBeAside tells whether a place without a record may have an owner aside.
func (w *worker) mayBeAside(p *place, follow bool) bool {
	f := &w.s.files
	if !f.aside.Load() {
		return false
	}
	if w.statx(p, follow, unix.STATX_TYPE|unix.STATX_MNT_ID, &w.stx) != 0 {
		return false
	}
	return w.stx.Mnt_id != f.root.mount || linkLike(uint32(w.stx.Mode))
}

// pathInside gives the path of an open file relative to the container's root; ok is false when it
// has none there.
func (w *worker) pathInside(fd int) (path string, ok bool) {
	if w.strange >= 0 {
		if w.chroot(w.l.root) != nil {
			return "", false
		}
		defer func() {
			if w.chroot(w.strange) != nil {
				ok = false
			}
		}()
	}
	p, ok := w.pathOf(ownFD(fd))
	return strings.TrimPrefix(p, "/"), ok
}

// pathOf reads a link of /proc to an open file, as an absolute path below the thread's root.
func (w *worker) pathOf(link string) (string, bool) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink(link, buf[:])
	if err != nil || n == 0 || n == len(buf) || buf[0] != '/' {
		return "", false // "(unreachable)/…", "pipe:[1]"
	}
	return string(buf[:n]), true
}

// ownFD names a descriptor of the supervisor's own in /proc, a worker's working directory.
func ownFD(fd int) string { return "self/fd/" + strconv.Itoa(fd) }

// spellFD spells a descriptor of the supervisor's own.
func spellFD(p *place, fd int) {
	p.start, p.text = 0, 0
	b := append(p.buf[:0], "self/fd/"...)
	b = strconv.AppendInt(b, int64(fd), 10)
	p.end = len(b)
	p.buf[p.end] = 0
}
