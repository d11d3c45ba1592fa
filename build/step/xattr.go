package step

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// keepsXattr tells whether an extended attribute belongs to a file's content, as far as an image is
// concerned. Those of overlayfs and of dhow do not, nor labels of the host's security module.
func keepsXattr(name string) bool {
	return !ownership.IsInternalXattr(name) && !strings.HasPrefix(name, "trusted.overlay.") &&
		name != "security.selinux" && name != "security.ima" && name != "security.evm"
}

// copyXattrs copies the extended attributes of one open file to another. Like BuildKit it leaves out
// what the filesystem or the namespace does not allow.
func copyXattrs(from, to int) error {
	return copyXattrsBy(
		func(b []byte) (int, error) { return unix.Flistxattr(from, b) },
		func(name string, b []byte) (int, error) { return unix.Fgetxattr(from, name, b) },
		func(name string, value []byte) error { return unix.Fsetxattr(to, name, value, 0) })
}

// copyLinkXattrs does the same for symlinks and device files, named by path.
func copyLinkXattrs(from, to string) error {
	return copyXattrsBy(
		func(b []byte) (int, error) { return unix.Llistxattr(from, b) },
		func(name string, b []byte) (int, error) { return unix.Lgetxattr(from, name, b) },
		func(name string, value []byte) error { return unix.Lsetxattr(to, name, value, 0) })
}

func copyXattrsBy(list func([]byte) (int, error), get func(string, []byte) (int, error), set func(string, []byte) error) error {
	var stack [512]byte
	names, err := grow(stack[:], list)
	if err != nil || len(names) == 0 {
		if err == nil || refused(err) {
			return nil
		}
		return fmt.Errorf("listing extended attributes: %w", err)
	}
	for _, n := range bytes.Split(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		name := string(n)
		if name == "" || !keepsXattr(name) {
			continue
		}
		value, err := grow(make([]byte, 256), func(b []byte) (int, error) { return get(name, b) })
		if err == nil {
			err = set(name, value)
		}
		if err != nil && !refused(err) && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("copying extended attribute %s: %w", name, err)
		}
	}
	return nil
}

// grow calls read with buffers of growing size until the result fits. Values are at most 64 KiB
// (xattr(7)).
func grow(buf []byte, read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(buf)
		if err == nil {
			return buf[:n], nil
		}
		if !errors.Is(err, unix.ERANGE) || len(buf) >= 1<<20 {
			return nil, err
		}
		buf = make([]byte, 4*len(buf))
	}
}

func refused(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EACCES) ||
		errors.Is(err, unix.EINVAL)
}
