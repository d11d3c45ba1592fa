package ownership

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// view gives the image's view of a place and fills w.stx with the kernel's, asked for mask. ok is false
// when there is no difference, or no such file: the kernel answers by itself. e says that the caller
// may not reach it.
func (w *worker) view(p *place, follow bool, flags, mask int) (a Attr, ok bool, e unix.Errno) {
	c, e := w.creds()
	if e != 0 {
		return a, false, 0
	}
	if w.s.creds.impure.Load() {
		if owner := w.processOwner(p); owner != nil {
			ok = w.statxFlags(p, follow, flags, mask, &w.stx) == 0
			return Attr{owner.euid, owner.egid, uint32(w.stx.Mode), 0}, ok, 0
		}
	}
	if !c.plain() {
		if e := w.reach(c, p, follow); e != 0 {
			return a, false, e
		}
	}
	n, e := w.getRecord(p, follow)
	switch e {
	case 0:
		r, ok := parseRecord(w.small[:n])
		if !ok || w.statxFlags(p, follow, flags, mask|unix.STATX_MODE|unix.STATX_MNT_ID, &w.stx) != 0 {
			return a, false, 0
		}
		if w.s.files.kind(w.stx.Mnt_id, w.n.pid) == mountRecorded {
			return r.apply(uint32(w.stx.Mode), unix.Mkdev(w.stx.Rdev_major, w.stx.Rdev_minor)), true, 0
		}
	case unix.ENODATA, unix.EOPNOTSUPP:
	default:
		return a, false, 0
	}
	var o object
	if !w.mayBeAside(p, follow) || w.look(p, follow, &o) != 0 {
		return a, false, 0
	}
	unix.Close(o.fd)
	return o.attr, w.statxFlags(p, follow, flags, mask, &w.stx) == 0, 0
}

// stat answers stat(2) of a place; the structure at out is struct stat of the kernel.
func (w *worker) stat(p *place, follow bool, out uint64) answer {
	a, ok, e := w.view(p, follow, 0, unix.STATX_BASIC_STATS)
	if e != 0 {
		return refuse(e)
	}
	if !ok {
		return proceed()
	}
	st := statOf(&w.stx)
	st.Uid, st.Gid, st.Mode = a.UID, a.GID, a.Mode
	if a.IsDevice() {
		st.Rdev = a.Rdev
	}
	return refuse(w.write(out, unsafe.Slice((*byte)(unsafe.Pointer(&st)), unsafe.Sizeof(st))))
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

// statxSync is AT_STATX_SYNC_TYPE.
const statxSync = unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC

// statxAt answers statx(2).
func (w *worker) statxAt(dirfd int32, path, flags, mask, out uint64) answer {
	if w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	if flags&^(statxSync|unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT) != 0 {
		return proceed() // EINVAL
	}
	follow := flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole()
	a, ok, e := w.view(&w.p, follow, int(flags)&statxSync, int(mask))
	if e != 0 {
		return refuse(e)
	}
	if !ok {
		return proceed()
	}
	stx := &w.stx
	stx.Uid, stx.Gid, stx.Mode = a.UID, a.GID, uint16(a.Mode)
	if a.IsDevice() {
		stx.Rdev_major, stx.Rdev_minor = unix.Major(a.Rdev), unix.Minor(a.Rdev)
	}
	return refuse(w.write(out, unsafe.Slice((*byte)(unsafe.Pointer(stx)), unsafe.Sizeof(*stx))))
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

func timespecOf(t unix.StatxTimestamp) unix.Timespec {
	return unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}
}
