package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	cstorage "go.podman.io/storage"
)

// The library leaves things behind when it is killed that it never looks at again: files it was about
// to rename, directories in which it tried what the kernel can do, parts of layers between two of its
// writes. Every process that opens it for writing has a lease first, so a lease whose process is gone
// tells that there may be some.

// strays are the patterns of what the library makes and removes while nobody needs to hold the store's
// lock, below the store's directory.
var strays = []string{
	"storage/overlay*/.tmp-*", "run/overlay*/.tmp-*", // files to be renamed (pkg/ioutils, fswriters)
	"storage/overlay/compat[0-9]*", "storage/overlay/metacopy-check[0-9]*", // drivers/overlay/check.go
	"storage/overlay/opaque-bug-check[0-9]*", "storage/overlay/volatile-check[0-9]*",
	// What it is about to delete, also while it is opened (internal/tempdir).
	"storage/overlay-layers/tmp/*", "storage/overlay/tempdirs/*",
}

// findStrays lists them. It comes before the look at the leases: who makes one later has a lease by
// then.
func (s *Store) findStrays() []string {
	var found []string
	for _, pattern := range strays {
		names, _ := filepath.Glob(filepath.Join(s.opts.Dir, pattern)) // fails for bad patterns only
		found = append(found, names...)
	}
	return found
}

// clearLitter removes the strays, and what no record knows. The caller holds the exclusive lock, so
// nobody is in the middle of making or removing a layer or an image.
func (s *Store) clearLitter(lib cstorage.Store, strays []string) error {
	errs := []error{s.dropIncomplete(lib)}
	for _, path := range strays {
		errs = append(errs, os.RemoveAll(path))
	}
	orphans, err := s.orphans()
	errs = append(errs, err)
	for _, p := range orphans {
		errs = append(errs, os.RemoveAll(p.Path))
	}
	errs = append(errs, s.clearLinks())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", errLitter, err)
	}
	return nil
}

// errLitter is returned for what can not be cleared away.
var errLitter = errors.New("clearing away what a killed command left")

// dropIncomplete has the library delete the layers it was making or deleting: it does so when it is
// about to write its records, whatever that is for.
func (s *Store) dropIncomplete(lib cstorage.Store) error {
	data, err := os.ReadFile(s.layersFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var list []layerRecord
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("reading %s: %w", s.layersFile(), err)
	}
	for _, r := range list {
		if incomplete, _ := r.Flags["incomplete"].(bool); !incomplete {
			continue
		}
		// Killed before it had written the layer's short name, the library would take all short names for this one's.
		link := filepath.Join(filepath.Dir(s.layerDir(r.ID)), "link")
		if st, err := os.Stat(link); err == nil && st.Size() == 0 {
			if err := os.Remove(link); err != nil {
				return err
			}
		}
		if err := lib.DeleteLayer(r.ID); err != nil && !errors.Is(err, cstorage.ErrLayerUnknown) && !errors.Is(err, cstorage.ErrNotALayer) {
			return fmt.Errorf("layer %s: %w", short(r.ID), err)
		}
	}
	return nil
}

// clearLinks removes the short names of layers that are not there.
func (s *Store) clearLinks() error {
	dir := filepath.Join(s.graphRoot(), "overlay", "l")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, "../") {
			continue
		}
		// A layer that was made again has another short name.
		own, err := os.ReadFile(filepath.Join(dir, filepath.Dir(target), "link"))
		if err == nil && strings.TrimSpace(string(own)) == e.Name() {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		errs = append(errs, os.Remove(link))
	}
	return errors.Join(errs...)
}
