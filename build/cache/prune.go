package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/storage/journal"
)

// Entry is one thing the cache keeps.
type Entry struct {
	ID       string // key of a layer, hash of a cache mount
	Type     string // "regular" (a layer), "exec.cachemount"
	Name     string // the step that made it, or the id of the mount
	Size     int64  // bytes
	Created  time.Time
	LastUsed time.Time
	Uses     int64
	// Shared means that the layer lies in the image store; it takes room until no image has it.
	Shared bool
	// InUse means that a running build holds it.
	InUse bool
}

// PruneOptions say what may go.
type PruneOptions struct {
	All bool // also the contents of cache mounts
	// Until spares what was used after it; zero spares nothing.
	Until time.Time
	// KeepBytes stops when the cache is no larger than that, the longest unused going first; zero
	// keeps nothing.
	KeepBytes int64
	// Spare keeps the entries it is true of; nil keeps none.
	Spare func(Entry) bool
}

// Usage lists what the cache keeps, the longest unused first.
func (c *Cache) Usage() ([]Entry, error) {
	list, err := c.layers()
	if err != nil {
		return nil, err
	}
	mounts, err := c.mounts()
	if err != nil {
		return nil, err
	}
	list = append(list, mounts...)
	sort.Slice(list, func(i, j int) bool { return list[i].LastUsed.Before(list[j].LastUsed) })
	return list, nil
}

// Prune removes what nobody uses now, as far as o allows, and lists what went.
func (c *Cache) Prune(o PruneOptions) ([]Entry, error) {
	list, err := c.Usage()
	if err != nil {
		return nil, err
	}
	var total int64
	for _, e := range list {
		total += e.Size
	}
	var gone []Entry
	var errs []error
	for _, e := range list {
		if o.KeepBytes > 0 && total <= o.KeepBytes {
			break
		}
		if e.Type == mountType && !o.All || !o.Until.IsZero() && e.LastUsed.After(o.Until) || o.Spare != nil && o.Spare(e) {
			continue
		}
		ok, err := c.remove(e)
		if err != nil {
			errs = append(errs, err)
		}
		if ok {
			total -= e.Size
			gone = append(gone, e)
		}
	}
	c.strays()
	errs = append(errs, c.orphans(), c.forget())
	return gone, errors.Join(errs...)
}

const (
	layerType = "regular"
	mountType = "exec.cachemount"
)

// remove takes one entry away; false when somebody uses it.
func (c *Cache) remove(e Entry) (bool, error) {
	path := c.lockPath(e.ID)
	if e.Type == mountType {
		path = filepath.Join(c.MountsDir(), e.ID+".lock")
	}
	lock, err := TryLock(path, true)
	if lock == nil || err != nil {
		return false, err
	}
	if e.Type == mountType {
		err = os.RemoveAll(filepath.Join(c.MountsDir(), e.ID))
		os.Remove(filepath.Join(c.MountsDir(), e.ID+".json"))
	} else {
		err = c.drop(e.ID)
	}
	if err != nil {
		lock.Close()
		return false, err
	}
	return true, lock.Remove()
}

// drop removes whatever there is of key: first the record, which is the claim, then the tree. The
// caller holds the key's lock.
func (c *Cache) drop(key string) error {
	if err := os.Remove(c.recordPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a cached layer: %w", err)
	}
	os.Remove(c.usesPath(key))
	if err := c.discard(c.layerPath(key)); err != nil {
		return fmt.Errorf("removing a cached layer: %w", err)
	}
	if c.pins != nil { // a killed command may have removed the record alone, or not have come to write it
		if err := c.pins.UnpinOwner(pinOwner + key); err != nil {
			return fmt.Errorf("letting a cached layer go: %w", err)
		}
	}
	return nil
}

// pinOwner and a key own the pin of the layer the key's tree became.
const pinOwner = "cache:"

// discard removes a tree. A process that died in between leaves nothing that looks whole, because
// the tree loses its name first.
func (c *Cache) discard(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := c.Scratch()
	if err != nil {
		return os.RemoveAll(dir) // on a full disk there is no room for a scratch folder
	}
	if err := os.Rename(dir, filepath.Join(s.Dir, "gone")); err != nil {
		s.Close()
		return os.RemoveAll(dir)
	}
	return s.Close()
}

// orphans removes trees without a record, which a crash may leave, records that no longer count, and
// the locks of what is not there.
func (c *Cache) orphans() error {
	keys := map[string]bool{}
	for _, d := range []string{"layers", "records", "locks"} {
		entries, err := os.ReadDir(filepath.Join(c.dir, d))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reading the build cache: %w", err)
		}
		for _, e := range entries {
			key := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".json"), ".uses")
			if checkKey(key) == nil {
				keys[key] = true
			}
		}
	}
	if c.pins != nil {
		owners, err := c.pins.PinOwners(pinOwner)
		if err != nil {
			return fmt.Errorf("reading the build cache: %w", err)
		}
		for _, o := range owners {
			if key := strings.TrimPrefix(o, pinOwner); checkKey(key) == nil {
				keys[key] = true
			}
		}
	}
	var errs []error
	for key := range keys {
		if r, err := c.usable(key); r != nil || err != nil {
			continue
		}
		lock, err := TryLock(c.lockPath(key), true)
		if lock == nil || err != nil {
			continue
		}
		if r, _ := c.usable(key); r != nil {
			lock.Close()
			continue
		}
		if err := c.drop(key); err != nil {
			errs = append(errs, err)
			lock.Close()
			continue
		}
		lock.Remove()
	}
	return errors.Join(errs...)
}

// strays removes the files that a killed process was about to put in the place of others.
func (c *Cache) strays() {
	names, _ := filepath.Glob(filepath.Join(c.dir, "*/.new-*")) // fails for bad patterns only
	for _, name := range names {
		if claim, err := journal.ClaimNamed(name); err == nil {
			claim.Close()
		}
	}
}

// layers lists the records that count.
func (c *Cache) layers() ([]Entry, error) {
	names, err := os.ReadDir(filepath.Join(c.dir, "records"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the build cache: %w", err)
	}
	var out []Entry
	for _, n := range names {
		key, ok := strings.CutSuffix(n.Name(), ".json")
		if !ok || checkKey(key) != nil {
			continue
		}
		r, err := c.usable(key)
		if err != nil || r == nil {
			continue
		}
		e := Entry{ID: key, Type: layerType, Name: r.Name, Size: r.Size, Created: r.Created,
			LastUsed: r.Created, Shared: r.StoreLayer != "", InUse: inUse(c.lockPath(key))}
		if st, err := os.Stat(c.usesPath(key)); err == nil {
			e.LastUsed, e.Uses = st.ModTime(), st.Size()
		}
		out = append(out, e)
	}
	return out, nil
}

// inUse tells whether somebody holds the lock at path.
func inUse(path string) bool {
	l, err := TryLock(path, true)
	if err != nil || l == nil {
		return true
	}
	l.Close()
	return false
}
