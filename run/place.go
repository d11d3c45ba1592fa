package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/tree"
	"github.com/dhow-containers/dhow/storage/working"
)

// placed are a container's mounts with a place of this start's own: parts of volumes, images, layers
// over a source. They are mounted in the mount namespace of this process, in a directory nobody else
// changes, so that the path the sandbox is given leads nowhere else.
type placed struct {
	dir    string
	mounts []spec.Mount
	points []string // mounted, in order
}

// place makes what the wished mounts need, and gives them as binds.
func (c *container) place() error {
	p := &c.placed
	p.dir = filepath.Join(c.entry.Dir(), "mounts")
	p.mounts = slices.Clone(c.w.Mounts)
	for i := range p.mounts {
		m := &p.mounts[i]
		if m.Subpath == "" && !m.Overlay && m.Type != "image" {
			continue
		}
		dir := filepath.Join(p.dir, strconv.Itoa(i))
		err := os.RemoveAll(dir) // of a monitor that was killed
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err == nil {
			err = c.placeOne(m, dir)
		}
		if err != nil {
			return fmt.Errorf("mounting %s: %w", m.Target, err)
		}
	}
	return nil
}

func (c *container) placeOne(m *spec.Mount, dir string) error {
	p := &c.placed
	if m.Type == "image" {
		below := c.imageBelow[m.Target]
		w := working.Work{Dir: dir, ReadOnly: true, Lowers: below.Lowers, Data: below.Data}
		if err := w.Mount(); err != nil {
			return err
		}
		p.points = append(p.points, w.Merged())
		m.Type, m.Source, m.Volume, m.ReadOnly = "bind", w.Merged(), "image", true
	}
	if m.Subpath != "" {
		point := filepath.Join(dir, "part")
		if err := bindBelow(m.Source, m.Subpath, point); err != nil {
			return err
		}
		p.points = append(p.points, point)
		m.Source = point
	}
	if m.Overlay {
		over := filepath.Join(dir, "over")
		if err := os.Mkdir(over, 0o700); err != nil {
			return err
		}
		w := working.Work{Dir: over, Lowers: []string{m.Source}, Volatile: true}
		if err := w.Mount(); err != nil {
			return err
		}
		p.points = append(p.points, w.Merged())
		// What is written lies with the container: owners are recorded there.
		m.Source, m.Volume, m.Foreign = w.Merged(), "overlay", false
	}
	return nil
}

// close unmounts everything and forgets what was written over sources.
func (p *placed) close() error {
	var errs []error
	for _, point := range slices.Backward(p.points) {
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			errs = append(errs, &fs.PathError{Op: "unmount", Path: point, Err: err})
		}
	}
	if len(errs) == 0 && len(p.points) > 0 {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	p.points = nil
	return errors.Join(errs...)
}

// bindBelow binds what path means in the directory root, as a process with root as its root would find
// it, to a new mount point. Whoever changes the tree meanwhile can not lead the mount out of it: it is
// found and mounted by one descriptor.
func bindBelow(root, path, point string) error {
	fd, err := openIn(root, path, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = os.Mkdir(point, 0o700)
	case unix.S_IFREG:
		err = os.WriteFile(point, nil, 0o600)
	default:
		err = fmt.Errorf("%s is neither a directory nor a file", path)
	}
	if err != nil {
		return err
	}
	mount, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return &fs.PathError{Op: "open_tree", Path: path, Err: err}
	}
	defer unix.Close(mount)
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, point, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &fs.PathError{Op: "move_mount", Path: point, Err: err}
	}
	return nil
}

// openIn is tree.OpenIn for a root directory that is not open.
func openIn(root, path string, flags int) (int, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(dir)
	fd, err := tree.OpenIn(dir, path, flags)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}
