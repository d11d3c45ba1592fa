package layer

import (
	"archive/tar"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// TarOptions guide WriteTar.
type TarOptions struct {
	// Links are the recorded owners of the tree's symlinks and FIFOs.
	Links ownership.Links
	// Epoch, when not nil, is the latest modification time written (SOURCE_DATE_EPOCH).
	Epoch *time.Time
	// Native tells that owners are on disk (idmap.Mapping.Native), Userns that devices are recorded
	// (idmap.Mapping.Userns).
	Native, Userns bool
	// Shift is that of the container that wrote the tree (ownership.Tree).
	Shift idmap.Shift
	// Userxattr tells that the overlay's xattrs are user.overlay.*, not trusted.overlay.*
	// (working.Userxattr).
	Userxattr bool
	// Split, when not nil, receives the tar-split form of the tar.
	Split *Splitter
	// Whole writes a plain archive of a root filesystem (export): no whiteouts are expected, and the
	// root directory is always described.
	Whole bool
	// Leave are paths that are left out, with what is below them.
	Leave map[string]bool
}

// WriteTar writes the tree at dir as a layer tar, in small pieces: w should be buffered.
//
// Entries come in the byte order of their names, parents first. Headers hold what both docker and
// BuildKit keep: name, type, mode, numeric owner, size, modification time in whole seconds, link
// target, device; neither names of owners nor other times. They are USTAR where that suffices and
// PAX otherwise. Of files with several names the first in that order carries the content. The root
// directory is described only when it is not 0755 and 0:0, whiteouts carry the time 0. Sockets are
// left out (tar has none). Extended attributes: see the package comment; capabilities are written in
// the form that is not bound to a host.
func WriteTar(w io.Writer, dir string, o TarOptions) error {
	out := newComposing(w, o.Split)
	p := &packing{
		o:     o,
		owner: ownership.Tree{Native: o.Native, Userns: o.Userns, Links: o.Links, Shift: o.Shift},
		names: map[inode]string{},
		to:    newConveyor(out.part),
	}
	err := tree.Walk(dir, p.entry)
	if werr := p.to.end(); werr != nil {
		err = werr // it came first
	}
	if err == nil {
		err = out.end()
	}
	if err != nil {
		return fmt.Errorf("writing the layer tar: %w", err)
	}
	return nil
}

type inode struct{ dev, ino uint64 }

// packing reads the tree of one WriteTar.
type packing struct {
	o     TarOptions
	owner ownership.Tree
	to    *conveyor[part]
	names map[inode]string // first names of files with several
}

func (p *packing) entry(e *tree.Entry) error {
	if p.o.Leave[e.Rel] {
		return tree.SkipDir
	}
	if isWhiteout(&e.Stat) && e.Rel != "" {
		return p.whiteout(e)
	}
	a, err := p.owner.Attr(e.DirFD, e.Name, e.Rel, &e.Stat)
	if err != nil {
		return err
	}
	hdr := &tar.Header{
		Name:    e.Rel,
		Mode:    int64(a.Mode & 0o7777),
		Uid:     int(a.UID),
		Gid:     int(a.GID),
		ModTime: p.time(e.Stat.Mtim),
	}
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return p.directory(e, hdr, a)
	case unix.S_IFREG:
		return p.regular(e, hdr)
	case unix.S_IFLNK:
		hdr.Typeflag = tar.TypeSymlink
		hdr.Mode = 0o777
		if hdr.Linkname, err = e.Readlink(); err != nil {
			return err
		}
	case unix.S_IFIFO:
		hdr.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr.Typeflag = tar.TypeBlock
		if a.Mode&unix.S_IFMT == unix.S_IFCHR {
			hdr.Typeflag = tar.TypeChar
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(a.Rdev)), int64(unix.Minor(a.Rdev))
	default:
		return nil // a socket
	}
	if p.again(e, hdr) {
		return p.header(hdr)
	}
	return p.described(e, hdr)
}

// time truncates to seconds: the USTAR header holds no more, and PAX only for a fraction would
// differ between filesystems.
func (p *packing) time(ts unix.Timespec) time.Time {
	t := time.Unix(ts.Sec, 0)
	if p.o.Epoch != nil && t.After(*p.o.Epoch) {
		return p.o.Epoch.Truncate(time.Second)
	}
	return t
}

