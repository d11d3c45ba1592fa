package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/carry"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/tree"
	"github.com/dhow-containers/dhow/storage/working"
)

// waitNotice is after how long work that a person did not ask for is worth a word.
const waitNotice = 2 * time.Second

// Map makes what Below has to give for layers and a shift, unless it is there. It may take long: let the
// caller hold the layers in a way that is in nobody's way (HoldLayers). When ctx ends nothing is left. tell
// is called when it takes more than two seconds, from another goroutine; it may be nil.
func (s *Store) Map(ctx context.Context, layers []Layer, shift idmap.Shift, tell func(string)) (err error) {
	if shift.IsZero() || len(layers) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("giving the image the owners it has for uid %d, gid %d: %w", shift.UID, shift.GID, err)
		}
	}()
	if err := os.MkdirAll(s.mappedRoot(), 0o700); err != nil {
		return err
	}
	lock, err := s.takeMapped(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if tell != nil {
		word := time.AfterFunc(waitNotice, func() {
			tell(fmt.Sprintf("giving the files of the image the owners they have for uid %d, gid %d; this is done once", shift.UID, shift.GID))
		})
		defer word.Stop()
	}
	top := layers[len(layers)-1].ID
	dir, _, err := s.findMapped(top, shift)
	if !errors.Is(err, fs.ErrNotExist) {
		return err // another process has made it meanwhile
	}
	m := mapping{s: s, ctx: ctx, shift: shift}
	for _, l := range layers {
		m.layers = append(m.layers, l.Dir)
	}
	return m.make(dir)
}

// takeMapped waits for the lock of those who make trees.
func (s *Store) takeMapped(ctx context.Context) (*journal.Lock, error) {
	if lock, err := journal.TryLock(s.mappedLock(), true); lock != nil || err != nil {
		return lock, err
	}
	// flock(2) can not be cancelled. In there, the wait is to be seen by who tells of waits.
	type taken struct {
		lock *journal.Lock
		err  error
	}
	ch := make(chan taken, 1)
	go func() {
		lock, err := journal.TakeLock(s.mappedLock(), true)
		ch <- taken{lock, err}
	}()
	select {
	case t := <-ch:
		return t.lock, t.err
	case <-ctx.Done():
		go func() { _ = (<-ch).lock.Unlock() }()
		return nil, context.Cause(ctx)
	}
}

// mapping is the making of one tree.
type mapping struct {
	s      *Store
	ctx    context.Context
	shift  idmap.Shift
	layers []string // base first
}

// make makes the tree dir. The caller holds the lock.
func (m mapping) make(dir string) (err error) {
	temp, err := m.s.tempDir("mapped-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	about := mappedAbout{Version: mappedVersion, Kernel: kernel()}
	if len(m.layers) < maxReferredLayers && !strings.HasSuffix(dir, fullSuffix) {
		if about.Refers, err = m.s.canRefer(); err != nil {
			return err
		}
	}
	made := filepath.Join(temp, "made")
	if err := m.write(filepath.Join(temp, "view"), filepath.Join(made, "files"), about.Refers); err != nil {
		return err
	}
	if about.Bytes, err = bytesOnDisk(filepath.Join(made, "files")); err != nil {
		return err
	}
	if m.ctx.Err() != nil {
		return context.Cause(m.ctx)
	}
	return m.s.publishMapped(made, dir, about)
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
	if err := journal.SyncFilesystem(made); err != nil {
		return err
	}
	if err := dropMapped(dir); err != nil { // what is left of one that was being removed
		return err
	}
	return os.Rename(made, dir)
}

// write copies what the layers show, mounted at view meanwhile, to the new directory to.
func (m mapping) write(view, to string, refer bool) (err error) {
	w := working.Work{Dir: view, ReadOnly: true, Lowers: m.layers}
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
	place.Content = func(to int, i *carry.Item) (bool, error) {
		if m.ctx.Err() != nil {
			return false, context.Cause(m.ctx)
		}
		if !refer {
			return false, nil
		}
		return referLarge(to, i)
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
