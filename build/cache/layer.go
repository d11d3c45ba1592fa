package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
)

// Layer is a cached layer in use: it can not be removed until Release.
type Layer struct {
	Record
	cache   *Cache
	lock    *Lock
	dir     *os.File // O_PATH: stays right when the tree moves into the store
	release sync.Once
}

// Dir is a path of the layer's tree, valid in this process until Release, also when another
// process moves the tree into the store meanwhile.
func (l *Layer) Dir() string {
	// With the dot it is a directory also for those who follow no symlink at the end.
	return "/proc/self/fd/" + strconv.Itoa(int(l.dir.Fd())) + "/."
}

// Release ends the use of the layer. It may be called more than once.
func (l *Layer) Release() {
	l.release.Do(func() {
		l.dir.Close()
		l.lock.Close()
		if !l.Once && !l.cache.spare(l.Key) {
			return
		}
		lock, err := TryLock(l.cache.lockPath(l.Key), true)
		if lock == nil || err != nil {
			return // its other users do it
		}
		defer lock.Close()
		if l.Once {
			if l.cache.drop(l.Key) == nil {
				lock.Remove()
			}
		} else if l.cache.spare(l.Key) {
			_ = l.cache.discard(l.cache.layerPath(l.Key)) // drop would do it at the latest
		}
	})
}

// spare tells that the tree of key is still in the cache although the store has the layer: it had an
// equal one, and others were reading ours.
func (c *Cache) spare(key string) bool {
	if _, err := os.Lstat(c.layerPath(key)); err != nil {
		return false
	}
	r, err := c.read(key)
	return err == nil && r != nil && r.StoreLayer != ""
}

// Find gives the layer of key that was made on the identity below, held, or nil when there is none
// now. It waits for nobody who makes or uses the layer.
func (c *Cache) Find(key, below string) (*Layer, error) {
	if r, err := c.Peek(key, below); r == nil || err != nil {
		return nil, err
	}
	lock, err := TryLock(c.lockPath(key), false)
	if lock == nil || err != nil {
		return nil, err
	}
	l, err := c.open(key, lock)
	if l != nil && l.Below != below {
		l.dir.Close()
		l = nil
	}
	if l == nil || err != nil {
		lock.Close()
		return nil, err
	}
	c.used(key)
	return l, nil
}

// Peek tells what Find would give, without holding it.
func (c *Cache) Peek(key, below string) (*Record, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	r, err := c.usable(key)
	if r == nil || err != nil || r.Below != below {
		return nil, err
	}
	return r, nil
}

// open gives the layer of key under lock; nil when its record or its tree is not there. A tree
// that moved into the store after the record was read is looked for again.
func (c *Cache) open(key string, lock *Lock) (*Layer, error) {
	for range 3 {
		r, err := c.usable(key)
		if r == nil || err != nil {
			return nil, err
		}
		path := c.layerPath(key)
		if r.StoreLayer != "" {
			// A power cut may have taken its pin.
			if path, err = c.pins.Hold(r.StoreLayer); err != nil || path == "" {
				return nil, err
			}
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			return &Layer{Record: *r, cache: c, lock: lock, dir: os.NewFile(uintptr(fd), path)}, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, nil
}

// usable gives the record of key when its layer can be used: written in this form, settled on the
// disk, and not lost.
func (c *Cache) usable(key string) (*Record, error) {
	r, err := c.read(key)
	if r == nil || err != nil || !c.settled(r) {
		return nil, err
	}
	if r.StoreLayer == "" {
		if _, err := os.Lstat(c.layerPath(key)); err == nil {
			return r, nil
		}
		// It may be moving just now: the record follows the tree.
		if r, err = c.read(key); r == nil || err != nil || r.StoreLayer == "" {
			return nil, err
		}
	}
	if c.pins == nil {
		return nil, nil
	}
	if _, err := c.pins.LayerDir(r.StoreLayer); err != nil {
		return nil, nil
	}
	return r, nil
}

// Move brings the layer's tree into the image store by way of adopt, which renames dir away and
// gives the id of the layer it became on top of parent. When the store has such a layer already, adopt
// leaves dir alone: it goes with the last Release. When another process moved it already,
// adopt is not called. Afterwards StoreLayer and StoreParent tell where the tree is; they may name
// another parent than the one asked for.
func (l *Layer) Move(parent string, adopt func(dir string) (string, error)) error {
	c := l.cache
	if c.pins == nil {
		return fmt.Errorf("moving the layer of %s: this cache has no store", l.Name)
	}
	path := filepath.Join(c.dir, "tmp", "move-"+l.Key+".lock") // swept when we are killed
	moving, err := journal.TakeLock(path, true)
	if err != nil {
		return fmt.Errorf("moving the layer of %s: %w", l.Name, err)
	}
	defer func() {
		os.Remove(path)
		moving.Unlock()
	}()
	r, err := c.read(l.Key)
	if err == nil && r == nil {
		err = fmt.Errorf("its record is gone")
	}
	if err != nil {
		return fmt.Errorf("moving the layer of %s: %w", l.Name, err)
	}
	if r.StoreLayer != "" {
		l.Record = *r
		return nil
	}
	id, err := adopt(c.layerPath(l.Key))
	if err != nil {
		return err
	}
	if err := c.pins.Pin(id, pinOwner+l.Key); err != nil {
		return fmt.Errorf("keeping the layer of %s in the store: %w", l.Name, err)
	}
	r.StoreLayer, r.StoreParent = id, parent
	if err := c.write(*r); err != nil {
		return err
	}
	l.Record = *r
	return nil
}
