package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/carry"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/tree"
	"github.com/dhow-containers/dhow/storage/working"
)

// A container with a user namespace of its own gives other numbers to the owners of an image's files
// than the layers have on disk. For it the image is there once more, with these numbers: one tree for
// all its layers, below mapped/TOP.UID-GID, where TOP is its topmost layer. Where the kernel's overlay
// can, a file in it is only an inode, its content stays in the layers.
//
//	files/      the tree
//	about.json  written last, removed first: without it there is nothing here
//
// A tree is made in the temporary directory of a lease and renamed, so that a killed command leaves
// none; it goes with the image (sweep), and Check compares it with the layers.

// Below is what an overlay is mounted over to show an image (working.Work).
type Below struct {
	Lowers, Data []string // base first
}

type mappedAbout struct {
	Version int
	// Refers tells that files have their content in the layers.
	Refers bool
	Bytes  int64 // on disk
}

const mappedVersion = 1

// Below gives layers, base first, as a container with the shift has to see them. What it needs for
// that is made, when it is not there. The caller holds the layers.
func (s *Store) Below(layers []Layer, shift idmap.Shift) (Below, error) {
	var plain Below
	for _, l := range layers {
		plain.Lowers = append(plain.Lowers, l.Dir)
	}
	if shift.IsZero() || len(layers) == 0 {
		return plain, nil
	}
	dir := s.mappedDir(layers[len(layers)-1].ID, shift)
	about, err := readMapped(dir)
	if errors.Is(err, fs.ErrNotExist) {
		about, err = s.makeMapped(dir, plain.Lowers, shift)
	}
	if err != nil {
		return Below{}, fmt.Errorf("giving the image the owners it has for uid %d, gid %d: %w", shift.UID, shift.GID, err)
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

// makeMapped makes a tree, unless another process has meanwhile.
func (s *Store) makeMapped(dir string, layers []string, shift idmap.Shift) (about mappedAbout, err error) {
	if err := os.MkdirAll(s.mappedRoot(), 0o700); err != nil {
		return about, err
	}
	lock, err := journal.TakeLock(s.mappedLock(), true)
	if err != nil {
		return about, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if about, err = readMapped(dir); !errors.Is(err, fs.ErrNotExist) {
		return about, err
	}
	temp, err := s.tempDir("mapped-")
	if err != nil {
		return about, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	try := filepath.Join(temp, "try")
	if err := os.Mkdir(try, 0o700); err != nil {
		return about, err
	}
	m := mapping{s: s, shift: shift}
	about = mappedAbout{Version: mappedVersion, Refers: len(layers) < maxReferredLayers && working.CanRefer(try)}
	made := filepath.Join(temp, "made")
	if err := m.write(filepath.Join(temp, "view"), filepath.Join(made, "files"), layers, about.Refers); err != nil {
		return about, err
	}
	if about.Bytes, err = bytesOnDisk(filepath.Join(made, "files")); err != nil {
		return about, err
	}
	if err := s.publishMapped(made, dir, about); err != nil {
		return about, err
	}
	return about, nil
}

// maxReferredLayers is how many layers fit into an overlay beside the tree and an upper directory
// (fs/overlayfs, OVL_MAX_STACK).
const maxReferredLayers = 490

// publishMapped puts a complete tree in its place. It is on the disk by then: nobody looks at it again
// before it is used.
func (s *Store) publishMapped(made, dir string, about mappedAbout) error {
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "about.json"), text, 0o600); err != nil {
		return err
	}
	d, err := os.Open(made)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("flushing it: %w", err)
	}
	if err := dropMapped(dir); err != nil { // what is left of one that was being removed
		return err
	}
	return os.Rename(made, dir)
}

// dropMapped removes a tree; half removed it is none.
func dropMapped(dir string) error {
	if err := os.Remove(filepath.Join(dir, "about.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// mapping is the making of one tree.
type mapping struct {
	s     *Store
	shift idmap.Shift
}

// write copies what the layers show, mounted at view meanwhile, to the new directory to.
func (m mapping) write(view, to string, layers []string, refer bool) (err error) {
	w := working.Work{Dir: view, ReadOnly: true, Lowers: layers}
	if err := w.Mount(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Unmount()) }()
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	from, err := unix.Open(w.Merged(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: w.Merged(), Err: err}
	}
	defer unix.Close(from)
	root, err := unix.Open(to, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: to, Err: err}
	}
	defer unix.Close(root)
	was, now := m.owners(idmap.Shift{}), m.owners(m.shift)
	place := carry.Place{Root: root, Dir: root, Path: "/", Owners: now, Capabilities: true}
	if refer {
		place.Content = referLarge
	}
	if err := carry.ToTree(place, carry.Tree{Dir: from, Owners: was}); err != nil {
		return err
	}
	a, st, err := was.Lstat(from, "", "")
	if err == nil {
		err = now.SetOpen(root, "", a)
	}
	if err == nil {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{st.Mtim, st.Mtim}, 0)
	}
	return err
}

func (m mapping) owners(shift idmap.Shift) *ownership.Tree {
	return &ownership.Tree{Native: m.s.opts.Mapping.Native(), Userns: m.s.opts.Mapping.Userns(), Shift: shift}
}

// referLarge leaves the content of files in the layers that would take more room than what tells where
// it is: a block.
func referLarge(to int, i *carry.Item) (bool, error) {
	const block, longPath = 4096, 1024
	if i.Size <= block || len(i.Rel) > longPath {
		return false, nil
	}
	err := working.Refer(to, i.Rel, i.Size)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ERANGE) {
		// Perhaps only no room for so long an attribute: the copy finds out.
		return false, working.Unrefer(to)
	}
	return err == nil, err
}

// bytesOnDisk is the room a tree takes, files with several names counted once.
func bytesOnDisk(dir string) (total int64, err error) {
	seen := map[uint64]bool{}
	err = tree.Walk(dir, func(e *tree.Entry) error {
		if e.Stat.Nlink > 1 && !e.IsDir() {
			if seen[e.Stat.Ino] {
				return nil
			}
			seen[e.Stat.Ino] = true
		}
		total += e.Stat.Blocks * 512
		return nil
	})
	return total, err
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
