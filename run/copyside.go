package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/tree"
	"github.com/dhow-containers/dhow/storage/volume"
)

// side is a filesystem that files are copied from or to: a container's or the host's.
type side struct {
	root   int
	owners *ownership.Tree // nil for the host
	home   string          // the container's directory in the store
	// homes are the mounts whose files' owners dhow may write down; nil for all.
	homes    map[uint64]bool
	readOnly bool // the root filesystem is, whatever its mount says
	done     []func() error
}

// Close lets the filesystem go.
func (s *side) Close() error {
	var errs []error
	for i := len(s.done) - 1; i >= 0; i-- {
		errs = append(errs, s.done[i]())
	}
	s.done = nil
	return errors.Join(errs...)
}

// hostSide is the filesystem of the caller.
func hostSide() (*side, error) {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	return &side{root: root, done: []func() error{func() error { return unix.Close(root) }}}, nil
}

// otherCopies is how long a copy waits for another command that holds the container: two copies of one
// stopped container with a pipe between them would wait for each other.
const otherCopies = 10 * time.Second

// longWait is how long a person waits without being told what for.
const longWait = 2 * time.Second

// containerSide is the filesystem of a container, with its mounts: as its processes see it while it runs,
// put together from its record otherwise. A container that does not run is kept from being started
// meanwhile.
func containerSide(ctx context.Context, o CopyOptions) (*side, error) {
	m := o.Mapping
	s := &side{owners: &ownership.Tree{Native: m.Native(), Userns: m.Userns(), Shift: shiftOf(m, o.Container.Container)}}
	f := o.Container
	running, told := false, false
	for begin := time.Now(); ; {
		var err error
		if running = f.State.Status == record.Running; running {
			var root *os.File
			if root, err = monitor.Root(f.Dir); err == nil {
				s.root = int(root.Fd())
				s.done = append(s.done, root.Close)
				break
			}
			var refused *monitor.Refusal
			if !errors.Is(err, monitor.ErrGone) && !(errors.As(err, &refused) && refused.Between) {
				return nil, err
			}
		} else if f.State.Status == record.Restarting {
			// Its files can be reached again when it runs or has ended for good.
			if !told && time.Since(begin) > longWait && o.Waits != nil {
				o.Waits()
				told = true
			}
		} else {
			if err = s.assemble(o, f); err == nil {
				break
			}
			err = errors.Join(err, s.Close())
			if !errors.Is(err, record.ErrRunning) {
				return nil, err
			}
			if time.Since(begin) > otherCopies {
				return nil, fmt.Errorf("another command is at work on container %s", f.Name)
			}
		}
		// It starts or ends just now, or another command is at work on it.
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		if f, err = (Options{Dir: o.Dir}).book().Find(f.ID); err != nil {
			return nil, err
		}
	}
	s.home = f.Dir
	if m.Userns() {
		s.findHomes(Options{Dir: o.Dir}.volumes(), f)
	}
	if m.Kind == idmap.Single {
		store, err := o.Store()
		if err == nil {
			s.owners.Links, err = links(store, f, true)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		if err := s.keepLinks(f, running); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// keepLinks sees to it that the owners of symlinks and FIFOs are taken down as they are made: by the
// container's monitor, or in its table where none is at work.
func (s *side) keepLinks(f record.Found, running bool) error {
	none := len(s.owners.Links) == 0 // so that nothing is said of root's
	if running {
		s.owners.Aside = func(fd int, rel string, o ownership.Owner) error {
			if none && o == (ownership.Owner{}) {
				return nil
			}
			return monitor.Record(f.Dir, fd, monitor.Own{Path: rel, UID: o.UID, GID: o.GID})
		}
		return nil
	}
	t, err := ownership.OpenLinks(filepath.Join(f.Dir, "upper"), filepath.Join(f.Dir, "table"))
	if err != nil {
		return err
	}
	s.done = append(s.done, t.Close)
	s.owners.Aside = func(_ int, rel string, o ownership.Owner) error {
		if none && o == (ownership.Owner{}) {
			return nil
		}
		return t.Record(rel, o)
	}
	return nil
}

// assemble mounts the filesystem of a container that does not run, in this process's mount namespace.
func (s *side) assemble(o CopyOptions, f record.Found) error {
	e, err := Options{Dir: o.Dir}.book().Take(f.ID)
	if err != nil {
		return err
	}
	s.done = append(s.done, e.Close)
	store, err := o.Store()
	if err != nil {
		return err
	}
	c, err := load(o.Dir, o.Mapping, store, e)
	if err != nil {
		return err
	}
	if err := c.prepare(); err != nil {
		return errors.Join(err, c.teardown())
	}
	s.done = append(s.done, c.work.Unmount, c.placed.close)
	merged := c.work.Merged()
	open := func() error {
		var err error
		if s.root, err = unix.Open(merged, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return &fs.PathError{Op: "open", Path: merged, Err: err}
		}
		return nil
	}
	if err := open(); err != nil {
		return err
	}
	s.readOnly = f.ReadOnly
	for _, m := range c.placed.mounts {
		if m.Type != "bind" {
			continue
		}
		if err := s.bind(m); err != nil {
			unix.Close(s.root)
			return fmt.Errorf("mounting %s at %s: %w", m.Source, m.Target, err)
		}
	}
	unix.Close(s.root) // it may have been mounted over
	if err := open(); err != nil {
		return err
	}
	s.done = append(s.done, func() error { return unix.Close(s.root) })
	return nil
}

// bind mounts what a container has at one place into a filesystem that is put together.
func (s *side) bind(m spec.Mount) error {
	from, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	if m.ReadOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(from, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	at, err := s.mountPoint(m.Target, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	if err := unix.MoveMount(from, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return err
	}
	point := "/proc/self/fd/" // the mount covers what at names
	where, err := os.Readlink(point + fmt.Sprint(at))
	if err != nil {
		return err
	}
	s.done = append(s.done, func() error { return unix.Unmount(where, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) })
	return nil
}

// mountPoint opens the place of a mount, which is made when it is missing, as at the container's start.
func (s *side) mountPoint(target string, dir bool) (int, error) {
	rel, err := tree.Resolve(s.root, target, false)
	if err != nil {
		return -1, err
	}
	at, err := unix.Openat(s.root, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	parts := strings.Split(rel, "/")
	for i, name := range parts {
		next, err := tree.OpenBeneath(at, name, unix.O_PATH|unix.O_NOFOLLOW)
		if err == unix.ENOENT {
			if dir || i < len(parts)-1 {
				err = unix.Mkdirat(at, name, 0o755)
			} else {
				err = unix.Mknodat(at, name, unix.S_IFREG|0o644, 0)
			}
			if err == nil {
				next, err = tree.OpenBeneath(at, name, unix.O_PATH|unix.O_NOFOLLOW)
			}
			if err == nil {
				err = rootOwned(next, s.owners.Shift)
			}
		}
		unix.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}

// findHomes learns on which mounts owners may be written down: the container's own files, its volumes and
// its tmpfs, never what is the host's.
func (s *side) findHomes(volumes volume.Store, f record.Found) {
	s.homes = map[uint64]bool{mountOf(s.root): true}
	host := map[uint64]bool{}
	for _, m := range f.Mounts {
		fd, err := tree.OpenIn(s.root, m.Target, unix.O_PATH)
		if err != nil {
			continue
		}
		v, err := volumes.Get(m.Name)
		b, _ := v.Backing()
		if m.Type == "bind" || m.Type == "volume" && (err != nil || b.Type == "bind") {
			host[mountOf(fd)] = true
		} else {
			s.homes[mountOf(fd)] = true
		}
		unix.Close(fd)
	}
	for id := range host {
		delete(s.homes, id)
	}
}

func (s *side) recorded(dir int) bool { return s.homes == nil || s.homes[mountOf(dir)] }

func mountOf(fd int) uint64 {
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil {
		return 0
	}
	return stx.Mnt_id
}

// spot is what stands at a path.
type spot struct {
	path string // absolute, without symlinks but a last one
	kind uint32
	rdev uint64
}

func (s spot) dir() bool { return s.kind == unix.S_IFDIR }

// look gives what stands at an absolute path. A last symlink is not followed, unless the path says that it
// is a directory.
func (s *side) look(p string) (spot, error) {
	rel, err := tree.Resolve(s.root, path.Clean(p), !assertsDir(p))
	if err != nil {
		return spot{}, err
	}
	fd, err := tree.OpenBeneath(s.root, rel, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return spot{}, &fs.PathError{Op: "lstat", Path: p, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return spot{}, &fs.PathError{Op: "lstat", Path: p, Err: err}
	}
	if assertsDir(p) && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return spot{}, &fs.PathError{Op: "lstat", Path: p, Err: unix.ENOTDIR}
	}
	return spot{path: "/" + rel, kind: st.Mode & unix.S_IFMT, rdev: st.Rdev}, nil
}

// follow gives the path a symlink leads to in the end, whether something is there or not.
func (s *side) follow(p string) (string, error) {
	rel, err := tree.Resolve(s.root, path.Clean(p), false)
	return "/" + rel, err
}

// dir opens the directory at a path, and gives the path it really has.
func (s *side) dir(p string, flags int) (fd int, real string, err error) {
	rel, err := tree.Resolve(s.root, path.Clean(p), false)
	if err != nil {
		return -1, "", err
	}
	fd, err = tree.OpenBeneath(s.root, rel, flags|unix.O_DIRECTORY)
	if err != nil {
		return -1, "", &fs.PathError{Op: "open", Path: p, Err: err}
	}
	return fd, "/" + rel, nil
}

// storeOf is how a copy gets at the images when it needs them.
type storeOf func() (*storage.Store, error)
