// Package cache remembers the layers that build steps made, by the key of the step.
//
// A Cache is a folder of one store, shared by every dhow process that uses the store:
//
//	records/KEY.json   what is known of the layer of KEY; written last, so it is the proof
//	records/KEY.uses   one byte a use; its length is the use count
//	layers/KEY/        the layer's tree, in the form of an overlay upper directory
//	locks/KEY          flock: exclusive while the layer is made, shared while it is used
//	notes/KEY          small facts that spare work; see note.go
//	mounts/HASH/       the contents of RUN --mount=type=cache (see build/mount)
//	tmp/ID, tmp/ID.lock  work in progress; the lock dies with its process, and then the work is swept
//
// A layer that ends up in an image moves into the image store, where it is pinned; its record then
// names the store's layer. Nothing here knows how keys come about (key.go) or how layers are made.
package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Pins is the part of the image store that the cache needs: keeping the layers that moved there,
// and letting them go.
type Pins interface {
	// Pin keeps the layer although no image may name it.
	Pin(layerID, owner string) error
	// UnpinOwner ends all that owner has. The layers go when nothing else needs them.
	UnpinOwner(owner string) error
	// PinOwners lists the owners that begin with prefix.
	PinOwners(prefix string) ([]string, error)
	// LayerDir gives the tree of the layer, an error when the store has no such layer.
	LayerDir(layerID string) (string, error)
	// Hold gives the tree of the layer, "" when the store has no such layer, and keeps it for this process,
	// pinned or not.
	Hold(layerID string) (string, error)
}

// Cache is an open cache folder. Its methods may be called from many goroutines.
type Cache struct {
	dir  string
	pins Pins
}

// Open opens the cache folder dir, making it when it is missing, and removes the work of
// processes that died. A nil pins is a cache whose layers never move.
func Open(dir string, pins Pins) (*Cache, error) {
	c := &Cache{dir: dir, pins: pins}
	for _, d := range []string{"", "records", "layers", "locks", "mounts", "tmp"} {
		// On a full disk what is not there is empty: it can still be pruned.
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
			return nil, fmt.Errorf("opening the build cache: %w", err)
		}
	}
	if err := c.sweep(); err != nil {
		return nil, err
	}
	return c, nil
}

// Dir is the cache folder.
func (c *Cache) Dir() string { return c.dir }

// MountsDir is where the contents of cache mounts live.
func (c *Cache) MountsDir() string { return filepath.Join(c.dir, "mounts") }

func (c *Cache) recordPath(key string) string {
	return filepath.Join(c.dir, "records", key+".json")
}
func (c *Cache) usesPath(key string) string { return filepath.Join(c.dir, "records", key+".uses") }
func (c *Cache) layerPath(key string) string {
	return filepath.Join(c.dir, "layers", key)
}
func (c *Cache) lockPath(key string) string { return filepath.Join(c.dir, "locks", key) }
