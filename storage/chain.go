package storage

import (
	"errors"
	"fmt"
	"os"

	"github.com/dhow-containers/dhow/storage/journal"
)

// Chain is an image's layers held against removal.
type Chain struct {
	Image  Image
	Layers []Layer // base first

	lock *journal.Lock
}

// Close lets the layers go.
func (c *Chain) Close() error {
	if c == nil || c.lock == nil {
		return nil
	}
	err := c.lock.Unlock()
	c.lock = nil
	return err
}

// Chain finds an image and holds its layers: nothing can be removed from the store until Close, so
// hold it only until a container record names the image. It writes nothing and never waits for the
// disk, but it waits for a removal in progress. name is what Lookup takes.
func (s *Store) Chain(name string) (*Chain, error) { return s.ChainFor(name, "") }

// ErrPacked is returned by ChainFor for an image whose layers are not unpacked yet: see Unpack.
var ErrPacked = errors.New("the image is not unpacked")

// ChainFor is Chain for a platform, as LookupFor takes it.
func (s *Store) ChainFor(name, platform string) (*Chain, error) {
	lock, err := s.shared()
	if errors.Is(err, os.ErrNotExist) {
		return nil, notFound(name) // there is no store yet
	}
	if err != nil {
		return nil, err
	}
	img, err := s.LookupFor(name, platform)
	if err == nil && img.Packed {
		err = ErrPacked
	}
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return &Chain{Image: img, Layers: img.Layers, lock: lock}, nil
}

// Hold is Chain for long work (a build): the layers are held by a lease of this process, other
// images can be removed meanwhile. The lease ends with Store.Close; closing the chain does nothing.
func (s *Store) Hold(name string) (*Chain, error) {
	c, err := s.Chain(name)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(c.Layers))
	for i, l := range c.Layers {
		ids[i] = l.ID
	}
	err = s.keep(ids...)
	if err = errors.Join(err, c.Close()); err != nil {
		return nil, err
	}
	return c, nil
}

// HoldLayers holds layers by id as Hold does an image's: a build's cached steps. ErrNotFound when
// one of them, or one below it, is gone.
func (s *Store) HoldLayers(ids ...string) (err error) {
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	layers, err := s.layerRecords()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := layers[id]; !ok {
			return fmt.Errorf("layer %s: %w", short(id), ErrNotFound)
		}
	}
	return s.keep(ids...)
}
