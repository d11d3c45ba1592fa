package storage

import (
	"errors"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

var errUnwritten = errors.New("not written yet")

// DiffInfo is what one streaming of a tree as a layer tar tells: the pure half of Adopt. Close it
// when it is not given to Adopt.
type DiffInfo struct {
	DiffID digest.Digest
	Size   int64 // bytes of the tar

	tarSplit *os.File
}

// Close drops the spooled data.
func (d *DiffInfo) Close() error { return nil }

// Digest streams dir as a layer tar and gives its digest. It changes nothing and may run in
// parallel for several trees. epoch, when not nil, clamps modification times (SOURCE_DATE_EPOCH).
func (s *Store) Digest(dir string, links ownership.Links, epoch *time.Time) (*DiffInfo, error) {
	return nil, errUnwritten
}

// AdoptOptions guide Adopt.
type AdoptOptions struct {
	// Info is the result of Digest for the same tree; nil lets Adopt compute it.
	Info *DiffInfo
	// Epoch is what Digest takes; used when Info is nil.
	Epoch *time.Time
}

// Adopt makes the tree at dir a layer on top of parent ("" for none) by renaming it into the store;
// dir must lie on the store's filesystem and is gone afterwards. When the store already has that
// layer on that parent, dir is removed and the layer it has is returned. The layer is kept by a
// lease of this process until an image or a pin refers to it.
func (s *Store) Adopt(parent, dir string, links ownership.Links, o AdoptOptions) (Layer, error) {
	return Layer{}, errUnwritten
}

// CommitOptions describe a new image.
type CommitOptions struct {
	Layers []string // layer ids, base first, each the child of the one before
	// Config is the document; its RootFS is filled from Layers.
	Config ImageConfig
	Names  []string // normalised like Tag's; an image that had one of them loses it
}

// Commit records an image over layers the store has, with an OCI manifest. When it returns, the
// image survives a power cut. Committing the same config again gives the image it was.
func (s *Store) Commit(o CommitOptions) (Image, error) { return Image{}, errUnwritten }

// Layer finds a layer by id. ErrNotFound when it is gone.
func (s *Store) Layer(id string) (Layer, error) { return Layer{}, ErrNotFound }

// Pin keeps a layer, and those below it, on behalf of owner ("cache"): removal of images leaves it.
func (s *Store) Pin(layerID, owner string) error { return errUnwritten }

// Unpin ends a pin; the layer goes when nothing else needs it.
func (s *Store) Unpin(layerID, owner string) error { return errUnwritten }
