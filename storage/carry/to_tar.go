package carry

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// ToTar writes the files of a source as a tar, under the name base instead of their own; "" or "." writes
// what is in a directory as "./…".
func ToTar(w io.Writer, from Source, base string) error {
	out := tar.NewWriter(w)
	if base == "" {
		base = "."
	}
	err := from.Each(func(i *Item) error {
		if err := writeItem(out, i, base); err != nil {
			return fmt.Errorf("writing %q: %w", path.Join(base, i.Rel), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func writeItem(out *tar.Writer, i *Item, base string) error {
	name := func(rel string) string {
		if base == "." && rel != "" {
			return "./" + rel
		}
		return path.Join(base, rel)
	}
	hdr := &tar.Header{
		Name: name(i.Rel), Mode: int64(i.Attr.Mode & 0o7777), Uid: int(i.Attr.UID), Gid: int(i.Attr.GID),
		ModTime: time.Unix(i.Time.Sec, 0),
	}
	switch i.kind() {
	case unix.S_IFDIR:
		hdr.Typeflag = tar.TypeDir
		hdr.Name += "/"
	case unix.S_IFREG:
		hdr.Typeflag, hdr.Size = tar.TypeReg, i.Size
	case unix.S_IFLNK:
		hdr.Typeflag, hdr.Linkname, hdr.Mode = tar.TypeSymlink, i.Link, 0o777
	case unix.S_IFIFO:
		hdr.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr.Typeflag = tar.TypeBlock
		if i.kind() == unix.S_IFCHR {
			hdr.Typeflag = tar.TypeChar
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(i.Attr.Rdev)), int64(unix.Minor(i.Attr.Rdev))
	}
	if i.Same != "" {
		hdr.Typeflag, hdr.Linkname, hdr.Size, hdr.Devmajor, hdr.Devminor = tar.TypeLink, name(i.Same), 0, 0, 0
	}
	for _, x := range i.Xattrs {
		if hdr.PAXRecords == nil {
			hdr.PAXRecords = map[string]string{}
		}
		hdr.PAXRecords[paxXattr+x.Name] = string(x.Value)
	}
	if err := out.WriteHeader(hdr); err != nil || hdr.Size == 0 {
		return err
	}
	// A file that grows meanwhile must not spoil the tar; one that shrinks is an error.
	n, err := io.Copy(out, io.LimitReader(i.File, hdr.Size))
	if err == nil && n != hdr.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
