package storage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PruneOptions guide PruneImages.
type PruneOptions struct {
	// All takes images with names too, not only those that lost theirs.
	All bool
	// Spare keeps an image; nil keeps none.
	Spare func(Image) bool
	// Users tells which containers use an image: these stay, whatever state the container is in.
	Users func(Image) ([]User, error)
}

// PruneImages removes the images nobody uses, and the layers nobody needs any more. It gives what
// went and the bytes of the layers among it.
func (s *Store) PruneImages(o PruneOptions) (rep Removal, bytes int64, err error) {
	lock, err := s.exclusive()
	if err != nil {
		return Removal{}, 0, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	lib, err := s.library()
	if err != nil {
		return Removal{}, 0, err
	}
	images, err := s.Images()
	if err != nil {
		return Removal{}, 0, err
	}
	before, err := s.layerRecords()
	if err != nil {
		return Removal{}, 0, err
	}
	blobs, err := s.vaultBlobs()
	if err != nil {
		return Removal{}, 0, err
	}
	mapped, err := s.mappedTotal()
	if err != nil {
		return Removal{}, 0, err
	}
	behind := Behind(images)
	spared := map[string]bool{} // heads of families that stay
	for _, img := range images {
		head := cmp.Or(behind[img.ID], img.ID)
		if len(img.Names) > 0 && !o.All || head == img.ID && o.Spare != nil && o.Spare(img) {
			spared[head] = true
		}
		used, err := s.used(img, o.Users)
		if err != nil {
			return rep, 0, err
		}
		if used {
			spared[head] = true
		}
	}
	// Those behind first: a head without them is whole, they without it are not.
	slices.SortStableFunc(images, func(a, b Image) int {
		return strings.Compare(behind[b.ID], behind[a.ID])
	})
	for _, img := range images {
		if spared[cmp.Or(behind[img.ID], img.ID)] {
			continue
		}
		if err := lib.Delete(img.ID); err != nil {
			return rep, 0, fmt.Errorf("deleting image %s: %w", short(img.ID), err)
		}
		rep.Untagged = append(append(rep.Untagged, img.Names...), img.Digests...)
		rep.Deleted = append(rep.Deleted, "sha256:"+img.ID)
		s.noteRemoval(img.ID, Removal{Untagged: img.Names, Deleted: []string{"sha256:" + img.ID}})
	}
	if bytes, err = s.pruneTransfers(); err != nil {
		return rep, bytes, err
	}
	removed, err := s.sweep()
	for _, id := range removed {
		rep.Deleted = append(rep.Deleted, "sha256:"+id)
		bytes += before[id].Size
	}
	left, lerr := s.vaultBlobs()
	mappedLeft, merr := s.mappedTotal()
	bytes += mapped - mappedLeft
	err = errors.Join(err, lerr, merr)
	for d, size := range blobs {
		if _, here := left[d]; !here {
			bytes += size
		}
	}
	s.notePrune(err, bytes)
	if err != nil || len(rep.Deleted) == 0 {
		return rep, bytes, err
	}
	return rep, bytes, s.flush("")
}

// pruneTransfers drops what pulls and pushes keep for the next one.
func (s *Store) pruneTransfers() (bytes int64, err error) {
	if bytes, err = s.sweepPartials(true); err != nil {
		return bytes, err
	}
	n, err := s.sweepCompressed(0)
	if err != nil {
		return bytes + n, err
	}
	return bytes + n, s.dropArrivals(true)
}

// Untag takes names away from an image; without any all it has. The image stays, without a name if
// need be. ErrNotFound when a name is not the image's.
func (s *Store) Untag(image string, names ...string) (err error) {
	s.makeRoom()
	lib, err := s.library()
	if err != nil {
		return err
	}
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	img, err := s.Lookup(image) // the head of an index has its names
	if err != nil {
		return err
	}
	gone := img.Names
	if len(names) > 0 {
		gone = nil
		for _, n := range names {
			byName, full := nameUsed(img, n)
			if !byName || !slices.Contains(img.Names, full) {
				return fmt.Errorf("%s is no name of image %s: %w", n, short(img.ID), ErrNotFound)
			}
			gone = append(gone, full)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := lib.RemoveNames(img.ID, gone); err != nil {
		return fmt.Errorf("untagging %s: %w", image, err)
	}
	s.noteRemoval(img.ID, Removal{Untagged: gone})
	return s.flush("")
}
