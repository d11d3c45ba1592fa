package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/journal"
)

// The library's files, read directly: a record file is replaced by rename(2), so it is whole
// without a lock; that layers stay is the matter of the lock a Chain holds.

// imageRecord is what we use of one element of overlay-images/images.json.
type imageRecord struct {
	ID       string        `json:"id"`
	Digest   digest.Digest `json:"digest"`
	Names    []string      `json:"names"`
	TopLayer string        `json:"layer"`
	Metadata string        `json:"metadata"`
	Created  time.Time     `json:"created"`
}

// layerRecord is what we use of one element of overlay-layers/layers.json.
type layerRecord struct {
	ID               string        `json:"id"`
	Parent           string        `json:"parent"`
	CompressedDigest digest.Digest `json:"compressed-diff-digest"`
	CompressedSize   int64         `json:"compressed-size"`
	DiffID           digest.Digest `json:"diff-digest"`
	Size             int64         `json:"diff-size"`
	Metadata         string        `json:"metadata"`
	Flags            map[string]any
}

// imageMetadata is our part of an image record, in its metadata string.
type imageMetadata struct {
	Version int `json:"v"`
	// Whole is set last: a record without it is of a command that was killed.
	Whole bool `json:"whole"`
	// Config is the digest of the config blob, Size the sum of the layers' tars.
	Config digest.Digest `json:"config"`
	Size   int64         `json:"size"`
	// Digests are repo@digest references the image was pulled by or pushed to.
	Digests []string `json:"digests,omitempty"`
	// Indexes are those the image came in, the last one last; Targets tells which one a name stands
	// for. What it says of a name the record does not have (any more) means nothing.
	Indexes []digest.Digest          `json:"indexes,omitempty"`
	Targets map[string]digest.Digest `json:"targets,omitempty"`
	// Created is that of the config.
	Created time.Time `json:"created"`
}

const metadataVersion = 1

func (r imageRecord) metadata() (imageMetadata, bool) {
	var m imageMetadata
	if json.Unmarshal([]byte(r.Metadata), &m) != nil || m.Version != metadataVersion || !m.Whole {
		return m, false
	}
	return m, true
}

const (
	manifestKey = "manifest" // big data of an image, the key the containers tools use
	linksKey    = "links"    // big data of a layer: ownership.Links
)

func (s *Store) graphRoot() string { return filepath.Join(s.opts.Dir, "storage") }

func (s *Store) imagesFile() string {
	return filepath.Join(s.graphRoot(), "overlay-images", "images.json")
}

func (s *Store) layersFile() string {
	return filepath.Join(s.graphRoot(), "overlay-layers", "layers.json")
}

func (s *Store) layerDir(id string) string {
	return filepath.Join(s.graphRoot(), "overlay", id, "diff")
}

func (s *Store) imageDataFile(id, key string) string {
	return filepath.Join(s.graphRoot(), "overlay-images", id, dataFileName(key))
}

func (s *Store) linksFile(layerID string) string {
	return filepath.Join(s.graphRoot(), "overlay-layers", layerID, dataFileName(linksKey))
}

func (s *Store) tarSplitFile(layerID string) string {
	return filepath.Join(s.graphRoot(), "overlay-layers", layerID+".tar-split.gz")
}

// dataFileName is the library's name of the file of a big data key (store.go, makeBigDataBaseName).
func dataFileName(key string) string {
	for i := range len(key) {
		if c := key[i]; c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return "=" + base64.StdEncoding.EncodeToString([]byte(key))
		}
	}
	return key
}

// imageRecords reads the image records that contain one of the wanted byte strings; nil wants all.
// With hundreds of images decoding all of them would be the dearest part of starting a container.
func (s *Store) imageRecords(wanted [][]byte) ([]imageRecord, error) {
	data, err := os.ReadFile(s.imagesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the image records: %w", err)
	}
	var records []imageRecord
	for element, err := range arrayElements(data) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.imagesFile(), err)
		}
		if wanted != nil && !containsAny(element, wanted) {
			continue
		}
		var r imageRecord
		if err := json.Unmarshal(element, &r); err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.imagesFile(), err)
		}
		records = append(records, r)
	}
	return records, nil
}

func containsAny(data []byte, wanted [][]byte) bool {
	for _, w := range wanted {
		if bytes.Contains(data, w) {
			return true
		}
	}
	return false
}

