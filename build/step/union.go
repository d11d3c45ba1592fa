package step

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// union is a layer being written by hand: an upper directory over what its parents show. It looks
// like the overlay of both would, without the cost of writing through one: every directory in the
// upper that the lower has too carries the lower's attributes, so that mounting them gives what was
// meant.
//
// Paths ("rel") are relative to the root, clean, without a leading slash; "" is the root. Everything
// is resolved beneath the two root descriptors.
type union struct {
	upper int // root of the new layer
	lower int // root of the merged parents, -1 for none
	// owners keeps the owners of the new layer, below those of the parents.
	owners, below *ownership.Tree
	// seen are the directories known to exist in the upper.
	seen map[string]bool
}

func newUnion(upper, lower int, owners, below *ownership.Tree) *union {
	return &union{upper: upper, lower: lower, owners: owners, below: below, seen: map[string]bool{"": true}}
}

// maxLinks is how many symlinks one path may lead through, as in the kernel (path_resolution(7)).
const maxLinks = 40

// openBeneath opens rel below dirfd without following any symlink; a symlink at the end is opened
// itself when flags have O_PATH and O_NOFOLLOW.
func openBeneath(dirfd int, rel string, flags int) (int, error) {
	if rel == "" {
		rel = "."
	}
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(dirfd, rel, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// isWhiteout tells an overlay's mark for a removed file, which a single layer shows openly.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// statAt gives the status of rel below dirfd.
func statAt(dirfd int, rel string, st *unix.Stat_t) error {
	if dirfd < 0 {
		return unix.ENOENT
	}
	fd, err := openBeneath(dirfd, rel, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, st); err != nil {
		return err
	}
	if isWhiteout(st) {
		return unix.ENOENT
	}
	return nil
}

// lstat gives the status of rel, and whether the new layer has it.
func (u *union) lstat(rel string) (st unix.Stat_t, upper bool, err error) {
	if err = statAt(u.upper, rel, &st); err == nil {
		return st, true, nil
	}
	if !errors.Is(err, unix.ENOENT) {
		return st, false, err
	}
	return st, false, statAt(u.lower, rel, &st)
}

func (u *union) readlink(rel string, upper bool) (string, error) {
	root := u.lower
	if upper {
		root = u.upper
	}
	fd, err := openBeneath(root, rel, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readlinkAt(fd, "")
}

func readlinkAt(dirfd int, name string) (string, error) {
	buf := make([]byte, 4096) // PATH_MAX
	n, err := unix.Readlinkat(dirfd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// resolve follows the symlinks of p, including a last one, as a process with the union as its root
// would, and gives the path they lead to. Components that do not exist are kept as they are.
func (u *union) resolve(p string) (string, error) {
	var done []string
	todo := strings.Split(p, "/")
	links := 0
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			done = done[:max(len(done)-1, 0)]
			continue
		}
		rel := path.Join(append(done[:len(done):len(done)], c)...)
		st, upper, err := u.lstat(rel)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
			done = append(done, c)
			continue
		case err != nil:
			return "", &fs.PathError{Op: "resolving", Path: "/" + rel, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			done = append(done, c)
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolving", Path: p, Err: unix.ELOOP}
		}
		target, err := u.readlink(rel, upper)
		if err != nil {
			return "", &fs.PathError{Op: "resolving", Path: "/" + rel, Err: err}
		}
		if strings.HasPrefix(target, "/") {
			done = nil
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return strings.Join(done, "/"), nil
}

// owner is who a file belongs to.
type owner struct{ uid, gid uint32 }

// mkdirAll makes the directory rel, which is resolved, and what is missing above it, each with the
// given owner and mode. Directories that exist keep what they are.
func (u *union) mkdirAll(rel string, o owner, mode uint32, at *time.Time) error {
	st, _, err := u.lstat(rel)
	switch {
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: "/" + rel, Err: unix.ENOTDIR}
	case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
		return &fs.PathError{Op: "mkdir", Path: "/" + rel, Err: err}
	}
	parent, name := split(rel)
	if err := u.mkdirAll(parent, o, mode, at); err != nil {
		return err
	}
	dir, err := u.dir(parent)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Mkdirat(dir, name, 0o700); err != nil {
		return &fs.PathError{Op: "mkdir", Path: "/" + rel, Err: err}
	}
	u.seen[rel] = true
	if err := u.owners.Set(dir, name, rel, ownership.Attr{UID: o.uid, GID: o.gid, Mode: unix.S_IFDIR | mode}); err != nil {
		return err
	}
	return setTime(dir, name, at)
}

// setTime gives name the time at, when it is not nil.
func setTime(dir int, name string, at *time.Time) error {
	if at == nil {
		return nil
	}
	ts := unix.NsecToTimespec(at.UnixNano())
	if err := unix.UtimesNanoAt(dir, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting the time of %q: %w", name, err)
	}
	return nil
}

// dir opens the directory rel, which exists in the union, in the upper, bringing it and those above
// it up with the attributes they have below.
func (u *union) dir(rel string) (int, error) {
	if err := u.bringUp(rel); err != nil {
		return -1, err
	}
	fd, err := openBeneath(u.upper, rel, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, &fs.PathError{Op: "opening", Path: "/" + rel, Err: err}
	}
	return fd, nil
}

func (u *union) bringUp(rel string) error {
	if u.seen[rel] {
		return nil
	}
	parent, name := split(rel)
	if err := u.bringUp(parent); err != nil {
		return err
	}
	var st unix.Stat_t
	err := statAt(u.upper, rel, &st)
	if errors.Is(err, unix.ENOENT) {
		err = u.copyUp(parent, name)
	} else if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	if err != nil {
		return &fs.PathError{Op: "opening", Path: "/" + rel, Err: err}
	}
	u.seen[rel] = true
	return nil
}

// copyUp makes the directory name of the lower in the upper, as overlayfs does before it writes
// into one.
func (u *union) copyUp(parent, name string) error {
	rel := path.Join(parent, name)
	from, err := openBeneath(u.lower, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	dir, err := openBeneath(u.upper, parent, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	a, st, err := u.below.Lstat(from, "", rel)
	if err != nil {
		return err
	}
	if err := unix.Mkdirat(dir, name, 0o700); err != nil {
		return err
	}
	if err := u.owners.Set(dir, name, rel, a); err != nil {
		return err
	}
	to, err := openBeneath(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	return unix.UtimesNanoAt(dir, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// root gives the upper's root the attributes of the lower's; without a lower it is 0755 root.
func (u *union) root() error {
	if u.lower < 0 {
		return u.owners.Set(u.upper, "", "", ownership.Attr{Mode: unix.S_IFDIR | 0o755})
	}
	a, st, err := u.below.Lstat(u.lower, "", "")
	if err != nil {
		return err
	}
	if err := u.owners.Set(u.upper, "", "", a); err != nil {
		return err
	}
	return unix.UtimesNanoAt(u.upper, ".", []unix.Timespec{st.Atim, st.Mtim}, 0)
}

// split cuts the last component off a clean relative path.
func split(rel string) (dir, name string) {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i], rel[i+1:]
	}
	return "", rel
}
