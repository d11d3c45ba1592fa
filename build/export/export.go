// Package export makes an image of the store out of the layers a build ended with.
//
// It takes the layers in the order they lie on each other, the configuration the plan foresees and
// the moments the layers were made, and gives the image. A layer is digested once, all of an image
// at the same time, and becomes a layer of the store by a rename; one that was an image's layer
// before already is one.
package export

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/reference"
)

// Options say what the image is.
type Options struct {
	Store *storage.Store
	Cache *cache.Cache
	// Base are the layers of the store the image begins with, base first; Layers are those on top.
	Base   []storage.Layer
	Layers []*cache.Layer
	// Config is the configuration without RootFS; its history counts Base and Layers.
	Config image.Config
	// BaseHistory is how many entries of the history are the base image's own.
	BaseHistory int
	// Epoch is the latest time anything may have; nil is no bound.
	Epoch *time.Time
	Names []string
	// Clone copies a layer's tree to a new directory, for a layer that is needed on another parent
	// than the one it has in the store.
	Clone    func(dir string, links ownership.Links, to string) (ownership.Links, error)
	Progress progress.Func
}

// ID is the progress item of an export.
const ID = "exporting to image"

// Image makes the image.
func Image(ctx context.Context, o Options) (storage.Image, error) {
	o.Progress.Emit(progress.Event{ID: ID, Name: ID})
	img, err := make_(ctx, o)
	if err != nil {
		state := progress.Failed
		if ctx.Err() != nil {
			state = progress.Canceled
		}
		o.Progress.Emit(progress.Event{ID: ID, Name: ID, State: state, Err: err})
		return storage.Image{}, fmt.Errorf("exporting the image: %w", err)
	}
	o.Progress.Emit(progress.Event{ID: ID, Name: ID, State: progress.Done})
	return img, nil
}

func make_(ctx context.Context, o Options) (storage.Image, error) {
	var layers []string
	err := phase(o.Progress, "exporting layers", func() error {
		infos, err := digests(ctx, o)
		if err != nil {
			return err
		}
		layers, err = promote(ctx, o, infos)
		return err
	})
	if err != nil {
		return storage.Image{}, err
	}
	var img storage.Image
	config := o.Config.Clone()
	finishHistory(&config, o)
	img, err = o.Store.Commit(storage.CommitOptions{Layers: layers, Config: config, Names: o.Names})
	if err != nil {
		return storage.Image{}, fmt.Errorf("writing the image: %w", err)
	}
	done := func() error { return nil }
	_ = phase(o.Progress, "writing image sha256:"+img.ID, done)
	for _, n := range o.Names {
		if full, err := reference.Parse(n); err == nil {
			n = full.String()
		}
		_ = phase(o.Progress, "naming to "+n, done)
	}
	return img, nil
}

// phase shows one part of the export as an item of its own.
func phase(p progress.Func, name string, do func() error) error {
	e := progress.Event{ID: ID + "/" + name, Group: ID, Name: name}
	p.Emit(e)
	err := do()
	e.State = progress.Done
	if err != nil {
		e.State, e.Err = progress.Failed, err
	}
	p.Emit(e)
	return err
}

// digests reads all layers that are not in the store yet, side by side. The result at an index is
// nil for those that are.
func digests(ctx context.Context, o Options) ([]*storage.DiffInfo, error) {
	infos := make([]*storage.DiffInfo, len(o.Layers))
	errs := make([]error, len(o.Layers))
	slots := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, l := range o.Layers {
		if l.StoreLayer != "" {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				errs[i] = context.Cause(ctx)
				return
			}
			if infos[i], errs[i] = o.Store.Digest(l.Dir(), l.Links, o.Epoch); errs[i] != nil {
				errs[i] = fmt.Errorf("reading the layer of %s: %w", l.Name, errs[i])
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			drop(infos)
			return nil, err
		}
	}
	return infos, nil
}

func drop(infos []*storage.DiffInfo) {
	for _, i := range infos {
		if i != nil {
			i.Close()
		}
	}
}

// promote makes every layer one of the store, in order, and gives the ids of all.
func promote(ctx context.Context, o Options, infos []*storage.DiffInfo) ([]string, error) {
	defer drop(infos)
	var ids []string
	parent := ""
	for _, l := range o.Base {
		ids, parent = append(ids, l.ID), l.ID
	}
	for i, l := range o.Layers {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		id, err := settle(o, l, parent, infos[i])
		infos[i] = nil
		if err != nil {
			return nil, fmt.Errorf("storing the layer of %s: %w", l.Name, err)
		}
		ids, parent = append(ids, id), id
	}
	return ids, nil
}

// settle gives the id of the store's layer that l is on top of parent.
func settle(o Options, l *cache.Layer, parent string, info *storage.DiffInfo) (string, error) {
	if l.StoreLayer == "" {
		err := l.Move(parent, func(dir string) (string, error) {
			made, err := o.Store.Adopt(parent, dir, l.Links, storage.AdoptOptions{Info: info, Epoch: o.Epoch, KeepDuplicate: true})
			info = nil
			return made.ID, err
		})
		if err != nil {
			return "", err
		}
	}
	if info != nil {
		info.Close() // somebody else was quicker
	}
	if l.StoreParent == parent {
		return l.StoreLayer, nil
	}
	return another(o, l, parent)
}

// another puts a copy of a layer that the store has on one parent (COPY --link) on another one.
func another(o Options, l *cache.Layer, parent string) (string, error) {
	tmp, err := o.Cache.Scratch()
	if err != nil {
		return "", err
	}
	defer tmp.Close()
	dir := filepath.Join(tmp.Dir, "layer")
	links, err := o.Clone(l.Dir(), l.Links, dir)
	if err != nil {
		return "", fmt.Errorf("copying it: %w", err)
	}
	made, err := o.Store.Adopt(parent, dir, links, storage.AdoptOptions{Epoch: o.Epoch})
	return made.ID, err
}