// layerRecords reads all layer records by id, leaving out those of interrupted work.
//
// The map is shared: it is not to be changed.
func (s *Store) layerRecords() (map[string]layerRecord, error) {
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	f, err := os.Open(s.layersFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the layer records: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the layer records: %w", err)
	}
	if old := s.layers.file; old != nil && os.SameFile(old, st) && old.ModTime().Equal(st.ModTime()) && old.Size() == st.Size() {
		return s.layers.byID, nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("reading the layer records: %w", err)
	}
	var list []layerRecord
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("reading %s: %w", s.layersFile(), err)
	}
	byID := make(map[string]layerRecord, len(list))
	for _, r := range list {
		if incomplete, _ := r.Flags["incomplete"].(bool); !incomplete {
			byID[r.ID] = r
		}
	}
	s.layers.file, s.layers.byID = st, byID
	return byID, nil
}

// layerMemory is the last content of the layers' record file: a build asks for many layers, and the
// library replaces the file whenever it changes it.
type layerMemory struct {
	mu   sync.Mutex
	file fs.FileInfo
	byID map[string]layerRecord
}

// chainID gives the id of the layer diff on top of parent: the hex part of the OCI ChainID
// (image-spec, config.md, "Layer ChainID"). The store's layer ids are these, so an image's chain
// follows from its config alone.
func chainID(parent string, diff digest.Digest) string {
	if parent == "" {
		return diff.Encoded()
	}
	return digest.FromString("sha256:" + parent + " " + diff.String()).Encoded()
}

// chainOf gives the layers of a config, base first, without sizes.
func (s *Store) chainOf(c image.Config) ([]Layer, error) {
	layers := make([]Layer, 0, len(c.RootFS.DiffIDs))
	parent := ""
	for _, diff := range c.RootFS.DiffIDs {
		parent = chainID(parent, diff)
		l := Layer{ID: parent, DiffID: diff, Dir: s.layerDir(parent)}
		if !s.opts.Mapping.Native() {
			var err error
			if l.Links, err = s.readLinks(parent); err != nil {
				return nil, err
			}
		}
		layers = append(layers, l)
	}
	return layers, nil
}

func (s *Store) readLinks(layerID string) (ownership.Links, error) {
	data, err := journal.ReadFile(s.linksFile(layerID), journal.Whole)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the symlink owners of layer %s: %w", short(layerID), err)
	}
	links, err := ownership.ParseLinks(data)
	if err != nil {
		return nil, fmt.Errorf("reading the symlink owners of layer %s: %w", short(layerID), err)
	}
	return links, nil
}

// recorded is what a record and its metadata tell of an image.
func recorded(r imageRecord, m imageMetadata) Image {
	img := Image{ID: r.ID, Digest: r.Digest, Names: r.Names, Digests: m.Digests, Size: m.Size, Created: m.Created, Indexes: m.Indexes}
	for name, index := range m.Targets {
		if slices.Contains(r.Names, name) {
			if img.Targets == nil {
				img.Targets = map[string]digest.Digest{}
			}
			img.Targets[name] = index
		}
	}
	return img
}

// imageOf reads the blobs of a record; false when the record is of interrupted work.
func (s *Store) imageOf(r imageRecord) (Image, bool, error) {
	m, ok := r.metadata()
	if !ok {
		return Image{}, false, nil
	}
	img := recorded(r, m)
	var err error
	if img.RawConfig, err = journal.ReadFile(s.imageDataFile(r.ID, m.Config.String()), journal.Whole); err != nil {
		return Image{}, false, fmt.Errorf("reading the config of image %s: %w", short(r.ID), err)
	}
	if img.RawManifest, err = journal.ReadFile(s.imageDataFile(r.ID, manifestKey), journal.Whole); err != nil {
		return Image{}, false, fmt.Errorf("reading the manifest of image %s: %w", short(r.ID), err)
	}
	if img.Digest == "" {
		img.Digest = digest.FromBytes(img.RawManifest)
	}
	if img.Config, err = image.Parse(img.RawConfig); err != nil {
		return Image{}, false, fmt.Errorf("image %s: %w", short(r.ID), err)
	}
	if img.Layers, err = s.chainOf(img.Config); err != nil {
		return Image{}, false, fmt.Errorf("image %s: %w", short(r.ID), err)
	}
	return img, true, nil
}

// short is an id as people read it.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
