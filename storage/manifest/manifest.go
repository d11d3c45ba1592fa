// Package manifest writes the manifests of images made here.
package manifest

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Blob is one layer as it stands in a manifest.
type Blob struct {
	Digest digest.Digest
	Size   int64
}

// OCI gives the manifest of an image (image-spec v1.1, manifest.md) whose layers are not compressed:
// what they are compressed to is decided when they travel.
func OCI(config []byte, layers []Blob) ([]byte, error) {
	m := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    []v1.Descriptor{},
	}
	m.SchemaVersion = 2
	for _, l := range layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.Digest, Size: l.Size})
	}
	return json.Marshal(m)
}