func (p *packing) directory(e *tree.Entry, hdr *tar.Header, a ownership.Attr) error {
	hdr.Typeflag = tar.TypeDir
	hdr.Name += "/"
	if e.Rel == "" {
		if a.UID == 0 && a.GID == 0 && a.Mode&0o7777 == 0o755 && !p.o.Whole {
			return nil
		}
		hdr.Name = "./"
	}
	if err := p.described(e, hdr); err != nil || e.Rel == "" || p.o.Whole {
		return err
	}
	value, ok, err := e.Xattr(opaqueXattr(p.o.Userxattr))
	if err != nil || !ok || string(value) != "y" {
		return err
	}
	return p.header(&tar.Header{Typeflag: tar.TypeReg, Name: hdr.Name + opaqueMarker, ModTime: time.Unix(0, 0)})
}

func (p *packing) whiteout(e *tree.Entry) error {
	dir, base := e.Rel[:len(e.Rel)-len(e.Name)], e.Name
	return p.header(&tar.Header{Typeflag: tar.TypeReg, Name: dir + whiteoutPrefix + base, ModTime: time.Unix(0, 0)})
}

func (p *packing) regular(e *tree.Entry, hdr *tar.Header) error {
	hdr.Typeflag = tar.TypeReg
	if p.again(e, hdr) {
		return p.header(hdr)
	}
	hdr.Size = e.Stat.Size
	if hdr.Size == 0 {
		return p.described(e, hdr)
	}
	in, err := e.OpenFD()
	if err != nil {
		return err
	}
	defer unix.Close(in)
	names, err := e.XattrsOpen(in)
	if err != nil {
		return err
	}
	if err := p.named(e, hdr, names); err != nil {
		return err
	}
	if err := p.content(in, hdr.Size); err != nil {
		return fmt.Errorf("%q: %w", e.Rel, err)
	}
	return nil
}

// content hands on the first size bytes: a file that grows must not spoil the tar, one that shrinks is an
// error.
func (p *packing) content(in int, size int64) error {
	for size > 0 {
		room, err := p.to.room(size)
		if err != nil {
			return err
		}
		n, err := unix.Read(in, room)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return tree.ErrShort
		}
		size -= int64(n)
		if err := p.to.put(part{last: size == 0}, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *packing) header(hdr *tar.Header) error {
	err := p.to.put(part{hdr: hdr}, 0)
	if err == nil && recordBytes(hdr) > heavy {
		err = p.to.drain()
	}
	return err
}

// again makes hdr a hard link when the file was written under another name.
func (p *packing) again(e *tree.Entry, hdr *tar.Header) bool {
	if e.Stat.Nlink < 2 {
		return false
	}
	id := inode{e.Stat.Dev, e.Stat.Ino}
	first, seen := p.names[id]
	if !seen {
		p.names[id] = e.Rel
		return false
	}
	hdr.Typeflag = tar.TypeLink
	hdr.Linkname = first
	hdr.Size, hdr.Devmajor, hdr.Devminor = 0, 0, 0
	return true
}

// described writes a header with the file's xattrs.
func (p *packing) described(e *tree.Entry, hdr *tar.Header) error {
	if t := e.Stat.Mode & unix.S_IFMT; t != unix.S_IFREG && t != unix.S_IFDIR {
		return p.header(hdr)
	}
	names, err := e.Xattrs()
	if err != nil {
		return err
	}
	return p.named(e, hdr, names)
}

// named writes a header with those of the xattrs that travel.
func (p *packing) named(e *tree.Entry, hdr *tar.Header, names []string) error {
	for _, name := range names {
		if !portable(name) {
			continue
		}
		value, ok, err := e.Xattr(name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if name == capabilityXattr {
			value = tree.PortableCapability(value)
		}
		if hdr.PAXRecords == nil {
			hdr.PAXRecords = map[string]string{}
		}
		hdr.PAXRecords[paxXattrPrefix+name] = string(value)
	}
	return p.header(hdr)
}
