package storage

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/inflate"
)

// ownManifest is what an image's own manifest says of its layers.
type ownManifest struct {
	oci    bool
	layers []knownBlob // base first
}

func parseManifest(raw []byte) (ownManifest, error) {
	mime := manifest.GuessMIMEType(raw)
	m, err := manifest.FromBlob(raw, mime)
	if err != nil {
		return ownManifest{}, err
	}
	own := ownManifest{oci: mime == imgspecv1.MediaTypeImageManifest}
	for _, l := range m.LayerInfos() {
		own.layers = append(own.layers, knownBlob{Digest: l.Digest, Size: l.Size, Algorithm: algorithmOf(l.MediaType), Level: levelUnknown})
	}
	return own, nil
}

// layerTypes are the media types of layers: OCI's and docker's.
var layerTypes = []struct{ algorithm, oci, docker string }{
	{inflate.Uncompressed, imgspecv1.MediaTypeImageLayer, manifest.DockerV2SchemaLayerMediaTypeUncompressed},
	{gzipped, imgspecv1.MediaTypeImageLayerGzip, manifest.DockerV2Schema2LayerMediaType},
	{zstded, imgspecv1.MediaTypeImageLayerZstd, ""},
}

// algorithmOf is the compression a media type tells of, "" when that is no type of a layer we make.
func algorithmOf(mediaType string) string {
	for _, t := range layerTypes {
		if mediaType == t.oci || mediaType == t.docker && mediaType != "" {
			return t.algorithm
		}
	}
	return ""
}

func layerType(algorithm string, oci bool) string {
	for _, t := range layerTypes {
		if t.algorithm == algorithm && oci {
			return t.oci
		} else if t.algorithm == algorithm {
			return t.docker
		}
	}
	return ""
}

func configType(oci bool) string {
	if oci {
		return imgspecv1.MediaTypeImageConfig
	}
	return manifest.DockerV2Schema2ConfigMediaType
}

// with gives the manifest raw with other blobs for its layers, in the form that is wanted; raw itself
// when nothing is different.
func (own ownManifest) with(raw []byte, config types.BlobInfo, blobs []knownBlob, oci bool) ([]byte, error) {
	same := func(a, b knownBlob) bool { return a.Digest == b.Digest && a.Size == b.Size }
	if own.oci == oci && slices.EqualFunc(own.layers, blobs, same) {
		return raw, nil
	}
	if own.oci && oci {
		return replaceLayers(raw, blobs)
	}
	if oci {
		m := imgspecv1.Manifest{MediaType: imgspecv1.MediaTypeImageManifest, Layers: []imgspecv1.Descriptor{},
			Config: imgspecv1.Descriptor{MediaType: configType(true), Digest: config.Digest, Size: config.Size}}
		m.SchemaVersion = 2
		for _, b := range blobs {
			m.Layers = append(m.Layers, imgspecv1.Descriptor{MediaType: layerType(b.Algorithm, true), Digest: b.Digest, Size: b.Size})
		}
		return json.Marshal(m)
	}
	layers := make([]manifest.Schema2Descriptor, len(blobs))
	for i, b := range blobs {
		layers[i] = manifest.Schema2Descriptor{MediaType: layerType(b.Algorithm, false), Size: b.Size, Digest: b.Digest}
	}
	return manifest.Schema2FromComponents(manifest.Schema2Descriptor{MediaType: configType(false), Size: config.Size, Digest: config.Digest}, layers).Serialize()
}

// replaceLayers keeps what else stands in a manifest, and in the entries of its layers.
func replaceLayers(raw []byte, blobs []knownBlob) ([]byte, error) {
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	if len(m.Layers) != len(blobs) {
		return nil, fmt.Errorf("the image is inconsistent: its manifest has %d layers, its config %d", len(m.Layers), len(blobs))
	}
	for i, b := range blobs {
		if m.Layers[i].Digest != b.Digest {
			m.Layers[i].Digest, m.Layers[i].Size, m.Layers[i].MediaType = b.Digest, b.Size, layerType(b.Algorithm, true)
			m.Layers[i].URLs, m.Layers[i].Data = nil, nil
		}
	}
	return json.Marshal(m)
}

// arrivedBlobs are the forms in which a registry gave the layers of an image.
func arrivedBlobs(diffs []digest.Digest, infos []types.BlobInfo) blobsOf {
	found := blobsOf{}
	for i, info := range infos {
		if a := algorithmOf(info.MediaType); a != "" {
			found[diffs[i]] = []knownBlob{{Digest: info.Digest, Size: info.Size, Algorithm: a, Level: levelUnknown}}
		}
	}
	return found
}
