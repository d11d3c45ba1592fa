package storage

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/layer"
)

// Problem is one thing Check found.
type Problem struct {
	Image string        // id of a damaged image, or ""
	Layer string        // id of a damaged layer, or ""
	Blob  digest.Digest // of an index kept whole: the blob that is damaged, or the manifest that misses one, or ""
	Path  string        // of something nothing refers to, or of a damaged mapped image, or ""
	// Mapped is the topmost layer of the damaged mapped image, or "".
	Mapped string
	Text   string // one sentence
}

// CheckOptions guide Check.
type CheckOptions struct {
	// Quick leaves the files of layers alone and looks at the records only.
	Quick bool
	// Report is told of each layer before it is read; may be nil.
	Report func(layerID string)
}

// Check looks for damage: records of images and layers that do not fit together, files of layers
// that are not what their digest says, and files nothing refers to. Nobody can remove images
// meanwhile. It changes nothing.
func (s *Store) Check(ctx context.Context, o CheckOptions) (found []Problem, err error) {
	if _, err := os.Stat(s.graphRoot()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	orphans, err := s.findOrphans()
	if err != nil {
		return nil, err
	}
	lock, err := s.shared()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	layers, err := s.layerRecords()
	if err != nil {
		return nil, err
	}
	records, err := s.imageRecords(nil)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if _, whole := r.metadata(); !whole {
			continue // of a killed command; the next removal clears it away
		}
		if text := s.checkImage(r, layers); text != "" {
			found = append(found, Problem{Image: r.ID, Text: fmt.Sprintf("image %s%s: %s", short(r.ID), inBrackets(r.Names), text)})
		}
	}
	for _, id := range baseFirst(layers) {
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		if text := s.checkLayer(ctx, layers[id], layers, o); text != "" {
			found = append(found, Problem{Layer: id, Text: fmt.Sprintf("layer %s: %s", short(id), text)})
		}
	}
	mapped, err := s.checkMapped(ctx, layers, o)
	if err != nil {
		return found, err
	}
	found = append(found, mapped...)
	blobs, err := s.checkVault(ctx, records, o)
	if err != nil {
		return found, err
	}
	return append(append(found, blobs...), orphans...), ctx.Err()
}

func inBrackets(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(slices.Sorted(slices.Values(names)), ", ") + ")"
}

// baseFirst gives the ids so that every layer comes after the one below it.
func baseFirst(layers map[string]layerRecord) []string {
	ids := unneeded(layers, nil) // topmost first
	slices.Reverse(ids)
	return ids
}

// checkImage says what is wrong with an image's record, "" when nothing is.
func (s *Store) checkImage(r imageRecord, layers map[string]layerRecord) string {
	m, _ := r.metadata()
	raw, err := os.ReadFile(s.imageDataFile(r.ID, m.Config.String()))
	if err != nil {
		return "its config can not be read: " + err.Error()
	}
	if m.Config.Validate() != nil || digest.FromBytes(raw) != m.Config || m.Config.Encoded() != r.ID {
		return "its config is not the one its id is the digest of"
	}
	doc, err := os.ReadFile(s.imageDataFile(r.ID, manifestKey))
	if err != nil {
		return "its manifest can not be read: " + err.Error()
	}
	if r.Digest != "" && digest.FromBytes(doc) != r.Digest {
		return "its manifest is not the one of its digest"
	}
	config, err := image.Parse(raw)
	if err != nil {
		return err.Error()
	}
	parent := ""
	for _, diff := range config.RootFS.DiffIDs {
		parent = chainID(parent, diff)
		if _, ok := layers[parent]; !ok {
			return "layer " + short(parent) + " is missing"
		}
	}
	if parent != r.TopLayer {
		return "its record names another layer than its config"
	}
	return ""
}

// checkLayer says what is wrong with a layer, "" when nothing is.
func (s *Store) checkLayer(ctx context.Context, r layerRecord, layers map[string]layerRecord, o CheckOptions) string {
	if _, ok := layers[r.Parent]; r.Parent != "" && !ok {
		return "the layer below it, " + short(r.Parent) + ", is missing"
	}
	if r.DiffID.Validate() != nil || chainID(r.Parent, r.DiffID) != r.ID {
		return "its record does not fit its id"
	}
	if st, err := os.Lstat(s.layerDir(r.ID)); err != nil || !st.IsDir() {
		return "its files are missing"
	}
	split, err := os.Open(s.tarSplitFile(r.ID))
	if err != nil {
		return "its tar-split data can not be read: " + err.Error()
	}
	defer split.Close()
	if o.Quick {
		return ""
	}
	if o.Report != nil {
		o.Report(r.ID)
	}
	unzipped, err := gzip.NewReader(canceled{ctx, split})
	if err != nil {
		return "its tar-split data can not be read: " + err.Error()
	}
	l, err := s.layerOf(r)
	if err != nil {
		return err.Error()
	}
	tree := ownership.Tree{Native: s.opts.Mapping.Native(), Userns: s.opts.Mapping.Userns(), Links: l.Links}
	err = layer.Verify(l.Dir, unzipped, r.DiffID, tree)
	if err == nil || ctx.Err() != nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), layer.ErrDamaged.Error()+": ")
}

// findOrphans lists what lies in the store and no record knows. It waits until nobody is in the
// middle of making something. After a command that was killed there it finds nothing: the next one that
// writes clears that away.
func (s *Store) findOrphans() (found []Problem, err error) {
	lock, err := s.alone()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if s.deadLease() {
		return nil, nil
	}
	return s.orphans()
}

// orphans is findOrphans for who holds the exclusive lock.
func (s *Store) orphans() (found []Problem, err error) {
	known, err := s.knownIDs()
	if err != nil {
		return nil, err
	}
	for _, place := range []struct{ dir, suffix, what string }{
		{"overlay", "", "files of a layer"},
		{"overlay-layers", "", "data of a layer"},
		{"overlay-layers", ".tar-split.gz", "data of a layer"},
		{"overlay-images", "", "data of an image"},
	} {
		entries, err := os.ReadDir(filepath.Join(s.graphRoot(), place.dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking for what nothing refers to: %w", err)
		}
		for _, e := range entries {
			id, ok := strings.CutSuffix(e.Name(), place.suffix)
			if !ok || !isHex64(id) || known[id] {
				continue
			}
			found = append(found, Problem{
				Path: filepath.Join(s.graphRoot(), place.dir, e.Name()),
				Text: fmt.Sprintf("%s %s: no record knows it", place.what, short(id)),
			})
		}
	}
	mapped, err := s.orphansMapped(known)
	return append(found, mapped...), err
}

// knownIDs are those of all records, also of interrupted work.
func (s *Store) knownIDs() (map[string]bool, error) {
	known := map[string]bool{}
	for _, file := range []string{s.imagesFile(), s.layersFile()} {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for element, err := range arrayElements(data) {
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			id, err := idOf(element)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			known[id] = true
		}
	}
	return known, nil
}

func isHex64(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
