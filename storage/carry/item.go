// Package carry takes files from one place to another: from a directory, a container's or the host's, or
// from a tar, to a directory or to a tar.
//
// A source tells of its files one by one, as items, parents before children; what takes them makes of each
// what it can. Everything is reached through descriptors, so that neither the tree that is read nor the one
// that is written to can lead out of itself, whoever changes it meanwhile. Which place is meant by a path,
// and what a file is called there, is decided by whoever calls.
package carry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// Item is one file on its way. It is valid until the function it is given to returns.
type Item struct {
	Rel  string         // clean path below what is carried; "" is that itself
	Attr ownership.Attr // as the source says: type, permissions, owner, device
	Size int64          // of a regular file, in bytes
	Time unix.Timespec  // of the last modification
	Link string         // where a symlink leads
	// Same, when not empty, is the Rel of an item before: this is one more name of that file.
	Same   string
	Xattrs []Xattr
	// File holds the content of a regular file of a directory, Body that of one of a tar.
	File *os.File
	Body io.Reader
	dir  inode // of a directory of a tree
}

// Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

func (i *Item) kind() uint32 { return i.Attr.Mode & unix.S_IFMT }

// Source tells of files until there are no more, or take fails.
type Source interface {
	Each(take func(*Item) error) error
}

// ErrRefused is wrapped by errors about entries no honest tar has.
var ErrRefused = errors.New("refused")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

const maxPath = 4095

// inside gives the clean path a tar's name means, "" for the place it is unpacked to.
func inside(name string) (string, error) {
	if len(name) > maxPath {
		return "", refused("the path is longer than %d bytes", maxPath)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", refused("the path contains a NUL byte")
	}
	rel := path.Clean(strings.TrimLeft(name, "/"))
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", refused("the path leads out of the place it is copied to")
	}
	if rel == "." {
		return "", nil
	}
	return rel, nil
}

const capabilityXattr = "security.capability"

// travels reports whether an extended attribute is part of a file wherever it lies.
func travels(name string) bool {
	return name == capabilityXattr || strings.HasPrefix(name, "user.") && !ownership.IsInternalXattr(name)
}

// block is tar's unit, in which sizes of what was carried are counted.
const block = 512

func padded(n int64) int64 { return (n + block - 1) / block * block }
