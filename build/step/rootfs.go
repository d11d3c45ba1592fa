package step

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/working"
)

// Layer is one layer of a filesystem under construction.
type Layer struct {
	Dir   string // its tree, an overlay layer
	Links ownership.Links
}

// Rootfs is the filesystem a step leaves: layers, base first. It can be looked at as one tree, which
// is mounted when first asked for and unmounted by Close. It is safe for concurrent use.
type Rootfs struct {
	Layers []Layer

	mu   sync.Mutex
	root *os.File
	work *working.Work
	tmp  *cache.Scratch
}

// Lowers are the directories of the layers, base first.
func (r *Rootfs) Lowers() []string {
	dirs := make([]string, len(r.Layers))
	for i, l := range r.Layers {
		dirs[i] = l.Dir
	}
	return dirs
}

// Root opens the whole as one read-only tree. The file belongs to the Rootfs.
func (r *Rootfs) Root(c *cache.Cache) (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.root != nil {
		return r.root, nil
	}
	if len(r.Layers) == 1 {
		root, err := openDir(r.Layers[0].Dir)
		if err != nil {
			return nil, fmt.Errorf("opening a layer: %w", err)
		}
		r.root = root
		return root, nil
	}
	tmp, err := c.Scratch()
	if err != nil {
		return nil, err
	}
	w := &working.Work{Lowers: r.Lowers(), Dir: tmp.Dir, ReadOnly: true}
	if err := w.Mount(); err != nil {
		return nil, errors.Join(err, tmp.Close())
	}
	root, err := openDir(w.Merged())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening a filesystem: %w", err), w.Unmount(), tmp.Close())
	}
	r.root, r.work, r.tmp = root, w, tmp
	return root, nil
}

// Close ends the view; the layers stay.
func (r *Rootfs) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	if r.root != nil {
		errs = append(errs, r.root.Close())
	}
	if r.work != nil {
		errs = append(errs, r.work.Unmount())
	}
	errs = append(errs, r.tmp.Close())
	r.root, r.work, r.tmp = nil, nil, nil
	return errors.Join(errs...)
}

// Tree reads the owners of the whole: with a single-id map, those of symlinks come from the table of
// the topmost layer that has the link.
func (r *Rootfs) Tree(m idmap.Mapping) *ownership.Tree {
	t := &ownership.Tree{Native: m.Native(), Userns: m.Userns()}
	if m.Native() {
		return t
	}
	t.Links = ownership.Links{}
	for i, l := range r.Layers {
		for rel, o := range l.Links {
			if r.shadowed(i, rel) {
				continue
			}
			t.Links[rel] = o
		}
	}
	return t
}

// shadowed tells whether a layer above i has something of its own at rel, or nothing left there.
func (r *Rootfs) shadowed(i int, rel string) bool {
	for _, l := range r.Layers[i+1:] {
		root, err := unix.Open(l.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		fd, err := openBeneath(root, rel, unix.O_PATH|unix.O_NOFOLLOW)
		unix.Close(root)
		if err == nil {
			unix.Close(fd)
		}
		if err == nil || !errors.Is(err, unix.ENOENT) { // ELOOP, ENOTDIR: a directory above it went
			return true
		}
	}
	return false
}

func openDir(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
