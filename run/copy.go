package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/carry"
)

// CopyOptions say what is copied between a container and the host.
type CopyOptions struct {
	Dir       string // paths.Store
	Mapping   idmap.Mapping
	Store     storeOf // opened when the container does not run
	Container record.Found
	Called    string // the container, as the person called it
	// Inside is the path in the container, Outside the absolute one of the host; both may end in "/" or
	// "/.". Outside is "" when a tar is read from In or written to Out.
	Inside, Outside string
	In              io.Reader
	Out             io.Writer
	FollowLink      bool
	Archive         bool // keep uid and gid
	Carried         func(n int64)
	LeftOut         func(name string, err error)
	Waits           func() // the container is about to be started again, which takes some time
}

// notInside is docker's word for a missing file of a container.
func (o CopyOptions) notInside(p string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("Could not find the file %s in container %s", p, o.Called)
	}
	return err
}

// CopyIn copies files of the host, or a tar, into the container. It gives the path in the container they
// were copied to, which is where a symlink at Inside leads.
func CopyIn(ctx context.Context, o CopyOptions) (to string, err error) {
	c, err := containerSide(ctx, o)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	dst := copyTarget{Path: cleanKept(o.Inside)}
	at, err := c.look(dst.Path)
	if err == nil && at.kind == unix.S_IFLNK {
		if dst.Path, err = c.follow(dst.Path); err != nil {
			return "", err
		}
		at, err = c.look(dst.Path)
	}
	if err == nil {
		if at.kind == unix.S_IFCHR || at.kind == unix.S_IFBLK {
			return "", fmt.Errorf("destination \"%s:%s\" must be a directory or a regular file: got a device", o.Called, o.Inside)
		}
		dst.Exists, dst.Dir = true, at.dir()
	}
	place := carry.Place{
		Root: c.root, Owners: c.owners, Recorded: c.recorded, Capabilities: true,
		Setuid: o.Archive, Carried: o.Carried, LeftOut: o.LeftOut,
	}
	if o.Outside == "" {
		if !dst.Dir {
			return "", fmt.Errorf("destination \"%s:%s\" must be a directory", o.Called, o.Inside)
		}
		place.Loose = true
		return dst.Path, o.putIn(c, place, dst.Path, carry.Tar{R: o.In})
	}
	h, err := hostSide()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	base := ""
	source := o.Outside
	if o.FollowLink {
		if source, base, err = h.followed(source); err != nil {
			return "", err
		}
	}
	what, from, done, err := h.open(source)
	if err != nil {
		return "", err
	}
	defer done()
	from.Followed = o.FollowLink
	if base != "" && what.Base != "." {
		what.Base = base
	}
	dir, name, err := placeOf(what, dst)
	if err != nil {
		return "", err
	}
	place.Name = name
	place.Attr = func(a ownership.Attr) ownership.Attr {
		if o.Archive {
			return hostOwner(o.Mapping, a)
		}
		a.UID, a.GID = 0, 0
		return a
	}
	return dst.Path, o.putIn(c, place, dir, from)
}

// putIn finishes the way into the container: to the directory dir.
func (o CopyOptions) putIn(c *side, place carry.Place, dir string, from carry.Source) error {
	fd, real, err := c.dir(dir, unix.O_PATH)
	if errors.Is(err, unix.ENOTDIR) {
		return errPointNoDir
	}
	if err != nil {
		return o.notInside(dir, err)
	}
	defer unix.Close(fd)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	own := mountOf(fd) == mountOf(c.root)
	switch {
	case own && (c.readOnly || st.Flags&unix.ST_RDONLY != 0):
		return errRootReadOnly
	case st.Flags&unix.ST_RDONLY != 0:
		return errMountReadOnly
	}
	if own {
		if place.Home, err = unix.Open(c.home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return &fs.PathError{Op: "open", Path: c.home, Err: err}
		}
		defer unix.Close(place.Home)
	}
	place.Dir, place.Path = fd, real
	return carry.ToTree(place, from)
}

