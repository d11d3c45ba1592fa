package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// vaultRef is an index of the vault as image/v5 sees it; with top set to the manifest of one entry it
// is that image alone.
type vaultRef struct {
	local
	s   *Store
	top digest.Digest // of what comes out; filled by the destination
}

func (v *vaultRef) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return &vaultSource{ref: v}, nil
}

func (v *vaultRef) NewImage(ctx context.Context, sys *types.SystemContext) (types.ImageCloser, error) {
	src, err := v.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return image.FromSource(ctx, sys, src)
}

func (v *vaultRef) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return &vaultDestination{ref: v}, nil
}

// vaultSource gives documents and blobs as they came.
type vaultSource struct{ ref *vaultRef }

func (v *vaultSource) Reference() types.ImageReference { return v.ref }
func (v *vaultSource) Close() error                    { return nil }
func (v *vaultSource) HasThreadSafeGetBlob() bool      { return true }

func (v *vaultSource) GetManifest(_ context.Context, instance *digest.Digest) ([]byte, string, error) {
	d := v.ref.top
	if instance != nil {
		d = *instance
	}
	raw, err := v.ref.s.vaultDocument(d)
	if err != nil {
		return nil, "", fmt.Errorf("reading manifest %s: %w", shortDigest(d), err)
	}
	return raw, manifest.GuessMIMEType(raw), nil
}

func (v *vaultSource) GetBlob(_ context.Context, info types.BlobInfo, _ types.BlobInfoCache) (io.ReadCloser, int64, error) {
	if err := info.Digest.Validate(); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(v.ref.s.vaultFile(info.Digest))
	if err != nil {
		return nil, 0, fmt.Errorf("reading blob %s: %w", shortDigest(info.Digest), err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, st.Size(), nil
}

func (v *vaultSource) GetSignatures(context.Context, *digest.Digest) ([][]byte, error) {
	return nil, nil
}

func (v *vaultSource) LayerInfosForCopy(context.Context, *digest.Digest) ([]types.BlobInfo, error) {
	return nil, nil
}

// vaultDestination takes everything as it comes.
type vaultDestination struct{ ref *vaultRef }

func (v *vaultDestination) Reference() types.ImageReference      { return v.ref }
func (v *vaultDestination) Close() error                         { return nil }
func (v *vaultDestination) SupportedManifestMIMETypes() []string { return nil }

func (v *vaultDestination) SupportsSignatures(context.Context) error {
	return errors.New("the store keeps no signatures")
}

func (v *vaultDestination) DesiredLayerCompression() types.LayerCompression {
	return types.PreserveOriginal
}
func (v *vaultDestination) AcceptsForeignLayerURLs() bool        { return false }
func (v *vaultDestination) MustMatchRuntimeOS() bool             { return false }
func (v *vaultDestination) IgnoresEmbeddedDockerReference() bool { return true }
func (v *vaultDestination) HasThreadSafePutBlob() bool           { return true }

func (v *vaultDestination) PutBlob(ctx context.Context, stream io.Reader, info types.BlobInfo, _ types.BlobInfoCache, _ bool) (types.BlobInfo, error) {
	d, n, err := v.ref.s.putBlob(ctx, stream, info.Digest)
	if err != nil {
		return types.BlobInfo{}, fmt.Errorf("blob %s: %w", shortDigest(info.Digest), err)
	}
	return types.BlobInfo{Digest: d, Size: n, MediaType: info.MediaType}, nil
}

func (v *vaultDestination) TryReusingBlob(_ context.Context, info types.BlobInfo, _ types.BlobInfoCache, _ bool) (bool, types.BlobInfo, error) {
	size, ok, err := v.ref.s.holdVaultBlob(info.Digest)
	if err != nil || !ok || info.Size >= 0 && size != info.Size {
		return false, types.BlobInfo{}, err
	}
	info.Size = size
	return true, info, nil
}

func (v *vaultDestination) PutManifest(ctx context.Context, m []byte, instance *digest.Digest) error {
	known := digest.FromBytes(m)
	if instance != nil && *instance != known {
		return fmt.Errorf("manifest %s has digest %s", *instance, known)
	}
	d, _, err := v.ref.s.putBlob(ctx, bytes.NewReader(m), known)
	if instance == nil {
		v.ref.top = d
	}
	return err
}

func (v *vaultDestination) PutSignatures(_ context.Context, signatures [][]byte, _ *digest.Digest) error {
	if len(signatures) > 0 {
		return v.SupportsSignatures(context.Background())
	}
	return nil
}

// Commit flushes the names of the blobs; the image record that refers to them comes after.
func (v *vaultDestination) Commit(context.Context, types.UnparsedImage) error {
	return v.ref.s.flushVault()
}
