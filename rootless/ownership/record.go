package ownership

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// XattrName is the xattr that holds the record of a file or directory.
const XattrName = "user.containers.override_stat"

// overlayPrefix is the namespace of overlayfs mounted with userxattr.
const overlayPrefix = "user.overlay."

// IsInternalXattr reports whether an xattr belongs to dhow or to overlayfs: it is refused in
// incoming archives, left out of outgoing ones and of copies.
func IsInternalXattr(name string) bool {
	return name == XattrName || (len(name) >= len(overlayPrefix) && name[:len(overlayPrefix)] == overlayPrefix)
}

// maxRecord bounds a record: two ids, a mode, "block-MAJOR-MINOR".
const maxRecord = 96

// Record gives the xattr's value: "uid:gid:mode:type", decimal ids, octal permission bits, type one
// of file, dir, symlink, pipe, socket, block-MAJOR-MINOR, char-MAJOR-MINOR, as podman writes it
// (go.podman.io/storage/pkg/idtools, FormatContainersOverrideXattrDevice).
func (a Attr) Record() []byte { return a.appendRecord(make([]byte, 0, maxRecord)) }

func (a Attr) appendRecord(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(a.UID), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(a.GID), 10)
	b = append(b, ':')
	perm := a.Mode & permMask
	for width := uint32(0o1000); width > perm && width > 1; width >>= 3 {
		b = append(b, '0')
	}
	b = strconv.AppendUint(b, uint64(perm), 8)
	b = append(b, ':')
	dev := ""
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		b = append(b, "dir"...)
	case unix.S_IFLNK:
		b = append(b, "symlink"...)
	case unix.S_IFIFO:
		b = append(b, "pipe"...)
	case unix.S_IFSOCK:
		b = append(b, "socket"...)
	case unix.S_IFBLK:
		dev = "block-"
	case unix.S_IFCHR:
		dev = "char-"
	default:
		b = append(b, "file"...)
	}
	if dev != "" {
		b = append(b, dev...)
		b = strconv.AppendUint(b, uint64(unix.Major(a.Rdev)), 10)
		b = append(b, '-')
		b = strconv.AppendUint(b, uint64(unix.Minor(a.Rdev)), 10)
	}
	return b
}

// ParseRecord reads a record. The type may be missing ("uid:gid:mode", fuse-overlayfs's short
// form); Mode then holds permission bits only.
func ParseRecord(b []byte) (Attr, error) {
	if a, ok := parseRecord(b); ok {
		return a, nil
	}
	if len(b) > maxRecord {
		b = b[:maxRecord]
	}
	return Attr{}, fmt.Errorf("xattr %s: malformed record %q", XattrName, b)
}

// parseRecord allocates nothing: it stands in the supervisor's answer to every stat.
func parseRecord(b []byte) (a Attr, ok bool) {
	if len(b) > maxRecord {
		return a, false
	}
	field := func(base uint64) (uint64, bool) {
		var n uint64
		i := 0
		for ; i < len(b) && b[i] != ':'; i++ {
			d := uint64(b[i] - '0')
			if d >= base || i > 11 {
				return 0, false
			}
			n = n*base + d
		}
		if i == 0 {
			return 0, false
		}
		if i < len(b) {
			b = b[i+1:]
		} else {
			b = nil
		}
		return n, true
	}
	uid, ok1 := field(10)
	gid, ok2 := field(10)
	mode, ok3 := field(8)
	// 4294967295 is "no id" to the kernel and can not own a file.
	if !ok1 || !ok2 || !ok3 || uid >= 1<<32-1 || gid >= 1<<32-1 || mode > permMask {
		return a, false
	}
	a = Attr{UID: uint32(uid), GID: uint32(gid), Mode: uint32(mode)}
	rest := string(b) // does not escape: compared only
	switch {
	case rest == "":
	case rest == "file":
		a.Mode |= unix.S_IFREG
	case rest == "dir":
		a.Mode |= unix.S_IFDIR
	case rest == "symlink":
		a.Mode |= unix.S_IFLNK
	case rest == "pipe":
		a.Mode |= unix.S_IFIFO
	case rest == "socket":
		a.Mode |= unix.S_IFSOCK
	case len(b) > 6 && string(b[:6]) == "block-":
		a.Mode |= unix.S_IFBLK
		a.Rdev, ok = parseDevice(b[6:])
		return a, ok
	case len(b) > 5 && string(b[:5]) == "char-":
		a.Mode |= unix.S_IFCHR
		a.Rdev, ok = parseDevice(b[5:])
		return a, ok
	default:
		return Attr{}, false
	}
	return a, true
}

// parseDevice reads "MAJOR-MINOR" within the kernel's 12 and 20 bits.
func parseDevice(b []byte) (uint64, bool) {
	var n [2]uint64
	k, digits := 0, 0
	for _, c := range b {
		if c == '-' && k == 0 && digits > 0 {
			k, digits = 1, 0
			continue
		}
		d := uint64(c - '0')
		if d > 9 || digits > 8 {
			return 0, false
		}
		n[k] = n[k]*10 + d
		digits++
	}
	if k != 1 || digits == 0 || n[0] >= 1<<12 || n[1] >= 1<<20 {
		return 0, false
	}
	return unix.Mkdev(uint32(n[0]), uint32(n[1])), true
}

// apply gives the image's view of a file with st_mode mode and the record r: owner from the record;
// type and device from it only where it stands for a device that could not be made. The permission
// bits are those on disk.
func (r Attr) apply(mode uint32, rdev uint64) Attr {
	if r.IsDevice() && mode&unix.S_IFMT == unix.S_IFREG {
		return Attr{UID: r.UID, GID: r.GID, Mode: r.Mode&unix.S_IFMT | mode&permMask, Rdev: r.Rdev}
	}
	return Attr{UID: r.UID, GID: r.GID, Mode: mode, Rdev: rdev}
}
