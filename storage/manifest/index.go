package manifest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// DockerList is the media type of docker's manifest list (distribution, manifest-v2-2.md).
const DockerList = "application/vnd.docker.distribution.manifest.list.v2+json"

const (
	// maxBytes bounds a document that is read into memory.
	maxBytes = 4 << 20
	// maxEntries bounds what one document names.
	maxEntries = 10_000
)

// document is what an image's manifest and an index are told apart by.
type document struct {
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
	Manifests []v1.Descriptor `json:"manifests"`
	FSLayers  json.RawMessage `json:"fsLayers"`
}

func parse(raw []byte) (d document, err error) {
	if len(raw) > maxBytes {
		return d, fmt.Errorf("it is larger than %d bytes", maxBytes)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, err
	}
	// One that can be read as both would be another image to another reader (CVE-2021-41190).
	if d.Manifests != nil && (d.Config != nil || d.Layers != nil || d.FSLayers != nil) {
		return d, errors.New("it is an image's and an index at once")
	}
	if len(d.Manifests)+len(d.Layers) > maxEntries {
		return d, fmt.Errorf("it has more than %d entries", maxEntries)
	}
	for _, list := range [][]v1.Descriptor{d.Manifests, d.Layers} {
		for _, e := range list {
			if err := valid(e); err != nil {
				return d, err
			}
		}
	}
	if d.Config != nil {
		return d, valid(*d.Config)
	}
	return d, nil
}

func valid(d v1.Descriptor) error {
	if err := d.Digest.Validate(); err != nil || d.Digest.Algorithm() != digest.SHA256 {
		return fmt.Errorf("it names %.100q, which is no sha256 digest", d.Digest)
	}
	if d.Size < 0 {
		return fmt.Errorf("it gives %s a size of %d", d.Digest, d.Size)
	}
	return nil
}

// ParseIndex reads an OCI index or docker's manifest list and gives its entries. What it reads is not
// trusted: every digest is well formed, no size negative, and the document can not be taken for that
// of an image.
func ParseIndex(raw []byte) ([]v1.Descriptor, error) {
	d, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("reading an index: %w", err)
	}
	if d.Manifests == nil {
		return nil, errors.New("reading an index: it has no manifests")
	}
	return d.Manifests, nil
}

// ParseBlobs reads an image's manifest, or an artifact's, and gives what it consists of: the config
// first, then the layers.
func ParseBlobs(raw []byte) ([]v1.Descriptor, error) {
	d, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	if d.Config == nil {
		return nil, errors.New("reading a manifest: it has no config")
	}
	return append([]v1.Descriptor{*d.Config}, d.Layers...), nil
}

// Index writes an OCI index (image-spec v1.1, image-index.md), or docker's manifest list.
func Index(entries []v1.Descriptor, docker bool, annotations map[string]string) ([]byte, error) {
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: entries, Annotations: annotations}
	if docker {
		index.MediaType, index.Annotations = DockerList, nil
	}
	index.SchemaVersion = 2
	if index.Manifests == nil {
		index.Manifests = []v1.Descriptor{}
	}
	return json.MarshalIndent(index, "", "   ")
}

// Image tells whether an entry of an index can be an image to run: attestations say
// "unknown/unknown" and name the image they are about.
func Image(d v1.Descriptor) bool {
	if d.Annotations["vnd.docker.reference.type"] != "" || d.ArtifactType != "" {
		return false
	}
	return d.Platform == nil || d.Platform.OS != "unknown" && d.Platform.Architecture != "unknown"
}
