package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cstorage "go.podman.io/storage"

	"github.com/dhow-containers/dhow/storage/journal"
)

// recover clears away what killed commands left; it gives up at once when the store is in use.
func (s *Store) recover() error {
	if !s.deadLease() {
		return nil
	}
	lock, err := journal.TryLock(s.lockFile(), true)
	if err != nil || lock == nil {
		return err
	}
	_, err = s.sweepBesides()
	return errors.Join(err, lock.Unlock())
}

// sweepBesides is sweep for who was asked for something else: litter that stays is in nobody's way, and
// the next command tries again.
func (s *Store) sweepBesides() (removed []string, err error) {
	if removed, err = s.sweep(); errors.Is(err, errLitter) {
		err = nil
	}
	return removed, err
}

// sweep removes the layers nobody refers to, topmost first, and gives their ids. Image records that
// were never finished go too, and blobs no image's index leads to. The caller holds the exclusive lock.
func (s *Store) sweep() (removed []string, err error) {
	lib, err := s.library()
	if err != nil {
		return nil, err
	}
	images, err := s.imageRecords(nil)
	if err != nil {
		return nil, err
	}
	strays := s.findStrays()
	leases, err := s.leased()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, leases.release()) }()
	roots := leases.kept
	for _, r := range images {
		if _, whole := r.metadata(); !whole {
			// Under the exclusive lock nobody is in the middle of making it.
			if err := lib.Delete(r.ID); err != nil && !errors.Is(err, cstorage.ErrLayerUnknown) {
				return nil, fmt.Errorf("removing unfinished image %s: %w", short(r.ID), err)
			}
			continue
		}
		roots[r.TopLayer] = true
	}
	if err := s.dropStalePins(); err != nil {
		return nil, err
	}
	if err := s.dropArrivals(false); err != nil {
		return nil, err
	}
	pins, err := s.pins().Read()
	if err != nil {
		return nil, err
	}
	for id := range pins {
		roots[id] = true
	}
	layers, err := s.layerRecords()
	if err != nil {
		return nil, err
	}
	removed, err = s.removeLayers(lib, unneeded(layers, roots))
	if err = errors.Join(err, s.sweepMapped(roots), s.sweepVault(images, roots)); err != nil || len(leases.dead) == 0 {
		return removed, err
	}
	// Others may be trying what the kernel can do just now.
	left := leases.others > 0 && len(strays) > 0
	if left {
		strays = nil
	}
	// What a killed command had done but not flushed the next one takes for done: see upToDate.
	err = errors.Join(s.clearLitter(lib, strays), journal.SyncFilesystem(s.opts.Dir))
	return removed, errors.Join(err, leases.bury(left || err != nil))
}