// CopyOut copies files of the container to the host, or writes a tar of them.
func CopyOut(ctx context.Context, o CopyOptions) (err error) {
	h, err := hostSide()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if o.Outside != "" {
		if err := h.checkOutput(o.Outside); err != nil {
			return err
		}
	}
	c, err := containerSide(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	source, base, followed := cleanKept(o.Inside), "", false
	if o.FollowLink {
		var next string
		if next, base, err = c.followed(source); err == nil {
			source, followed = next, true
		}
	}
	what, from, done, err := c.open(source)
	if err != nil {
		return o.notInside(source, err)
	}
	defer done()
	from.Followed = followed
	if base != "" && what.Base != "." {
		what.Base = base
	}
	if o.Outside == "" {
		if what.Base == "/" {
			what.Base = "."
		}
		return carry.ToTar(o.Out, from, what.Base)
	}
	dst, err := h.destination(o.Outside)
	if err != nil {
		return err
	}
	dir, name, err := placeOf(what, dst)
	if err != nil {
		return err
	}
	fd, real, err := h.dir(dir, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	place := carry.Place{Root: h.root, Dir: fd, Path: real, Name: name, Carried: o.Carried, LeftOut: o.LeftOut}
	if o.Archive && o.Mapping.Kind == idmap.Root {
		place.Owners, place.Capabilities = &ownership.Tree{Native: true}, true
	} else {
		place.Attr = asCallers
	}
	return carry.ToTree(place, from)
}

// asCallers takes from a file what only means something with its owner: a program that ran as its owner in
// the container must not run as the caller on the host.
func asCallers(a ownership.Attr) ownership.Attr {
	if a.Mode&unix.S_IFMT != unix.S_IFDIR {
		a.Mode &^= unix.S_ISUID | unix.S_ISGID
	}
	return a
}

// hostOwner gives a file the numbers its owner has on the host. In a user namespace the caller is seen as
// root, and everybody who is not in it as nobody: their files go to root.
func hostOwner(m idmap.Mapping, a ownership.Attr) ownership.Attr {
	if !m.Userns() {
		return a
	}
	const nobody = 65534
	switch a.UID {
	case 0:
		a.UID = m.CallerUID
	case nobody:
		a.UID = 0
	}
	switch a.GID {
	case 0:
		a.GID = m.CallerGID
	case nobody:
		a.GID = 0
	}
	return a
}

// followed gives where the symlink at a path leads and, when that is called differently, the name it has
// here. A path without a symlink at its end comes back.
func (s *side) followed(p string) (to, base string, err error) {
	at, err := s.look(p)
	if err != nil {
		return "", "", err
	}
	if at.kind != unix.S_IFLNK && !assertsDir(p) {
		return p, "", nil
	}
	to, err = s.follow(p)
	if err != nil {
		return "", "", err
	}
	if path.Base(path.Clean(p)) != path.Base(to) {
		base = path.Base(path.Clean(p))
	}
	if assertsDir(p) {
		to = cleanKept(to + p[len(path.Clean(p)):])
	}
	return to, base, nil
}

// open finds what a path means and opens it for copying; done lets it go.
func (s *side) open(p string) (what copySource, from carry.Tree, done func(), err error) {
	at, err := s.look(p)
	if err != nil {
		return what, from, nil, err
	}
	_, what.Base = splitLast(p)
	what.Dir = at.dir()
	from = carry.Tree{At: at.path, Owners: s.owners}
	if at.dir() {
		fd, _, err := s.dir(at.path, unix.O_RDONLY)
		if err != nil {
			return what, from, nil, err
		}
		from.Dir = fd
		return what, from, func() { unix.Close(fd) }, nil
	}
	fd, _, err := s.dir(path.Dir(at.path), unix.O_PATH)
	if err != nil {
		return what, from, nil, err
	}
	from.Dir, from.Name = fd, path.Base(at.path)
	return what, from, func() { unix.Close(fd) }, nil
}

// checkOutput is docker's first look at the path on the host.
func (s *side) checkOutput(p string) error {
	parent, _ := s.follow(path.Dir(path.Clean(p)))
	if _, err := s.look(parent); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("invalid output path: directory %q does not exist", path.Dir(path.Clean(p)))
	}
	to, err := s.follow(p)
	if err != nil {
		return err
	}
	at, err := s.look(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && (at.kind == unix.S_IFCHR || at.kind == unix.S_IFBLK) {
		return fmt.Errorf("invalid output path: %q must be a directory or a regular file: got a device", p)
	}
	return err
}

// destination tells what stands at the path copied to; a symlink there is followed, also one to nothing.
func (s *side) destination(p string) (copyTarget, error) {
	at, err := s.look(p)
	if err == nil && at.kind == unix.S_IFLNK {
		if p, err = s.follow(p); err != nil {
			return copyTarget{}, err
		}
		at, err = s.look(p)
	}
	if err == nil {
		return copyTarget{Path: p, Exists: true, Dir: at.dir()}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return copyTarget{}, err
	}
	parent, _ := splitLast(p)
	fd, _, err := s.dir(parent, unix.O_PATH)
	if errors.Is(err, unix.ENOTDIR) {
		return copyTarget{}, errNotDirectory
	}
	if err != nil {
		return copyTarget{}, err
	}
	unix.Close(fd)
	return copyTarget{Path: p}, nil
}
