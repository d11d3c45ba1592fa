package run

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
)

// findBelow finds what the root filesystem and the mounted images stand on. ErrNotMapped when some of it
// has yet to be made.
func (c *container) findBelow(s *storage.Store) (err error) {
	if c.below, err = s.Below(c.layers, c.shift()); err != nil {
		return err
	}
	c.imageBelow = map[string]storage.Below{}
	for _, m := range c.w.Mounts {
		if m.Type != "image" || len(m.Layers) == 0 {
			continue
		}
		if c.imageBelow[m.Target], err = s.Below(c.mounted(m), c.shift()); err != nil {
			return fmt.Errorf("mounting an image at %s: %w", m.Target, err)
		}
	}
	return nil
}

// mounted gives the layers of a mounted image.
func (c *container) mounted(m spec.Mount) (layers []storage.Layer) {
	for _, id := range m.Layers {
		layers = append(layers, c.imageLayers[id])
	}
	return layers
}

// makeBelow makes what findBelow did not find. The layers are held by then.
func (c *container) makeBelow(ctx context.Context, s *storage.Store) (err error) {
	// What hurries a start is bad for long work.
	percent, procs := debug.SetGCPercent(100), runtime.GOMAXPROCS(runtime.NumCPU())
	defer func() {
		debug.SetGCPercent(percent)
		runtime.GOMAXPROCS(procs)
		err = c.explainFew(err)
	}()
	if err := s.Map(ctx, c.layers, c.shift(), c.o.Tell); err != nil {
		return err
	}
	for _, m := range c.w.Mounts {
		if m.Type != "image" || len(m.Layers) == 0 {
			continue
		}
		if err := s.Map(ctx, c.mounted(m), c.shift(), c.o.Tell); err != nil {
			return fmt.Errorf("mounting an image at %s: %w", m.Target, err)
		}
	}
	return nil
}

// settleBelow is findBelow for a new container, and makes what is missing. Nobody who removes images has
// to wait for that: the layers are kept by a lease while chain, and those of mounted images, are let go.
// It gives the chain that holds the image from then on.
func (c *container) settleBelow(ctx context.Context, chain *storage.Chain) (*storage.Chain, error) {
	s := c.o.Store
	err := c.findBelow(s)
	if !errors.Is(err, storage.ErrNotMapped) {
		return chain, err
	}
	var tops []string
	for _, h := range append([]*storage.Chain{chain}, c.held...) {
		if n := len(h.Layers); n > 0 {
			tops = append(tops, h.Layers[n-1].ID)
		}
	}
	err = s.HoldLayers(tops...)
	for _, h := range append([]*storage.Chain{chain}, c.held...) {
		err = errors.Join(err, h.Close())
	}
	if err != nil {
		return chain, err
	}
	done := func() {}
	if c.o.Interruptible != nil {
		ctx, done = c.o.Interruptible()
	}
	if err := c.makeBelow(ctx, s); err != nil {
		return chain, err
	}
	done()
	// Somebody may have removed the image, too.
	if chain, err = s.Chain(c.img.ID); err != nil {
		return nil, err
	}
	for i, h := range c.held {
		c.held[i], err = s.Chain(h.Image.ID)
		if errors.Is(err, storage.ErrNotFound) {
			err = fmt.Errorf("image %s, which is to be mounted, was removed meanwhile", h.Image.ID[:12])
		}
		if err != nil {
			return chain, err
		}
	}
	return chain, c.findBelow(s)
}
