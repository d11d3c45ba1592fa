package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	cstorage "go.podman.io/storage"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/manifest"
	"github.com/dhow-containers/dhow/storage/reference"
)

// CommitOptions describe a new image.
type CommitOptions struct {
	Layers []string // layer ids, base first, each the child of the one before
	// Config is the document; its RootFS is filled from Layers.
	Config ImageConfig
	Names  []string // normalised like Tag's; an image that had one of them loses it
}

// Commit records an image over layers the store has, with an OCI manifest. When it returns, the
// image survives a power cut. Committing the same config again gives the image it was.
func (s *Store) Commit(o CommitOptions) (img Image, err error) {
	names, err := fullNames(o.Names)
	if err != nil {
		return Image{}, err
	}
	if _, err := s.library(); err != nil { // see Adopt
		return Image{}, err
	}
	lock, err := s.shared()
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	records, err := s.layerRecords()
	if err != nil {
		return Image{}, err
	}
	config := o.Config.Clone()
	config.RootFS = image.RootFS{Type: "layers"}
	var blobs []manifest.Blob
	parent := ""
	for _, id := range o.Layers {
		l, ok := records[id]
		if !ok {
			return Image{}, fmt.Errorf("committing an image: layer %s: %w", short(id), ErrNotFound)
		}
		if l.Parent != parent {
			return Image{}, fmt.Errorf("committing an image: layer %s does not stand on %s", short(id), short(parent))
		}
		parent = id
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
		blobs = append(blobs, manifest.Blob{Digest: l.DiffID, Size: l.Size})
	}
	rawConfig, err := config.Marshal()
	if err != nil {
		return Image{}, fmt.Errorf("committing an image: %w", err)
	}
	raw, err := manifest.OCI(rawConfig, blobs)
	if err != nil {
		return Image{}, fmt.Errorf("committing an image: %w", err)
	}
	return s.record(newImage{config: rawConfig, manifest: raw, names: names})
}

func fullNames(names []string) ([]string, error) {
	var full []string
	for _, n := range names {
		r, err := reference.Parse(n)
		if err != nil {
			return nil, err
		}
		if r.Digest != "" {
			return nil, fmt.Errorf("invalid reference %q: an image can not be named by digest", n)
		}
		full = append(full, r.Tagged())
	}
	return full, nil
}

// newImage is what an image record is made of.
type newImage struct {
	config, manifest []byte
	names            []string // full
	digests          []string // repo@digest
	// index is the one the image came in and its names stand for, "" for none.
	index digest.Digest
}

// record makes the image record, or adds to the one there is. The layers must be there; the caller
// holds the shared lock.
func (s *Store) record(n newImage) (img Image, err error) {
	lib, err := s.library()
	if err != nil {
		return Image{}, err
	}
	// Two commands may make the same image: without the lock one would take the other's unfinished
	// record for that of a killed command.
	lock, err := journal.TakeLock(filepath.Join(s.opts.Dir, "record.lock"), true)
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	config, err := image.Parse(n.config)
	if err != nil {
		return Image{}, err
	}
	digestOf := digest.FromBytes(n.config)
	id := digestOf.Encoded()
	records, err := s.layerRecords()
	if err != nil {
		return Image{}, err
	}
	if n.names, err = s.leaveHeads(id, platformOfConfig(config), n); err != nil {
		return Image{}, err
	}
	meta := imageMetadata{Version: metadataVersion, Config: digestOf, Digests: n.digests}
	meta.point(n)
	if config.Created != nil {
		meta.Created = config.Created.UTC()
	}
	top := ""
	for _, diff := range config.RootFS.DiffIDs {
		top = chainID(top, diff)
		l, ok := records[top]
		if !ok {
			return Image{}, fmt.Errorf("recording image %s: layer %s: %w", short(id), short(top), ErrNotFound)
		}
		meta.Size += l.Size
	}
	known, err := s.onDisk(id, n)
	if err != nil {
		return Image{}, err
	}
	if known {
		return s.Lookup(id)
	}
	defer func() {
		if err != nil {
			s.halfway.Store(true)
		}
	}()
	if err := s.createRecord(lib, id, top, meta, n); err != nil {
		return Image{}, fmt.Errorf("recording image %s: %w", short(id), err)
	}
	if err := s.takeDigests(lib, id, slices.DeleteFunc(slices.Clone(n.digests), func(d string) bool {
		return digestOfReference(d) == n.index // names all images of the index
	})); err != nil {
		return Image{}, err
	}
	// Names last: an image that has one is complete.
	if len(n.names) > 0 {
		if err := lib.AddNames(id, n.names); err != nil {
			return Image{}, fmt.Errorf("naming image %s: %w", short(id), err)
		}
	}
	if err := s.flush(id); err != nil {
		return Image{}, err
	}
	return s.Lookup(id)
}

