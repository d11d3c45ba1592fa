package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/journal"
)

// saved is what a later start of a container needs beside its record: the wishes as they were read,
// with volumes resolved, and the configuration of the image, which may be removed meanwhile.
type saved struct {
	Version int
	Wishes  spec.Wishes
	Network network.Config
	Image   image.ContainerConfig
}

const savedVersion = 1

func savedFile(dir string) string { return filepath.Join(dir, "wishes.json") }

// save makes the container one that can be started by another process.
func (c *container) save() error {
	data, err := json.Marshal(saved{savedVersion, c.w.Wishes, c.w.network, c.img.Config.Config})
	if err != nil {
		return fmt.Errorf("recording the container's wishes: %w", err)
	}
	return journal.Replace(savedFile(c.entry.Dir()), data, 0o600, false)
}

// load gives the container of an entry, ready to be prepared and started again. The entry is the
// container's from then on.
func load(dir string, m idmap.Mapping, store *storage.Store, e *record.Entry) (*container, error) {
	data, err := os.ReadFile(savedFile(e.Dir()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("container %s was run with --rm in the foreground: it can not be started again", e.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the container's wishes: %w", err)
	}
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("reading %s: %w", savedFile(e.Dir()), err)
	}
	if s.Version != savedVersion {
		return nil, fmt.Errorf("container %s was made by another version of dhow: its wishes have version %d, not %d", e.Name, s.Version, savedVersion)
	}
	c := &container{
		o: Options{
			Dir: dir, Mapping: m, Image: e.Image, Name: e.Name, Remove: e.AutoRemove,
			Interactive: e.OpenStdin, Terminal: e.Terminal,
		},
		w:     wishes{Wishes: s.Wishes, network: s.Network, labels: e.Labels},
		entry: e,
	}
	c.w.Limits, c.w.cgroupParent = e.Limits, e.CgroupParent
	c.img.ID = e.ImageID
	c.img.Config.Config = s.Image
	for _, id := range e.Layers {
		l, err := store.Layer(id)
		if err != nil {
			return nil, fmt.Errorf("the image of container %s: %w", e.Name, err)
		}
		c.layers = append(c.layers, l)
	}
	if err := c.loadImages(store); err != nil {
		return nil, err
	}
	err = c.findBelow(store)
	if errors.Is(err, storage.ErrNotMapped) {
		// The record keeps the layers, but not from those who remove it.
		if err = store.HoldLayers(e.Layers...); err == nil {
			err = c.makeBelow(context.Background(), store)
		}
		if err == nil {
			err = c.findBelow(store)
		}
	}
	return c, err
}
