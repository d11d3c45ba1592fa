package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/progress"
)

// chains are the base images of a build, held against removal until it ends.
type chains struct {
	mu   sync.Mutex
	held map[string]*storage.Chain
}

// get holds the image id and gives its layers.
func (c *chains) get(s *storage.Store, id string) (*storage.Chain, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[id]; h != nil {
		return h, nil
	}
	h, err := s.Hold(id)
	if err != nil {
		return nil, err
	}
	if c.held == nil {
		c.held = map[string]*storage.Chain{}
	}
	c.held[id] = h
	return h, nil
}

// history is how many entries the history of a held image has.
func (c *chains) history(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[id]; h != nil {
		return len(h.Image.Config.History)
	}
	return 0
}

func (c *chains) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, h := range c.held {
		errs = append(errs, h.Close())
	}
	c.held = nil
	return errors.Join(errs...)
}

// resolve finds an image for the plan, in the store or by pulling it, and holds it.
func (s *session) resolve(ctx context.Context, ref string, platform plan.Platform) (plan.Base, error) {
	id := "[internal] load metadata for " + ref
	var base plan.Base
	err := s.item(ctx, id, func() error {
		policy := s.o.Pull
		if policy == "" {
			policy = storage.PullMissing
		}
		img, err := s.o.Store.Pull(ctx, ref, storage.PullOptions{Platform: platform.String(), Policy: policy,
			Progress: grouped(s.o.Progress, id)})
		if err != nil {
			return err
		}
		chain, err := s.chains.get(s.o.Store, img.ID)
		if err != nil {
			return fmt.Errorf("holding %s: %w", ref, err)
		}
		base = plan.Base{Ref: ref, Digest: chain.Image.Digest, ID: img.ID, Config: chain.Image.Config}
		return nil
	})
	return base, err
}

// grouped makes the items of a pull parts of another item.
func grouped(p progress.Func, group string) progress.Func {
	if p == nil {
		return nil
	}
	return func(e progress.Event) {
		e.ID = group + "/" + e.ID
		if e.Group == "" {
			e.Group = group
		} else {
			e.Group = group + "/" + e.Group
		}
		p(e)
	}
}

// pins lets the cache keep layers in the store.
type pins struct{ store *storage.Store }

func (p pins) Pin(id, owner string) error    { return p.store.Pin(id, owner) }
func (p pins) UnpinOwner(owner string) error { return p.store.UnpinOwner(owner) }

func (p pins) Hold(id string) (string, error) {
	err := p.store.HoldLayers(id)
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.LayerDir(id)
}

func (p pins) PinOwners(prefix string) ([]string, error) { return p.store.PinOwners(prefix) }

func (p pins) LayerDir(id string) (string, error) {
	l, err := p.store.Layer(id)
	return l.Dir, err
}

// OpenCache opens the build cache of a store, for building, listing and pruning.
func OpenCache(storeDir string, store *storage.Store) (*cache.Cache, error) {
	return cache.Open(CacheDir(storeDir), pins{store})
}

// cloneLayer copies a cached layer's tree.
func (s *session) cloneLayer(dir string, links ownership.Links, to string) (ownership.Links, error) {
	if err := os.Mkdir(to, 0o755); err != nil {
		return nil, err
	}
	return s.worker.bench.Clone(dir, links, to)
}
