package layer

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// ApplyOptions guide Apply.
type ApplyOptions struct {
	// Tree keeps the owners; its Links are filled.
	Tree *ownership.Tree
	// Userxattr tells that the overlay's xattrs are user.overlay.*, not trusted.overlay.*
	// (working.Userxattr).
	Userxattr bool
	// Whiteouts false takes ".wh." names literally: a plain archive unpacked into a root
	// filesystem, not a layer.
	Whiteouts bool
	// Split, when not nil, receives the tar-split form of the stream.
	Split *Splitter
	// Owner, when not nil, replaces every entry's owner.
	Owner *ownership.Owner
}

// Applied reports what Apply met.
type Applied struct {
	// Implied are directories no entry described, made 0755 and owned by 0:0; in an image they have
	// owner and mode of the layers below. Slash-separated, parents first.
	Implied []string
	// Root tells whether an entry described the root directory.
	Root bool
	// OpaqueRoot tells that the layer hides everything below it, which overlayfs can not express.
	OpaqueRoot bool
}

const (
	maxPath = 4095
	// maxSparseBytes bounds the logical size of a sparse file, which costs its sender nothing.
	maxSparseBytes = 64 << 30
	copyBuffer     = 256 << 10
)

// Apply unpacks the uncompressed tar r into the directory dir, which must exist, and reads r to its
// end. Entries may come in any order and more than once; what they name is resolved as in a chroot
// at dir. After an error dir holds some part of the tar.
func Apply(r io.Reader, dir string, o ApplyOptions) (Applied, error) {
	root, err := openRoot(dir)
	if err != nil {
		return Applied{}, err
	}
	defer root.Close()
	u := &unpacking{o: o, root: root, described: map[string]bool{}, buf: make([]byte, copyBuffer)}
	root.implied = u.imply
	u.src = &source{r: bufio.NewReaderSize(r, 128<<10), split: o.Split, raw: true}
	u.tr = tar.NewReader(u.src)
	u.to = newConveyor((&writing{u: u}).section)
	err = u.all()
	if werr := u.to.end(); werr != nil {
		err = werr // it came first
	}
	if err == nil {
		err = u.setDirTimes()
	}
	if err != nil {
		return Applied{}, err
	}
	for _, rel := range u.impliedOrder {
		if !u.described[rel] {
			u.applied.Implied = append(u.applied.Implied, rel)
		}
	}
	return u.applied, nil
}

// source passes what the tar reader reads on to the splitter, except for content.
type source struct {
	r     io.Reader
	split *Splitter
	raw   bool
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 && s.raw && s.split != nil {
		if serr := s.split.Raw(p[:n]); serr != nil {
			return n, serr
		}
	}
	return n, err
}

// unpacking is one Apply.
type unpacking struct {
	o       ApplyOptions
	root    *root
	src     *source
	tr      *tar.Reader
	to      *conveyor[section]
	buf     []byte
	applied Applied
	// described holds the directories that are not described yet as false.
	described    map[string]bool
	impliedOrder []string
	dirTimes     []dirTime
}

type dirTime struct {
	rel string
	mod time.Time
}

func (u *unpacking) imply(rel string, at int, name string) error {
	if _, known := u.described[rel]; !known {
		u.impliedOrder = append(u.impliedOrder, rel)
	}
	u.described[rel] = false
	// Root's even with an Owner: docker's ADD --chown leaves to root what the archive does not list.
	return u.o.Tree.Set(at, name, rel, ownership.Attr{Mode: unix.S_IFDIR | 0o755})
}

func (u *unpacking) all() error {
	for {
		hdr, err := u.tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the layer: %w", err)
		}
		if err := u.entry(hdr); err != nil {
			return unpackError(hdr, err)
		}
	}
	// What follows the end mark belongs to the layer's digest.
	if _, err := io.CopyBuffer(io.Discard, u.src, u.buf); err != nil {
		return fmt.Errorf("reading the layer: %w", err)
	}
	if u.o.Split != nil {
		if err := u.o.Split.Flush(); err != nil {
			return fmt.Errorf("keeping the layer's headers: %w", err)
		}
	}
	return nil
}

