package storage

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/dhow-containers/dhow/storage/progress"
)

// upToDate gives the image of a pull that would change nothing: the record has everything that n says
// already, all layers are there, and nothing is left of a killed command that the next one is to clear
// away. blobs are those of the manifest, the config first. Nothing is locked, written or
// flushed then.
func (s *Store) upToDate(t *target, n newImage, blobs []imgspecv1.Descriptor, say progress.Func) (Image, bool) {
	id := blobs[0].Digest.Encoded()
	records, err := s.imageRecords([][]byte{[]byte(`"id":"` + id)})
	if err != nil || len(records) != 1 || records[0].ID != id || !records[0].says(n) {
		return Image{}, false
	}
	img, whole, err := s.imageOf(records[0])
	if err != nil || !whole || len(img.Layers) != len(blobs)-1 || t.matches(img.Config) != nil {
		return Image{}, false
	}
	layers, err := s.layerRecords()
	pins, perr := s.pins().Read()
	if err != nil || perr != nil {
		return Image{}, false
	}
	for _, l := range img.Layers {
		arriving := func(owner string) bool { return strings.HasPrefix(owner, arrivalPin) }
		if _, ok := layers[l.ID]; !ok || slices.ContainsFunc(pins[l.ID], arriving) {
			return Image{}, false
		}
	}
	// Last: what was read above and is not on the disk was written by somebody whose lease is still there.
	if busy, err := os.ReadDir(s.leasesDir()); len(busy) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Image{}, false // somebody is at work, or was killed
	}
	for _, b := range blobs {
		if s.dropBytes(b.Digest) != nil {
			return Image{}, false
		}
	}
	_ = s.holdBack() // a killed command may not have come to it
	for _, b := range blobs[1:] {
		say.Emit(progress.Event{ID: b.Digest.String(), Name: shortDigest(b.Digest), State: progress.Waiting, Total: max(b.Size, 0)})
	}
	for _, b := range blobs[1:] {
		say.Emit(progress.Event{ID: b.Digest.String(), State: progress.Cached, Total: max(b.Size, 0), Current: max(b.Size, 0)})
	}
	return img, true
}

// says tells whether adding n to the record would leave it as it is, see updateImage.
func (r imageRecord) says(n newImage) bool {
	m, whole := r.metadata()
	if !whole || len(m.Digests) < len(n.digests) || !slices.Equal(m.Digests[:len(n.digests)], n.digests) {
		return false
	}
	if n.index != "" && (len(m.Indexes) == 0 || m.Indexes[len(m.Indexes)-1] != n.index) {
		return false
	}
	for _, name := range n.names {
		if !slices.Contains(r.Names, name) || m.Targets[name] != n.index {
			return false
		}
	}
	return true
}
