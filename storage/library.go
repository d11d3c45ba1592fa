package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	cstorage "go.podman.io/storage"
	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/storage/journal"
)

// Store is an open store. Its methods may be called from several goroutines.
type Store struct {
	opts Options

	mu    sync.Mutex
	lib   cstorage.Store // opened by library, on the first write
	lease *lease         // made by keep, on the first need

	layers layerMemory

	roomMade atomic.Bool // see makeRoom

	spooled atomic.Int64 // see spool

	ahead ahead

	flushing  sync.Mutex  // one flush waits for another: it may have taken newLayers away
	newLayers atomic.Bool // put in place since the last flush
	halfway   atomic.Bool // a record was begun and failed before its flush: nobody may take it for done
}

// Open opens the store under o.Dir. It reads and writes nothing yet: what is needed is opened when
// a method needs it.
func Open(o Options) (*Store, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("opening store %q: not an absolute path", o.Dir)
	}
	return &Store{opts: o}, nil
}

// Close ends the lease of this process and closes what is open. Layers nobody else refers to by then
// go at the next removal. What failed between a record and its flush leaves the lease, as what is killed
// there does: the next command flushes the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.lease.end
	if s.halfway.Load() {
		end = s.lease.abandon
	}
	err := end()
	s.lease = nil
	if s.lib != nil {
		_ = s.holdBack() // there may be no room for it
	}
	return err
}

// Dir is the directory the store was opened with.
func (s *Store) Dir() string { return s.opts.Dir }

// Mapping is the id mapping the store was opened with.
func (s *Store) Mapping() idmap.Mapping { return s.opts.Mapping }

// loadDefaults makes the library take its defaults from nowhere: it would read the user's
// storage.conf, which is about other tools' stores, and fail when that is broken.
var loadDefaults = sync.OnceValue(func() error {
	for _, kv := range [][2]string{
		{"CONTAINERS_STORAGE_CONF", "/dev/null"}, {"STORAGE_DRIVER", ""}, {"STORAGE_OPTS", ""}, {"_CONTAINERS_ROOTLESS_UID", ""},
	} {
		old, had := os.LookupEnv(kv[0])
		if kv[1] == "" {
			os.Unsetenv(kv[0])
		} else {
			os.Setenv(kv[0], kv[1])
		}
		defer func() {
			if had {
				os.Setenv(kv[0], old)
			} else {
				os.Unsetenv(kv[0])
			}
		}()
	}
	_, err := types.DefaultStoreOptions()
	return err
})

// library opens go.podman.io/storage for writing; the first time it also clears away what killed
// commands left.
func (s *Store) library() (cstorage.Store, error) {
	s.mu.Lock()
	if s.lib != nil {
		defer s.mu.Unlock()
		return s.lib, nil
	}
	// A process that is killed in the library leaves a lease, by which the next one sees it.
	var lib cstorage.Store
	err := s.ensureLease()
	if err == nil {
		lib, err = s.openLibrary()
	}
	if err == nil {
		s.lib = lib
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return lib, s.recover()
}

func (s *Store) openLibrary() (cstorage.Store, error) {
	for _, dir := range []string{s.opts.Dir, s.leasesDir(), s.tmpDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("opening store: %w", err)
		}
	}
	if err := loadDefaults(); err != nil {
		return nil, fmt.Errorf("opening store %s: %w", s.opts.Dir, err)
	}
	options := []string{
		"overlay.sync=filesystem",
		"overlay.skip_mount_home=true",
	}
	if !s.opts.Mapping.Native() {
		// The library makes each layer's directory with the owner of its parent's root, which it
		// takes from our xattr and can not chown to here. With a mask it keeps the directory ours;
		// the adopted tree, whose root carries its own xattr, then takes the directory's place.
		options = append(options, "overlay.force_mask=755")
	}
	// Whether the kernel maps ids for a mount is asked with a copy of this process in a user namespace of its
	// own. Plain root's is a child of the initial one: there every process of that root, also a container's
	// with --pid host, has all capabilities and reads the copy's descriptors and secrets. We map no mounts.
	os.Setenv("_CONTAINERS_OVERLAY_DISABLE_IDMAP", "yes")
	quiet()
	lib, err := cstorage.GetStore(types.StoreOptions{
		GraphRoot:          s.graphRoot(),
		RunRoot:            filepath.Join(s.opts.Dir, "run"),
		GraphDriverName:    "overlay",
		GraphDriverOptions: options,
	})
	switch { // the library takes it for a kernel that can not do what it tries
	case err == nil:
	case s.cramped():
		err = fmt.Errorf("%w (%w)", unix.ENOSPC, err)
	case !xattrs(s.tmpDir()):
		err = lacking{}
	}
	if err != nil {
		return nil, fmt.Errorf("opening store %s: %w", s.opts.Dir, err)
	}
	return lib, nil
}

func (s *Store) lockFile() string  { return filepath.Join(s.opts.Dir, "lock") }
func (s *Store) leasesDir() string { return filepath.Join(s.opts.Dir, "leases") }
func (s *Store) tmpDir() string    { return filepath.Join(s.opts.Dir, "tmp") }

// shared keeps layers from being removed while it is held.
func (s *Store) shared() (*journal.Lock, error) {
	l, err := journal.TakeShared(s.lockFile())
	if err != nil {
		return nil, fmt.Errorf("locking store: %w", err)
	}
	return l, nil
}

// exclusive lets this process remove layers: nobody is between finding them and using them. The
// library is open then, and what killed commands left is gone.
func (s *Store) exclusive() (*journal.Lock, error) {
	s.makeRoom()
	if _, err := s.library(); err != nil {
		return nil, err
	}
	return s.alone()
}

// alone is exclusive for who does not write.
func (s *Store) alone() (*journal.Lock, error) {
	l, err := journal.TakeExclusive(s.lockFile())
	if err != nil {
		return nil, fmt.Errorf("locking store: %w", err)
	}
	return l, nil
}

// flush makes the names of new records survive a power cut: the library flushes the records
// themselves, but not the directories they are renamed in. With new layers it flushes all, and tells when
// something of them could not be written: the library asks too late for what others have been told.
func (s *Store) flush(imageID string) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	layers := s.newLayers.Swap(false)
	if l := s.held(); layers && l != nil {
		if err := l.sync(); err != nil {
			s.newLayers.Store(true)
			return fmt.Errorf("flushing the store: %w", err)
		}
	}
	// An image is there when its layers are.
	dirs := []string{filepath.Dir(s.layersFile()), filepath.Dir(s.imagesFile())}
	if imageID != "" {
		dirs = append([]string{filepath.Join(filepath.Dir(s.imagesFile()), imageID)}, dirs...)
	}
	for _, dir := range dirs {
		if err := journal.SyncDir(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			if layers {
				s.newLayers.Store(true)
			}
			return fmt.Errorf("flushing the store: %w", err)
		}
	}
	return nil
}