func unpackError(hdr *tar.Header, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("unpacking %q: %w", printable(hdr.Name), err)
}

// printable keeps hostile names out of messages: bounded, the rest is %q's matter.
func printable(name string) string {
	if len(name) > 200 {
		return name[:200] + "…"
	}
	return name
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// inside gives the path of a tar name relative to the root, "" for the root itself.
func inside(name string) (string, error) {
	if len(name) > maxPath {
		return "", refused("the path is longer than %d bytes", maxPath)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", refused("the path contains a NUL byte")
	}
	rel := path.Clean(strings.TrimLeft(name, "/"))
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", refused("the path leads out of the layer")
	}
	if rel == "." {
		return "", nil
	}
	return rel, nil
}

func (u *unpacking) entry(hdr *tar.Header) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	rel, err := inside(hdr.Name)
	if err != nil {
		return err
	}
	if u.o.Whiteouts {
		handled, err := u.whiteout(rel)
		if handled || err != nil {
			return err
		}
	}
	a, err := u.attr(hdr)
	if err != nil {
		return err
	}
	if rel == "" {
		return u.rootEntry(hdr, a)
	}
	at, err := u.root.parent(rel)
	if err != nil {
		return err
	}
	f := file{hdr: hdr, attr: a, at: at, name: path.Base(rel), rel: rel}
	err = u.make(f, false)
	// Making a file fails when the name is taken, before anything was read or changed.
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	// Once it is done, and no sooner: f.at is the directory remembered.
	defer u.root.forget()
	covered, err := u.makeRoom(f)
	if err != nil {
		return err
	}
	return u.make(f, covered)
}

func (u *unpacking) make(f file, covered bool) error {
	switch f.hdr.Typeflag {
	case tar.TypeDir:
		return u.directory(f, covered)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse, '\x00':
		return u.regular(f)
	case tar.TypeSymlink:
		return u.symlink(f)
	case tar.TypeLink:
		return u.hardlink(f)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return u.node(f)
	}
	return refused("type %q is not known", f.hdr.Typeflag)
}

// file is one entry and where it goes: name in the directory at.
type file struct {
	hdr  *tar.Header
	attr ownership.Attr
	at   int
	name string
	rel  string
}

// attr gives what the header says of the file, without its type.
func (u *unpacking) attr(hdr *tar.Header) (ownership.Attr, error) {
	uid, gid := int64(hdr.Uid), int64(hdr.Gid)
	if u.o.Owner != nil {
		uid, gid = int64(u.o.Owner.UID), int64(u.o.Owner.GID)
	}
	// 2^32-1 is "no change" to chown(2).
	if uid < 0 || gid < 0 || uid >= 1<<32-1 || gid >= 1<<32-1 {
		return ownership.Attr{}, refused("owner %d:%d is not an id", uid, gid)
	}
	return ownership.Attr{UID: uint32(uid), GID: uint32(gid), Mode: uint32(hdr.Mode) & 0o7777}, nil
}

// makeRoom removes what stands where f goes. covered tells that a whiteout stood there: a new
// directory must go on hiding what is below.
func (u *unpacking) makeRoom(f file) (covered bool, err error) {
	// NFS keeps the name of a file that is removed while it is open.
	if err := u.to.drain(); err != nil {
		return false, err
	}
	var st unix.Stat_t
	err = unix.Fstatat(f.at, f.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		u.undescribe(f.rel)
	}
	if err := removeAll(f.at, f.name); err != nil {
		return false, fmt.Errorf("replacing what the layer had there: %w", err)
	}
	u.o.Tree.Forget(f.rel)
	return u.o.Whiteouts && isWhiteout(&st), nil
}

// undescribe forgets the directories at and below rel.
func (u *unpacking) undescribe(rel string) {
	for dir := range u.described {
		if dir == rel || strings.HasPrefix(dir, rel+"/") {
			u.described[dir] = true
		}
	}
}

func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

