package storage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/storage/manifest"
	"github.com/dhow-containers/dhow/storage/reference"
)

var (
	// ErrNotFound is returned when no image (or layer) goes by the name.
	ErrNotFound = errors.New("no such image")
	// ErrAmbiguous is returned by Lookup when an id prefix fits several images.
	ErrAmbiguous = errors.New("image id prefix fits several images")
)

// Lookup finds an image by full or short name ("alpine", "docker.io/library/alpine:latest",
// "localhost/x"), by name@digest, by id or by the beginning of an id. A name of an index means the
// platform this machine runs best of those that are here; see LookupFor for others. ErrNotFound,
// ErrAmbiguous.
func (s *Store) Lookup(name string) (Image, error) { return s.LookupFor(name, "") }

func notFound(name string) error { return fmt.Errorf("%w: %s", ErrNotFound, name) }

// find gives the record Lookup means. The order is docker's: a whole id, a name, the beginning of
// an id.
func (s *Store) find(name string) (imageRecord, error) {
	r, _, err := s.findNamed(name)
	return r, err
}

// findNamed is find with the name of the image that was meant, the zero Name when it was its id.
func (s *Store) findNamed(name string) (r imageRecord, n reference.Name, err error) {
	hex, whole, isID := reference.ID(name)
	if whole {
		r, err = s.findID(hex, name)
		return r, n, err
	}
	candidates, err := reference.Candidates(name)
	if err == nil {
		r, n, ok, ferr := s.findName(candidates)
		if ok || ferr != nil {
			return r, n, ferr
		}
	}
	if isID {
		r, ferr := s.findID(hex, name)
		if ferr == nil || !errors.Is(ferr, ErrNotFound) {
			return r, n, ferr
		}
	}
	if err != nil && !isID {
		return r, n, err
	}
	if full, ok := s.configuredName(name); ok {
		if r, n, ok, err := s.findName([]reference.Name{full}); ok || err != nil {
			return r, n, err
		}
	}
	return r, n, notFound(name)
}

func (s *Store) findID(hex, name string) (imageRecord, error) {
	records, err := s.imageRecords([][]byte{[]byte(`"id":"` + hex)})
	if err != nil {
		return imageRecord{}, err
	}
	records = slices.DeleteFunc(records, func(r imageRecord) bool {
		_, whole := r.metadata()
		return !whole || !strings.HasPrefix(r.ID, hex)
	})
	switch len(records) {
	case 0:
		return imageRecord{}, notFound(name)
	case 1:
		return records[0], nil
	}
	return imageRecord{}, fmt.Errorf("%w: %s", ErrAmbiguous, name)
}

// findName gives the image of the first candidate that has one, and which that is. Of the images of
// an index it is the one this machine runs best.
func (s *Store) findName(candidates []reference.Name) (r imageRecord, n reference.Name, ok bool, err error) {
	var wanted [][]byte
	for _, c := range candidates {
		if c.Digest != "" {
			wanted = append(wanted, []byte(c.Digest.String()))
		} else {
			wanted = append(wanted, []byte(`"`+c.Tagged()+`"`))
		}
	}
	records, err := s.imageRecords(wanted)
	if err != nil {
		return r, n, false, err
	}
	for _, c := range candidates {
		var fit []imageRecord
		for _, r := range records {
			if m, whole := r.metadata(); whole && named(r, m, c) {
				fit = append(fit, r)
			}
		}
		if len(fit) == 1 {
			return fit[0], c, true, nil
		}
		if len(fit) > 1 {
			return s.bestRecord(fit), c, true, nil
		}
	}
	return r, n, false, nil
}

// bestRecord is the one this machine runs best.
func (s *Store) bestRecord(records []imageRecord) imageRecord {
	return slices.MinFunc(records, func(a, b imageRecord) int {
		ma, _ := a.metadata()
		mb, _ := b.metadata()
		return cmp.Or(rank(s.recordPlatform(a, ma))-rank(s.recordPlatform(b, mb)), strings.Compare(a.ID, b.ID))
	})
}

// named reports whether the record goes by n. A digest says all; a tag beside it is decoration, as
// in docker.
func named(r imageRecord, m imageMetadata, n reference.Name) bool {
	if n.Digest != "" {
		return slices.Contains(m.Digests, n.Repository()+"@"+n.Digest.String())
	}
	return slices.Contains(r.Names, n.Tagged())
}

// Images gives all images, newest first.
func (s *Store) Images() ([]Image, error) { return s.images(s.imageOf) }

// Overview is Images with what the records tell. There is no Config, Layers, RawConfig and RawManifest,
// and a Digest only where an image has several: they are in files of each image, which most lists have no
// use for. Images whose place in a list depends on them (see Behind) are whole.
func (s *Store) Overview() ([]Image, error) {
	return s.images(func(r imageRecord) (Image, bool, error) {
		m, whole := r.metadata()
		if r.Digest == "" && len(m.Digests) > 1 || len(r.Names) == 0 && len(m.Indexes) > 0 { // see Behind
			return s.imageOf(r)
		}
		return recorded(r, m), whole, nil
	})
}

func (s *Store) images(of func(imageRecord) (Image, bool, error)) ([]Image, error) {
	records, err := s.imageRecords(nil)
	if err != nil {
		return nil, err
	}
	images := make([]Image, 0, len(records))
	for _, r := range records {
		img, whole, err := of(r)
		if err != nil {
			return nil, err
		}
		if whole {
			images = append(images, img)
		}
	}
	slices.SortStableFunc(images, func(a, b Image) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return images, nil
}

// Layer finds a layer by id. ErrNotFound when it is gone.
func (s *Store) Layer(id string) (Layer, error) {
	layers, err := s.layerRecords()
	if err != nil {
		return Layer{}, err
	}
	r, ok := layers[id]
	if !ok {
		return Layer{}, fmt.Errorf("layer %s: %w", short(id), ErrNotFound)
	}
	return s.layerOf(r)
}

func (s *Store) layerOf(r layerRecord) (l Layer, err error) {
	l = Layer{ID: r.ID, DiffID: r.DiffID, Dir: s.layerDir(r.ID), Size: r.Size}
	if !s.opts.Mapping.Native() {
		l.Links, err = s.readLinks(r.ID)
	}
	return l, err
}

// LayerSizes gives the bytes of each layer's tar, in the order of img.Layers (whose Size is not
// filled by Lookup, because the run path does not need it); of a Packed image the bytes of the blob,
// where the layer is none of the store's.
func (s *Store) LayerSizes(img Image) ([]int64, error) {
	layers, err := s.layerRecords()
	if err != nil {
		return nil, err
	}
	sizes := make([]int64, len(img.Layers))
	for i, l := range img.Layers {
		sizes[i] = layers[l.ID].Size
	}
	if img.Packed {
		blobs, err := manifest.ParseBlobs(img.RawManifest)
		if err != nil {
			return nil, err
		}
		for i := range sizes {
			if _, here := layers[img.Layers[i].ID]; !here && i+1 < len(blobs) {
				sizes[i] = blobs[i+1].Size
			}
		}
	}
	return sizes, nil
}

// Count gives the number of images in the store at dir, without opening it: for telling people of
// stores that belong to other mappings.
func Count(dir string) (int, error) {
	s := &Store{opts: Options{Dir: dir}}
	records, err := s.imageRecords(nil)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range records {
		if _, whole := r.metadata(); whole {
			n++
		}
	}
	return n, nil
}
