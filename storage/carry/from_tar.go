package carry

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/inflate"
)

// Tar is a stream of tar, compressed or not, whoever made it. It is read to its end.
type Tar struct{ R io.Reader }

// maxSparseBytes bounds the logical size of a sparse file, which costs its sender nothing.
const maxSparseBytes = 64 << 30

// Each tells of the tar's entries, in its order.
func (t Tar) Each(take func(*Item) error) error {
	plain, _, err := inflate.Open(t.R)
	if err != nil {
		return fmt.Errorf("reading the tar: %w", err)
	}
	defer plain.Close()
	in := tar.NewReader(plain)
	for {
		hdr, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the tar: %w", err)
		}
		if hdr.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		i, err := itemOf(hdr)
		if err == nil {
			i.Body = in
			err = take(i)
		}
		if err != nil {
			return fmt.Errorf("unpacking %q: %w", printable(hdr.Name), err)
		}
	}
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return fmt.Errorf("reading the tar: %w", err)
	}
	return nil
}

// printable bounds a hostile name in a message; the rest is %q's matter.
func printable(name string) string {
	if len(name) > 200 {
		return name[:200] + "…"
	}
	return name
}

// itemOf checks a header and says what it describes.
func itemOf(hdr *tar.Header) (*Item, error) {
	rel, err := inside(hdr.Name)
	if err != nil {
		return nil, err
	}
	uid, gid := int64(hdr.Uid), int64(hdr.Gid)
	if uid < 0 || gid < 0 || uid >= 1<<32-1 || gid >= 1<<32-1 { // the last is "no change" to chown(2)
		return nil, refused("owner %d:%d is not an id", uid, gid)
	}
	i := &Item{Rel: rel, Size: hdr.Size, Time: timespec(hdr.ModTime)}
	i.Attr = ownership.Attr{UID: uint32(uid), GID: uint32(gid), Mode: uint32(hdr.Mode) & 0o7777}
	switch hdr.Typeflag {
	case tar.TypeDir:
		i.Attr.Mode |= unix.S_IFDIR
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse, '\x00':
		i.Attr.Mode |= unix.S_IFREG
		if sparse(hdr) && hdr.Size > maxSparseBytes {
			return nil, refused("a sparse file of %d bytes", hdr.Size)
		}
	case tar.TypeSymlink:
		i.Attr.Mode |= unix.S_IFLNK
		if i.Link = hdr.Linkname; len(i.Link) > maxPath || i.Link == "" || strings.IndexByte(i.Link, 0) >= 0 {
			return nil, refused("the symlink's target is no path")
		}
	case tar.TypeLink:
		i.Attr.Mode |= unix.S_IFREG
		if i.Same, err = inside(hdr.Linkname); err != nil {
			return nil, fmt.Errorf("hard link to %q: %w", printable(hdr.Linkname), err)
		}
		if i.Same == "" || i.Same == rel {
			return nil, refused("a hard link to %q", printable(hdr.Linkname))
		}
	case tar.TypeFifo:
		i.Attr.Mode |= unix.S_IFIFO
	case tar.TypeChar, tar.TypeBlock:
		i.Attr.Mode |= unix.S_IFBLK
		if hdr.Typeflag == tar.TypeChar {
			i.Attr.Mode = i.Attr.Mode&0o7777 | unix.S_IFCHR
		}
		major, minor := hdr.Devmajor, hdr.Devminor
		if major < 0 || major >= 1<<12 || minor < 0 || minor >= 1<<20 {
			return nil, refused("device %d:%d does not exist", major, minor)
		}
		if hdr.Typeflag == tar.TypeChar && major == 0 && minor == 0 {
			return nil, refused("character device 0:0 would hide files of the image")
		}
		i.Attr.Rdev = unix.Mkdev(uint32(major), uint32(minor))
	default:
		return nil, refused("type %q is not known", hdr.Typeflag)
	}
	if rel == "" && i.kind() != unix.S_IFDIR {
		return nil, refused("the place it is copied to is a directory")
	}
	for key, value := range hdr.PAXRecords {
		if name, ok := strings.CutPrefix(key, paxXattr); ok && travels(name) && i.Same == "" {
			i.Xattrs = append(i.Xattrs, Xattr{name, []byte(value)})
		}
	}
	return i, nil
}

const paxXattr = "SCHILY.xattr."

// sparse tells whether a header is of one of the GNU formats, whose size is not that of what follows.
func sparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// timespec keeps a time within what filesystems can hold.
func timespec(t time.Time) unix.Timespec {
	return unix.Timespec{Sec: min(max(t.Unix(), 0), 1<<34-1), Nsec: int64(t.Nanosecond())}
}
