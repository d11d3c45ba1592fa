package run

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
)

// holdImage finds the image of a mount and holds its layers until the container's record names them.
func (c *container) holdImage(m *spec.Mount, note *record.Mount) (*storage.Chain, error) {
	chain, err := c.o.Store.Chain(m.Source)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("mounting an image at %s: No such image: %s", m.Target, m.Source)
	}
	if err != nil {
		return nil, err
	}
	for _, l := range chain.Layers {
		m.Layers = append(m.Layers, l.ID)
	}
	note.ImageID, note.Layers = chain.Image.ID, m.Layers
	c.known(chain.Layers)
	return chain, nil
}

// known notes layers of mounted images.
func (c *container) known(layers []storage.Layer) {
	if c.imageLayers == nil {
		c.imageLayers = map[string]storage.Layer{}
	}
	for _, l := range layers {
		c.imageLayers[l.ID] = l
	}
}

// loadImages finds the layers of mounted images again, for a later start.
func (c *container) loadImages(store *storage.Store) error {
	for _, m := range c.w.Mounts {
		for _, id := range m.Layers {
			l, err := store.Layer(id)
			if err != nil {
				return fmt.Errorf("the image mounted at %s: %w", filepath.Clean(m.Target), err)
			}
			c.known([]storage.Layer{l})
		}
	}
	return nil
}
