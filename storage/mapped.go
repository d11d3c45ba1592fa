package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/working"
)

// A container with a user namespace of its own gives other numbers to the owners of an image's files
// than the layers have on disk. For it the image is there once more, with these numbers: one tree for
// all its layers, below mapped/TOP.UID-GID, where TOP is its topmost layer. Where the kernel's overlay
// can, a file in it is only an inode, its content stays in the layers. When the store then comes under a
// kernel that can not, there is a second tree beside it, TOP.UID-GID.full.
//
//	files/      the tree
//	about.json  written last, removed first: without it there is nothing here
//
// A tree is made in the temporary directory of a lease and renamed (see Map), so that a killed command
// leaves none; it goes with the image (sweep), and Check compares it with the layers.

// Below is what an overlay is mounted over to show an image (working.Work).
type Below struct {
	Lowers, Data []string // base first
}

type mappedAbout struct {
	Version int
	// Refers tells that files have their content in the layers.
	Refers bool
	Bytes  int64 // on disk
	// Kernel is the last one that was asked whether its overlay follows that: the tree was made under it,
	// or found to be of use. It tells with which one the question need not be asked again.
	Kernel string `json:",omitempty"`
}

const mappedVersion = 1

// ErrNotMapped is returned by Below when what it gives has yet to be made: see Map.
var ErrNotMapped = errors.New("the image has no files with the owners of the container yet")

// Below gives layers, base first, as a container with the shift has to see them. The caller holds the
// layers.
func (s *Store) Below(layers []Layer, shift idmap.Shift) (Below, error) {
	var plain Below
	for _, l := range layers {
		plain.Lowers = append(plain.Lowers, l.Dir)
	}
	if shift.IsZero() || len(layers) == 0 {
		return plain, nil
	}
	dir, about, err := s.findMapped(layers[len(layers)-1].ID, shift)
	if errors.Is(err, fs.ErrNotExist) {
		return Below{}, ErrNotMapped
	}
	if err != nil {
		return Below{}, fmt.Errorf("looking for the files of a mapped image: %w", err)
	}
	b := Below{Lowers: []string{filepath.Join(dir, "files")}}
	if about.Refers {
		b.Data = plain.Lowers
	}
	return b, nil
}

func (s *Store) mappedRoot() string { return filepath.Join(s.opts.Dir, "mapped") }

// mappedLock is held by whoever makes a tree, or removes one that somebody may be making.
func (s *Store) mappedLock() string { return filepath.Join(s.mappedRoot(), "lock") }

func (s *Store) mappedDir(top string, shift idmap.Shift) string {
	return filepath.Join(s.mappedRoot(), fmt.Sprintf("%s.%d-%d", top, shift.UID, shift.GID))
}

// fullSuffix ends the name of a tree that has all content itself, beside one that has not.
const fullSuffix = ".full"

// findMapped gives the tree that is of use under this kernel; with fs.ErrNotExist the place where it is to
// be made.
func (s *Store) findMapped(top string, shift idmap.Shift) (dir string, about mappedAbout, err error) {
	dir = s.mappedDir(top, shift)
	about, err = readMapped(dir)
	if err != nil || !about.Refers || about.Kernel == kernel() {
		return dir, about, err
	}
	full, ferr := readMapped(dir + fullSuffix)
	if ferr == nil && full.Kernel == kernel() {
		return dir + fullSuffix, full, nil
	}
	can, err := s.canRefer()
	if err != nil {
		return dir, about, err
	}
	if can {
		return dir, about, s.noteKernel(dir)
	}
	if dir += fullSuffix; ferr != nil {
		return dir, full, ferr
	}
	return dir, full, s.noteKernel(dir)
}

// kernel names the running one, with its build.
var kernel = sync.OnceValue(func() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Version[:])
})

// canRefer asks the kernel.
func (s *Store) canRefer() (can bool, err error) {
	temp, err := s.tempDir("try-")
	if err != nil {
		return false, err
	}
	can = referWorks(temp)
	return can, os.RemoveAll(temp)
}

var referWorks = working.CanRefer

// noteKernel spares the next command the question. Where somebody makes or removes trees just now, or
// nothing can be written, it is asked again.
func (s *Store) noteKernel(dir string) error {
	lock, err := journal.TryLock(s.mappedLock(), true)
	if lock == nil || err != nil {
		return nil
	}
	if about, err := readMapped(dir); err == nil {
		about.Kernel = kernel()
		if text, err := json.Marshal(about); err == nil {
			_ = journal.Replace(filepath.Join(dir, "about.json"), text, 0o600, false)
		}
	}
	return lock.Unlock()
}

// readMapped tells about a tree; fs.ErrNotExist when there is none, or none this version understands.
func readMapped(dir string) (a mappedAbout, err error) {
	data, err := os.ReadFile(filepath.Join(dir, "about.json"))
	if err != nil {
		return a, err
	}
	if json.Unmarshal(data, &a) != nil || a.Version != mappedVersion {
		return a, fs.ErrNotExist
	}
	return a, nil
}

// dropMapped removes a tree; half removed it is none.
func dropMapped(dir string) error {
	if err := os.Remove(filepath.Join(dir, "about.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// mapped lists the trees there are, with the layer each belongs to.
func (s *Store) mapped() (dirs map[string]string, err error) {
	entries, err := os.ReadDir(s.mappedRoot())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for mapped images: %w", err)
	}
	dirs = map[string]string{}
	for _, e := range entries {
		if top, _, ok := strings.Cut(e.Name(), "."); ok && isHex64(top) {
			dirs[filepath.Join(s.mappedRoot(), e.Name())] = top
		}
	}
	return dirs, nil
}

// mappedBytes is the room the trees of each layer take.
func (s *Store) mappedBytes() (map[string]int64, error) {
	dirs, err := s.mapped()
	if err != nil {
		return nil, err
	}
	bytes := map[string]int64{}
	for dir, top := range dirs {
		if a, err := readMapped(dir); err == nil {
			bytes[top] += a.Bytes
		}
	}
	return bytes, nil
}

// mappedTotal is the room all of them take.
func (s *Store) mappedTotal() (total int64, err error) {
	bytes, err := s.mappedBytes()
	for _, n := range bytes {
		total += n
	}
	return total, err
}

// sweepMapped removes the trees that no image, pin or living process has as its topmost layer, and what is
// left of trees that were being removed. The caller holds the exclusive lock.
func (s *Store) sweepMapped(roots map[string]bool) (err error) {
	dirs, err := s.mapped()
	if err != nil {
		return err
	}
	if len(dirs) == 0 {
		return nil
	}
	// Who holds the layers by a lease may be making one: what it puts in place is not half a tree.
	lock, err := journal.TryLock(s.mappedLock(), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	for dir, top := range dirs {
		if roots[top] {
			if _, err := os.Lstat(filepath.Join(dir, "about.json")); err == nil || lock == nil {
				continue
			}
		}
		if err := dropMapped(dir); err != nil {
			return fmt.Errorf("removing a mapped image: %w", err)
		}
	}
	return nil
}
