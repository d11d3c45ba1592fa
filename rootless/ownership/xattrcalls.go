package ownership

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The record's xattr does not exist for the container.

// hidden tells whether the name at addr is the record's.
func (w *worker) hidden(addr uint64) bool {
	n, e := w.readString(addr, w.small[:256])
	return e == 0 && n == len(XattrName) && string(w.small[:n]) == XattrName
}

// setXattr hides the record, and refuses access control lists that name somebody: the kernel can not
// map them and says EINVAL, which programs do not take for "no such lists here".
func (w *worker) setXattr(name, value, size uint64) answer {
	n, e := w.readString(name, w.small[:256])
	if e != 0 {
		return proceed()
	}
	switch string(w.small[:n]) {
	case XattrName:
		return refuse(unix.EPERM)
	case "system.posix_acl_access", "system.posix_acl_default":
		if w.namesSomebody(value, size) {
			return refuse(unix.EOPNOTSUPP)
		}
	}
	return proceed()
}

// namesSomebody reads an access control list: a version, then tag, permissions and id of each entry
// (<linux/posix_acl_xattr.h>).
func (w *worker) namesSomebody(value, size uint64) bool {
	const user, group = 2, 8
	if size > uint64(len(w.small)) {
		return true // only entries with names can be that many
	}
	if size < 4 {
		return false
	}
	b := w.small[:size]
	if w.readAll(value, b) != 0 {
		return false
	}
	for b = b[4:]; len(b) >= 8; b = b[8:] {
		tag, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[4:])
		if (tag == user || tag == group) && id != 0 {
			return true
		}
	}
	return false
}

// withoutXattr refuses calls about the record with e.
func (w *worker) withoutXattr(name uint64, e unix.Errno) answer {
	if w.hidden(name) {
		return refuse(e)
	}
	return proceed()
}

func (w *worker) listXattrAt(dirfd int32, path, flags, out, size uint64) answer {
	if w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	return w.listXattr(flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole(), out, size)
}

func (w *worker) flistXattr(fd int32, out, size uint64) answer {
	if w.descriptor(&w.p, fd) != 0 {
		return proceed()
	}
	return w.listXattr(true, out, size)
}

// listXattr lists w.p without the record.
func (w *worker) listXattr(follow bool, out, size uint64) answer {
	if _, e := w.creds(); e != 0 {
		return proceed()
	}
	if _, e := w.getRecord(&w.p, follow); e != 0 && e != unix.ERANGE {
		return proceed()
	}
	var o object
	if w.look(&w.p, follow, &o) != 0 {
		return proceed()
	}
	defer unix.Close(o.fd)
	list := make([]byte, 65536) // XATTR_LIST_MAX
	n, err := unix.Listxattr(ownFD(o.fd), list)
	if err != nil {
		return refuse(errno(err))
	}
	list = withoutRecord(list[:n])
	switch {
	case size == 0:
	case int(size) < len(list):
		return refuse(unix.ERANGE)
	default:
		if e := w.write(out, list); e != 0 {
			return refuse(e)
		}
	}
	return result(int64(len(list)))
}

// withoutRecord takes the record's name out of a list of NUL-terminated names, in place.
func withoutRecord(list []byte) []byte {
	kept := list[:0]
	for len(list) > 0 {
		end := bytes.IndexByte(list, 0) + 1
		if end == 0 {
			end = len(list)
		}
		if !bytes.Equal(list[:end], xattrNameZ[:]) {
			kept = append(kept, list[:end]...)
		}
		list = list[end:]
	}
	return kept
}