func (u *unpacking) rootEntry(hdr *tar.Header, a ownership.Attr) error {
	if hdr.Typeflag != tar.TypeDir {
		return refused("the root of a layer is a directory")
	}
	u.applied.Root = true
	a.Mode |= unix.S_IFDIR
	f := file{hdr: hdr, attr: a, at: u.root.fd, name: "", rel: ""}
	return u.finish(f, -1)
}

func (u *unpacking) directory(f file, covered bool) error {
	err := unix.Mkdirat(f.at, f.name, 0o700)
	if err == unix.EEXIST {
		var st unix.Stat_t
		if serr := unix.Fstatat(f.at, f.name, &st, unix.AT_SYMLINK_NOFOLLOW); serr != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return errors.Join(err, serr)
		}
	} else if err != nil {
		return err
	}
	if covered {
		if err := u.setXattr(f, -1, opaqueXattr(u.o.Userxattr), []byte("y")); err != nil {
			return err
		}
	}
	if _, implied := u.described[f.rel]; implied {
		u.described[f.rel] = true
	}
	f.attr.Mode |= unix.S_IFDIR
	return u.finish(f, -1)
}

func (u *unpacking) symlink(f file) error {
	if len(f.hdr.Linkname) > maxPath || strings.IndexByte(f.hdr.Linkname, 0) >= 0 {
		return refused("the symlink's target is no path")
	}
	if err := unix.Symlinkat(f.hdr.Linkname, f.at, f.name); err != nil {
		return err
	}
	f.attr.Mode |= unix.S_IFLNK
	return u.finish(f, -1)
}

// hardlink makes one more name for a file of the same tar. Owner, mode and xattrs are the file's.
func (u *unpacking) hardlink(f file) error {
	target, err := inside(f.hdr.Linkname)
	if err != nil {
		return err
	}
	if target == "" || target == f.rel {
		return refused("a hard link to %q", printable(f.hdr.Linkname))
	}
	dir, err := openat2(u.root.fd, path.Dir(target), how(unix.O_PATH|unix.O_DIRECTORY))
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", printable(target), err)
	}
	defer unix.Close(dir)
	base := path.Base(target)
	a, st, err := u.o.Tree.Lstat(dir, base, target)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("hard link to %q: the layer has no such file", printable(target))
	}
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR || (u.o.Whiteouts && isWhiteout(&st)) {
		return refused("a hard link to %q, which is no file", printable(target))
	}
	if err := unix.Linkat(dir, base, f.at, f.name, 0); err != nil {
		return fmt.Errorf("hard link to %q: %w", printable(target), err)
	}
	if t := st.Mode & unix.S_IFMT; t == unix.S_IFLNK || t == unix.S_IFIFO {
		return u.o.Tree.Set(f.at, f.name, f.rel, a) // their owners are recorded by path
	}
	return nil
}

func (u *unpacking) node(f file) error {
	switch f.hdr.Typeflag {
	case tar.TypeFifo:
		f.attr.Mode |= unix.S_IFIFO
	case tar.TypeChar:
		f.attr.Mode |= unix.S_IFCHR
	case tar.TypeBlock:
		f.attr.Mode |= unix.S_IFBLK
	}
	if f.attr.IsDevice() {
		major, minor := f.hdr.Devmajor, f.hdr.Devminor
		if major < 0 || major >= 1<<12 || minor < 0 || minor >= 1<<20 {
			return refused("device %d:%d does not exist", major, minor)
		}
		if f.hdr.Typeflag == tar.TypeChar && major == 0 && minor == 0 {
			return refused("character device 0:0 would hide files of other layers")
		}
		f.attr.Rdev = unix.Mkdev(uint32(major), uint32(minor))
	}
	if err := u.o.Tree.Mknod(f.at, f.name, f.rel, f.attr); err != nil {
		return ownerError(err, f.attr)
	}
	return u.finish(f, -1)
}

// ownerError explains the one error of chown(2) people meet.
func ownerError(err error, a ownership.Attr) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("owner %d:%d lies outside the ids this user may use: give the user more in /etc/subuid and /etc/subgid (%w)", a.UID, a.GID, err)
	}
	return err
}