// unneeded gives the layers that no root stands on, topmost first.
func unneeded(layers map[string]layerRecord, roots map[string]bool) []string {
	needed := map[string]bool{}
	for id := range roots {
		for ; id != "" && !needed[id]; id = layers[id].Parent {
			needed[id] = true
		}
	}
	depth := map[string]int{}
	var ids []string
	for id := range layers {
		if !needed[id] {
			for at := id; at != ""; at = layers[at].Parent {
				depth[id]++
			}
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		if d := depth[b] - depth[a]; d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	return ids
}

func (s *Store) removeLayers(lib cstorage.Store, ids []string) ([]string, error) {
	var removed []string
	for _, id := range ids {
		err := lib.DeleteLayer(id)
		if err != nil && !errors.Is(err, cstorage.ErrLayerUnknown) && !errors.Is(err, cstorage.ErrNotALayer) {
			return removed, fmt.Errorf("removing layer %s: %w", short(id), err)
		}
		removed = append(removed, id)
	}
	return removed, nil
}

// pinned maps a layer to those who pin it.
type pinned map[string][]string

// pins is not flushed: who finds a cached layer gone makes it again.
func (s *Store) pins() journal.File[pinned] {
	return journal.File[pinned]{Path: filepath.Join(s.opts.Dir, "pins.json"), Version: 1, Lossy: true}
}

// containerPin is how the owner of a pin begins that keeps the layers of a container, whose image was
// removed by force.
const containerPin = "container:"

// dropStalePins ends the pins of containers that are gone: who removes itself at its end, or was killed
// while it did, does not come to that.
func (s *Store) dropStalePins() error {
	stale := func(owner string) bool {
		id, ok := strings.CutPrefix(owner, containerPin)
		if !ok {
			return false
		}
		_, err := os.Lstat(filepath.Join(s.opts.Dir, "containers", filepath.Base(id)))
		return errors.Is(err, fs.ErrNotExist)
	}
	now, err := s.pins().Read()
	if err != nil {
		return err
	}
	found := false
	for _, owners := range now {
		found = found || slices.ContainsFunc(owners, stale)
	}
	if !found {
		return nil
	}
	return s.pins().Update(func(p *pinned) error {
		for id, owners := range *p {
			if owners = slices.DeleteFunc(owners, stale); len(owners) == 0 {
				delete(*p, id)
			} else {
				(*p)[id] = owners
			}
		}
		return nil
	})
}

// Pin keeps a layer, and those below it, on behalf of owner ("cache"): removal of images leaves it.
// ErrNotFound when the layer is gone.
func (s *Store) Pin(layerID, owner string) error { return s.PinAll([]string{layerID}, owner) }

// PinAll is Pin for several layers at the price of one.
func (s *Store) PinAll(layerIDs []string, owner string) (err error) {
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	layers, err := s.layerRecords()
	if err != nil {
		return err
	}
	return s.pins().Update(func(p *pinned) error {
		if *p == nil {
			*p = pinned{}
		}
		for _, id := range layerIDs {
			if _, ok := layers[id]; !ok {
				return fmt.Errorf("pinning layer %s: %w", short(id), ErrNotFound)
			}
			if !slices.Contains((*p)[id], owner) {
				(*p)[id] = append((*p)[id], owner)
			}
		}
		return nil
	})
}

// Unpin ends a pin; the layer goes at the next Sweep or removal when nothing else needs it.
func (s *Store) Unpin(layerID, owner string) error { return s.UnpinAll([]string{layerID}, owner) }

// UnpinAll is Unpin for several layers at the price of one.
func (s *Store) UnpinAll(layerIDs []string, owner string) error {
	return s.unpin(layerIDs, func(o string) bool { return o == owner })
}

func (s *Store) unpin(layerIDs []string, whose func(owner string) bool) error {
	s.makeRoom()
	return s.pins().Update(func(p *pinned) error {
		for _, id := range layerIDs {
			owners := slices.DeleteFunc((*p)[id], whose)
			if len(owners) == 0 {
				delete(*p, id)
			} else {
				(*p)[id] = owners
			}
		}
		return nil
	})
}

// PinOwners lists the owners of pins that begin with prefix.
func (s *Store) PinOwners(prefix string) ([]string, error) {
	pins, err := s.pins().Read()
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, owners := range pins {
		for _, o := range owners {
			if strings.HasPrefix(o, prefix) {
				all[o] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// UnpinOwner ends all pins of an owner. Nothing is written when it has none.
func (s *Store) UnpinOwner(owner string) error {
	s.makeRoom()
	owners, err := s.PinOwners(owner)
	if err != nil || !slices.Contains(owners, owner) {
		return err
	}
	return s.pins().Update(func(p *pinned) error {
		for id, owners := range *p {
			if owners = slices.DeleteFunc(owners, func(o string) bool { return o == owner }); len(owners) == 0 {
				delete(*p, id)
			} else {
				(*p)[id] = owners
			}
		}
		return nil
	})
}

// Sweep removes the layers nobody refers to and gives their ids; it waits until nobody is about to
// use one.
func (s *Store) Sweep() (removed []string, err error) {
	lock, err := s.exclusive()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return s.sweep()
}
