package tree

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// Xattrs lists the names of an entry's extended attributes; none where there can be none.
func (e *Entry) Xattrs() ([]string, error) {
	p := e.ProcPath()
	return e.xattrs(func(b []byte) (int, error) { return unix.Llistxattr(p, b) })
}

// XattrsOpen is Xattrs when the entry is open as fd, which spares the way to it.
func (e *Entry) XattrsOpen(fd int) ([]string, error) {
	return e.xattrs(func(b []byte) (int, error) { return unix.Flistxattr(fd, b) })
}

func (e *Entry) xattrs(read func([]byte) (int, error)) ([]string, error) {
	var buf [512]byte
	list := buf[:]
	n, err := read(list)
	for err == unix.ERANGE {
		if n, err = read(nil); err != nil {
			break
		}
		list = make([]byte, n+256)
		n, err = read(list)
	}
	if err == unix.ENOTSUP || err == unix.ENODATA {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing xattrs of %q: %w", e.Rel, err)
	}
	var names []string
	for name := range bytes.SplitSeq(list[:n], []byte{0}) {
		if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names, nil
}

// Xattr reads one extended attribute; false when it is not there.
func (e *Entry) Xattr(name string) ([]byte, bool, error) {
	p := e.ProcPath()
	var buf [256]byte
	value := buf[:]
	n, err := unix.Lgetxattr(p, name, value)
	for err == unix.ERANGE {
		if n, err = unix.Lgetxattr(p, name, nil); err != nil {
			break
		}
		value = make([]byte, n+64)
		n, err = unix.Lgetxattr(p, name, value)
	}
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading xattr %s of %q: %w", name, e.Rel, err)
	}
	return bytes.Clone(value[:n]), true, nil
}

// DropXattr removes one extended attribute; it is no error when it is not there.
func (e *Entry) DropXattr(name string) error {
	err := unix.Lremovexattr(e.ProcPath(), name)
	if err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
		return fmt.Errorf("removing xattr %s of %q: %w", name, e.Rel, err)
	}
	return nil
}
