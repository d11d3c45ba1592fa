package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	cstorage "go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/layer"
	"github.com/dhow-containers/dhow/storage/working"
)

// DiffInfo is what one streaming of a tree as a layer tar tells: the pure half of Adopt. Close it
// when it is not given to Adopt.
type DiffInfo struct {
	DiffID digest.Digest
	Size   int64 // bytes of the tar

	tarSplit *os.File // uncompressed, without a name
}

// Close drops the spooled data.
func (d *DiffInfo) Close() error {
	if d == nil || d.tarSplit == nil {
		return nil
	}
	err := d.tarSplit.Close()
	d.tarSplit = nil
	return err
}

// Digest streams dir as a layer tar and gives its digest. It changes nothing and may run in
// parallel for several trees. epoch, when not nil, clamps modification times (SOURCE_DATE_EPOCH).
func (s *Store) Digest(dir string, links ownership.Links, epoch *time.Time) (*DiffInfo, error) {
	spool, err := s.newSpool()
	if err != nil {
		return nil, fmt.Errorf("digesting layer: %w", err)
	}
	sum := newSumming()
	o := s.tarOptions(links, epoch)
	o.Split = layer.NewSplitter(spool)
	err = layer.WriteTar(sum, dir, o)
	diffID, size := sum.end()
	if err != nil {
		spool.file.Close()
		return nil, fmt.Errorf("digesting layer: %w", err)
	}
	return &DiffInfo{DiffID: diffID, Size: size, tarSplit: spool.file}, nil
}

func (s *Store) tarOptions(links ownership.Links, epoch *time.Time) layer.TarOptions {
	return layer.TarOptions{
		Links:     links,
		Epoch:     epoch,
		Native:    s.opts.Mapping.Native(),
		Userns:    s.opts.Mapping.Userns(),
		Userxattr: working.Userxattr(),
	}
}

// WriteTar writes a tree of this store's mapping that is a layer as a tar. shift is that of the container
// that wrote it.
func (s *Store) WriteTar(w io.Writer, dir string, links ownership.Links, shift idmap.Shift) error {
	o := s.tarOptions(links, nil)
	o.Shift = shift
	return writeTar(w, dir, o)
}

// Export writes a mounted root filesystem as a plain tar without the paths to leave. shift is that of the
// container whose filesystem it is.
func (s *Store) Export(w io.Writer, dir string, links ownership.Links, shift idmap.Shift, leave map[string]bool) error {
	o := s.tarOptions(links, nil)
	o.Whole, o.Leave, o.Shift = true, leave, shift
	return writeTar(w, dir, o)
}

func writeTar(w io.Writer, dir string, o layer.TarOptions) error {
	buffered := bufio.NewWriterSize(w, 256<<10)
	if err := layer.WriteTar(buffered, dir, o); err != nil {
		return err
	}
	return buffered.Flush()
}

// AdoptOptions guide Adopt.
type AdoptOptions struct {
	// Info is the result of Digest for the same tree; nil lets Adopt compute it.
	Info *DiffInfo
	// Epoch is what Digest takes; used when Info is nil.
	Epoch *time.Time
	// KeepDuplicate leaves dir where it is when the store has the layer already: others may be reading
	// it.
	KeepDuplicate bool
}

