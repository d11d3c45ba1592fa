package storage

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/layer"
)

// origin is an image of the store as image/v5 sees it when it goes out.
type origin struct {
	local
	s   *Store
	img Image
}

func (o *origin) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	sizes, err := o.s.LayerSizes(o.img)
	if err != nil {
		return nil, err
	}
	return &source{origin: o, sizes: sizes}, nil
}

func (o *origin) NewImage(ctx context.Context, sys *types.SystemContext) (types.ImageCloser, error) {
	src, err := o.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return image.FromSource(ctx, sys, src)
}

// source gives one image: its manifest as it is kept, its layers as the tars they came as.
type source struct {
	origin *origin
	sizes  []int64
}

func (s *source) Reference() types.ImageReference { return s.origin }
func (s *source) Close() error                    { return nil }
func (s *source) HasThreadSafeGetBlob() bool      { return true }

func (s *source) GetManifest(_ context.Context, instance *digest.Digest) ([]byte, string, error) {
	if instance != nil {
		return nil, "", errors.New("the store keeps single images, not lists of them")
	}
	m := s.origin.img.RawManifest
	return m, manifest.GuessMIMEType(m), nil
}

func (s *source) GetSignatures(context.Context, *digest.Digest) ([][]byte, error) { return nil, nil }

func (s *source) GetBlob(_ context.Context, info types.BlobInfo, _ types.BlobInfoCache) (io.ReadCloser, int64, error) {
	img := s.origin.img
	if info.Digest == digest.FromBytes(img.RawConfig) {
		return io.NopCloser(bytes.NewReader(img.RawConfig)), int64(len(img.RawConfig)), nil
	}
	for i, l := range img.Layers {
		if l.DiffID == info.Digest {
			r, err := s.origin.s.openTar(l.ID)
			return r, s.sizes[i], err
		}
	}
	return nil, 0, fmt.Errorf("image %s has no blob %s", short(img.ID), info.Digest)
}

// LayerInfosForCopy replaces the compressed blobs of the manifest, which the store does not have, by
// the tars it can make.
func (s *source) LayerInfosForCopy(ctx context.Context, _ *digest.Digest) ([]types.BlobInfo, error) {
	mediaType := imgspecv1.MediaTypeImageLayer
	if _, mime, _ := s.GetManifest(ctx, nil); mime == manifest.DockerV2Schema2MediaType {
		mediaType = manifest.DockerV2SchemaLayerMediaTypeUncompressed
	}
	infos := make([]types.BlobInfo, len(s.origin.img.Layers))
	for i, l := range s.origin.img.Layers {
		infos[i] = types.BlobInfo{Digest: l.DiffID, Size: s.sizes[i], MediaType: mediaType}
	}
	return infos, nil
}

// openTar streams the tar of a layer: the very bytes its diff id is the digest of.
func (s *Store) openTar(layerID string) (io.ReadCloser, error) {
	split, err := os.Open(s.tarSplitFile(layerID))
	if err != nil {
		return nil, fmt.Errorf("opening layer %s: %w", short(layerID), err)
	}
	unzipped, err := gzip.NewReader(split)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening layer %s: %w", short(layerID), err), split.Close())
	}
	r, w := io.Pipe()
	go func() {
		err := layer.Join(w, unzipped, s.layerDir(layerID))
		w.CloseWithError(errors.Join(err, split.Close()))
	}()
	return r, nil
}
