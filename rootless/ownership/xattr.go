package ownership

import (
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of the xattrat calls (Linux 6.13, xattrat(2)); the same on every architecture.
const (
	sysSetxattrat    = 463
	sysGetxattrat    = 464
	sysListxattrat   = 465
	sysRemovexattrat = 466
)

var xattrNameZ = [...]byte{
	'u', 's', 'e', 'r', '.', 'c', 'o', 'n', 't', 'a', 'i', 'n', 'e', 'r', 's', '.',
	'o', 'v', 'e', 'r', 'r', 'i', 'd', 'e', '_', 's', 't', 'a', 't', 0,
}

// noXattrat is set once the kernel has said that it does not know getxattrat.
var noXattrat atomic.Bool

type xattrArgs struct {
	value uint64
	size  uint32
	flags uint32
}

// readRecord reads the record of dirfd/name without following a symlink; ok is false when there is
// none or it is malformed. An empty name means dirfd itself.
func readRecord(dirfd int, name string) (a Attr, ok bool, err error) {
	var buf [maxRecord + 1]byte
	n, err := getRecord(dirfd, name, buf[:])
	switch err {
	case nil:
	case unix.ENODATA, unix.EOPNOTSUPP, unix.ERANGE:
		return Attr{}, false, nil
	default:
		return Attr{}, false, err
	}
	a, ok = parseRecord(buf[:n])
	return a, ok, nil
}

func getRecord(dirfd int, name string, buf []byte) (int, error) {
	if name != "" && !noXattrat.Load() {
		p, err := unix.BytePtrFromString(name)
		if err != nil {
			return 0, err
		}
		args := xattrArgs{value: uint64(uintptr(unsafe.Pointer(&buf[0]))), size: uint32(len(buf))}
		n, _, e := unix.Syscall6(sysGetxattrat, uintptr(dirfd), uintptr(unsafe.Pointer(p)), unix.AT_SYMLINK_NOFOLLOW,
			uintptr(unsafe.Pointer(&xattrNameZ[0])), uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
		switch e {
		case 0:
			return int(n), nil
		case unix.ENOSYS, unix.EPERM: // EPERM: an outer container's filter that is older than the call
			noXattrat.Store(true)
		default:
			return 0, e
		}
	}
	if name == "" {
		return unix.Getxattr(fdPath(dirfd, ""), XattrName, buf)
	}
	return unix.Lgetxattr(fdPath(dirfd, name), XattrName, buf)
}

func writeRecord(dirfd int, name string, a Attr) error {
	if name == "" {
		return unix.Setxattr(fdPath(dirfd, ""), XattrName, a.Record(), 0)
	}
	return unix.Lsetxattr(fdPath(dirfd, name), XattrName, a.Record(), 0)
}

func dropRecord(dirfd int, name string) error {
	var err error
	if name == "" {
		err = unix.Removexattr(fdPath(dirfd, ""), XattrName)
	} else {
		err = unix.Lremovexattr(fdPath(dirfd, name), XattrName)
	}
	if err == unix.ENODATA || err == unix.EOPNOTSUPP {
		return nil
	}
	return err
}

// fdPath names dirfd/name through /proc: the link at fd is followed by the kernel itself, so the
// calls that have no at-form can not be led elsewhere.
func fdPath(dirfd int, name string) string {
	b := make([]byte, 0, 24+len(name))
	if dirfd == unix.AT_FDCWD {
		if name == "" {
			return "."
		}
		return name
	}
	b = append(b, "/proc/self/fd/"...)
	b = strconv.AppendInt(b, int64(dirfd), 10)
	if name != "" {
		b = append(b, '/')
		b = append(b, name...)
	}
	return string(b)
}