// onDisk tells whether the record would change nothing: it is there and says all that n does, and is on
// the disk. Whoever wrote it flushed it before its lease ended; who did not, or was killed, has left it.
// Hence the lease is looked for last, and when there is one, the record is written and flushed again. A
// rebuild of what has not changed ends here, and waits for no disk.
func (s *Store) onDisk(id string, n newImage) (bool, error) {
	old, err := s.imageRecords([][]byte{[]byte(`"id":"` + id)})
	return err == nil && len(old) == 1 && old[0].ID == id && old[0].says(n) && !s.newLayers.Load() && !s.halfway.Load() && s.onlyLease(), err
}

// createRecord writes record and blobs and marks them whole; or, when the image is there, adds the
// digests to it.
func (s *Store) createRecord(lib cstorage.Store, id, top string, meta imageMetadata, n newImage) error {
	old, err := s.imageRecords([][]byte{[]byte(`"id":"` + id)})
	if err != nil {
		return err
	}
	if len(old) == 1 {
		if _, whole := old[0].metadata(); whole {
			return s.updateImage(lib, id, n)
		}
		// A killed command's: nobody makes the same image now but us, or another pull that is just as
		// far. Whoever comes second adds to the first.
		if err := s.dropUnfinished(lib, id); err != nil {
			return err
		}
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	_, err = lib.CreateImage(id, nil, top, string(text), &cstorage.ImageOptions{
		CreationDate: meta.Created,
		Digest:       digest.FromBytes(n.manifest),
		BigData: []cstorage.ImageBigDataOption{
			{Key: meta.Config.String(), Data: n.config, Digest: meta.Config},
			{Key: manifestKey, Data: n.manifest, Digest: digest.FromBytes(n.manifest)},
		},
	})
	if errors.Is(err, cstorage.ErrDuplicateID) {
		return s.updateImage(lib, id, n)
	}
	if err != nil {
		return err
	}
	meta.Whole = true
	return s.setMetadata(lib, id, meta)
}

// takeDigests takes repo@digest references away from other images: that of a manifest names one.
func (s *Store) takeDigests(lib cstorage.Store, id string, digests []string) error {
	if len(digests) == 0 {
		return nil
	}
	var wanted [][]byte
	for _, d := range digests {
		wanted = append(wanted, []byte(d))
	}
	records, err := s.imageRecords(wanted)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.ID == id {
			continue
		}
		if _, whole := r.metadata(); !whole {
			continue
		}
		err := s.updateMetadata(lib, r.ID, func(m *imageMetadata) {
			m.Digests = slices.DeleteFunc(m.Digests, func(d string) bool { return slices.Contains(digests, d) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) dropUnfinished(lib cstorage.Store, id string) error {
	if err := lib.Delete(id); err != nil && !errors.Is(err, cstorage.ErrLayerUnknown) {
		return err
	}
	return nil
}

// updateImage adds digests to an image, and takes the newer manifest: the same config can come with
// other compressions.
func (s *Store) updateImage(lib cstorage.Store, id string, n newImage) error {
	return s.updateMetadata(lib, id, func(m *imageMetadata) {
		// What the registry has now comes first.
		m.Digests = append(slices.Clone(n.digests), slices.DeleteFunc(m.Digests, func(d string) bool { return slices.Contains(n.digests, d) })...)
		m.point(n)
	})
}

// point notes the index an image came in, and that its new names stand for it.
func (m *imageMetadata) point(n newImage) {
	if n.index != "" {
		m.Indexes = append(slices.DeleteFunc(m.Indexes, func(d digest.Digest) bool { return d == n.index }), n.index)
	}
	for _, name := range n.names {
		m.target(name, n.index)
	}
}

// target notes what a name stands for. It comes before the name itself: what is said of names that
// the record does not have means nothing.
func (m *imageMetadata) target(name string, index digest.Digest) {
	if index == "" {
		delete(m.Targets, name)
		return
	}
	if m.Targets == nil {
		m.Targets = map[string]digest.Digest{}
	}
	m.Targets[name] = index
}

// leaveHeads leaves out the names of a new image that stand for the index it came in and belong to
// an image this machine runs at least as well: pulling another platform changes nothing for it.
func (s *Store) leaveHeads(id string, p v1.Platform, n newImage) ([]string, error) {
	if n.index == "" || len(n.names) == 0 {
		return n.names, nil
	}
	records, err := s.family(n.index)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(n.names), func(name string) bool {
		return slices.ContainsFunc(records, func(r imageRecord) bool {
			m, _ := r.metadata()
			return r.ID != id && slices.Contains(r.Names, name) && m.Targets[name] == n.index && rank(s.recordPlatform(r, m)) <= rank(p)
		})
	}), nil
}

func (s *Store) setMetadata(lib cstorage.Store, id string, m imageMetadata) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return lib.SetMetadata(id, string(text))
}

// updateMetadata changes our part of an image record.
func (s *Store) updateMetadata(lib cstorage.Store, id string, change func(*imageMetadata)) (err error) {
	lock, err := journal.TakeLock(filepath.Join(s.opts.Dir, "metadata.lock"), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	records, err := s.imageRecords([][]byte{[]byte(`"id":"` + id)})
	if err != nil {
		return err
	}
	if len(records) != 1 {
		return notFound(short(id))
	}
	m, _ := records[0].metadata()
	change(&m)
	return s.setMetadata(lib, id, m)
}

// Tag gives the image one more name, taking it away from another image that had it. image is what
// Lookup takes; when it stands for an index, so does the new name; name is normalised ("x" becomes "docker.io/library/x:latest"). It survives a power
// cut.
func (s *Store) Tag(image, name string) (err error) {
	names, err := fullNames([]string{name})
	if err != nil {
		return err
	}
	if _, err := s.library(); err != nil { // see Adopt
		return err
	}
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	r, called, err := s.findNamed(image)
	if err != nil {
		return err
	}
	m, _ := r.metadata()
	index := indexOf(r, m, called)
	if called == (reference.Name{}) {
		index = s.indexHeaded(r, m)
	}
	return s.tagAs(r, names, index)
}

// tagAs gives a record names that stand for an index, or for the image alone. The caller holds the
// shared lock.
func (s *Store) tagAs(r imageRecord, names []string, index digest.Digest) (err error) {
	lib, err := s.library()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.halfway.Store(true)
		}
	}()
	if m, _ := r.metadata(); index != "" || len(m.Targets) > 0 {
		err := s.updateMetadata(lib, r.ID, func(m *imageMetadata) {
			for _, name := range names {
				m.target(name, index)
			}
		})
		if err != nil {
			return fmt.Errorf("tagging %s as %s: %w", short(r.ID), names[0], err)
		}
	}
	if err := lib.AddNames(r.ID, names); err != nil {
		return fmt.Errorf("tagging %s as %s: %w", short(r.ID), names[0], err)
	}
	s.note(nil, "tag", "sha256:"+r.ID, names...)
	return s.flush("")
}