// Adopt makes the tree at dir a layer on top of parent ("" for none) by renaming it into the store;
// dir must lie on the store's filesystem and is gone afterwards. When the store already has that
// layer on that parent, dir is removed, unless it is to be kept, and the layer it has is returned. The layer is kept by a
// lease of this process until an image or a pin refers to it. Info is closed in any case.
func (s *Store) Adopt(parent, dir string, links ownership.Links, o AdoptOptions) (l Layer, err error) {
	info := o.Info
	if info == nil {
		if info, err = s.Digest(dir, links, o.Epoch); err != nil {
			return Layer{}, err
		}
	}
	defer func() { err = errors.Join(err, info.Close()) }()
	// Before the lock is taken: the first use clears away what killed commands left, for which nobody
	// may hold it.
	if _, err := s.library(); err != nil {
		return Layer{}, err
	}
	lock, err := s.shared()
	if err != nil {
		return Layer{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	t := staged{dir: dir, links: links, diffID: info.DiffID, size: info.Size, tarSplit: info.tarSplit, keep: o.KeepDuplicate}
	info.tarSplit = nil
	return s.adopt(parent, t)
}

// staged is a complete tree that is not in the store yet.
type staged struct {
	dir            string
	links          ownership.Links
	diffID         digest.Digest
	size           int64
	compressed     digest.Digest // of the blob it came from, "" when it came from none
	compressedSize int64
	algorithm      string // of the blob: "gzip", "zstd", uncompressed; "" when it came from none
	tarSplit       *os.File
	keep           bool // AdoptOptions.KeepDuplicate
	// applied is what the tar it was unpacked from left open; nil for a tree written in place.
	applied *layer.Applied
}

// adopt puts a staged tree in place, and closes its tar-split data. The caller holds the shared lock.
func (s *Store) adopt(parent string, t staged) (_ Layer, err error) {
	defer func() {
		// The library closes it too, when it comes that far.
		if cerr := t.tarSplit.Close(); err == nil && cerr != nil && !errors.Is(cerr, os.ErrClosed) {
			err = cerr
		}
	}()
	lib, err := s.library()
	if err != nil {
		return Layer{}, err
	}
	id := chainID(parent, t.diffID)
	if err := s.keep(id); err != nil {
		return Layer{}, err
	}
	// ApplyStagedLayer replaces a layer that is there, under the feet of containers: nobody may make
	// it between our look and that call.
	lock, err := journal.TakeLock(filepath.Join(s.opts.Dir, "adopt.lock"), true)
	if err != nil {
		return Layer{}, err
	}
	defer lock.Unlock()
	known, err := s.Layer(id)
	if err == nil && t.keep {
		return known, nil
	}
	if err == nil {
		return known, os.RemoveAll(t.dir)
	}
	if !errors.Is(err, ErrNotFound) {
		return Layer{}, err
	}
	if err := s.inherit(parent, &t); err != nil {
		return Layer{}, fmt.Errorf("adopting layer %s: %w", short(id), err)
	}
	if l := s.held(); s.ahead.used.Load() && l != nil {
		// The library would not hear of what failed then, and would put the layer in place.
		if err := l.sync(); err != nil {
			return Layer{}, fmt.Errorf("adopting layer %s: flushing it: %w", short(id), err)
		}
	}
	st, err := os.Stat(t.dir)
	if err != nil {
		return Layer{}, fmt.Errorf("adopting layer %s: %w", short(id), err)
	}
	mode := st.Mode()
	out := &drivers.DriverWithDifferOutput{
		Target:             t.dir,
		Size:               t.size,
		UncompressedDigest: t.diffID,
		CompressedDigest:   t.compressed,
		TarSplit:           t.tarSplit,
		RootDirMode:        &mode, // what the tree has; nil would mean the parent's
	}
	if len(t.links) > 0 {
		out.BigData = map[string][]byte{linksKey: t.links.Marshal()}
	}
	_, err = lib.ApplyStagedLayer(cstorage.ApplyStagedLayerOptions{
		ID:          id,
		ParentLayer: parent,
		DiffOutput:  out,
		DiffOptions: &drivers.ApplyDiffWithDifferOpts{},
	})
	if err != nil {
		return Layer{}, fmt.Errorf("adopting layer %s: %w", short(id), err)
	}
	s.newLayers.Store(true)
	return Layer{ID: id, DiffID: t.diffID, Dir: s.layerDir(id), Links: t.links, Size: t.size}, nil
}

// inherit completes a tree that came as a tar, now that it is known what it stands on.
func (s *Store) inherit(parent string, t *staged) error {
	if t.applied == nil || parent == "" {
		return nil
	}
	if t.applied.Root && len(t.applied.Implied) == 0 && !t.applied.OpaqueRoot {
		return nil
	}
	records, err := s.layerRecords()
	if err != nil {
		return err
	}
	var lowers []layer.Lower
	for id := parent; id != ""; id = records[id].Parent {
		l, err := s.layerOf(records[id])
		if err != nil {
			return err
		}
		lowers = append(lowers, layer.Lower{Dir: s.layerDir(id), Links: l.Links})
	}
	o := s.applyOptions()
	o.Tree.Links = t.links
	err = layer.Inherit(t.dir, *t.applied, lowers, o)
	t.links = o.Tree.Links
	return err
}

func (s *Store) applyOptions() layer.ApplyOptions {
	return layer.ApplyOptions{
		Tree:      &ownership.Tree{Native: s.opts.Mapping.Native(), Userns: s.opts.Mapping.Userns()},
		Userxattr: working.Userxattr(),
		Whiteouts: true,
	}
}
