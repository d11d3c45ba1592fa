package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/registry"
)

// target is the store as image/v5 sees it when an image comes in: one image to be.
type target struct {
	local
	s        *Store
	platform string   // what the user asked for; "" takes what comes
	names    []string // full, given to the image by Commit
	// repository is given the digests: "docker.io/library/alpine"; "" when it came from no registry.
	repository string
	// index is the one it comes out of, when that is known beforehand; digests are further references.
	index   digest.Digest
	digests []string
	result  Image // filled by Commit
	ahead   bool  // nothing but layers is written meanwhile: see flushingAhead
}

func (t *target) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return &destination{target: t, staged: map[digest.Digest]*staged{}, blobs: map[digest.Digest]blob{}, configs: map[digest.Digest][]byte{}}, nil
}

// blob is a layer blob that was stored or found.
type blob struct {
	diffID digest.Digest
	size   int64 // of the blob
}

// destination takes one image. Layers are unpacked into directories of their own as they arrive, in
// parallel; Commit puts them in place in their order.
type destination struct {
	target *target

	mu       sync.Mutex
	staged   map[digest.Digest]*staged // by diff id
	blobs    map[digest.Digest]blob    // by blob digest
	configs  map[digest.Digest][]byte
	manifest []byte
}

func (d *destination) Reference() types.ImageReference { return d.target }

// Close drops what was not committed.
func (d *destination) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, t := range d.staged {
		errs = append(errs, t.drop())
	}
	clear(d.staged)
	return errors.Join(errs...)
}

func (d *destination) SupportedManifestMIMETypes() []string {
	return []string{imgspecv1.MediaTypeImageManifest, manifest.DockerV2Schema2MediaType}
}

func (d *destination) SupportsSignatures(context.Context) error {
	return errors.New("the store keeps no signatures")
}

func (d *destination) DesiredLayerCompression() types.LayerCompression { return types.PreserveOriginal }
func (d *destination) AcceptsForeignLayerURLs() bool                   { return false }
func (d *destination) MustMatchRuntimeOS() bool                        { return true }
func (d *destination) IgnoresEmbeddedDockerReference() bool            { return true }
func (d *destination) HasThreadSafePutBlob() bool                      { return true }

// maxConfigBytes bounds the config, which is read into memory (image/v5 bounds manifests alike).
const maxConfigBytes = 4 << 20

func (d *destination) PutBlob(ctx context.Context, stream io.Reader, info types.BlobInfo, cache types.BlobInfoCache, isConfig bool) (types.BlobInfo, error) {
	if isConfig {
		return d.putConfig(stream)
	}
	if d.target.ahead {
		stream = d.target.s.flushingAhead(stream)
	}
	t, in, err := d.target.s.stage(ctx, stream, info.Digest)
	if err != nil {
		return types.BlobInfo{}, fmt.Errorf("layer %s: %w", shortDigest(info.Digest), err)
	}
	cache.RecordDigestUncompressedPair(in.digest, t.diffID)
	cache.RecordDigestUncompressedPair(t.diffID, t.diffID)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blobs[in.digest] = blob{diffID: t.diffID, size: in.size}
	if _, twice := d.staged[t.diffID]; twice {
		err = t.drop()
	} else {
		d.staged[t.diffID] = t
	}
	return types.BlobInfo{Digest: in.digest, Size: in.size, MediaType: info.MediaType}, err
}

func (d *destination) putConfig(stream io.Reader) (types.BlobInfo, error) {
	data, err := io.ReadAll(io.LimitReader(stream, maxConfigBytes+1))
	if err != nil {
		return types.BlobInfo{}, fmt.Errorf("reading the image's config: %w", err)
	}
	if len(data) > maxConfigBytes {
		return types.BlobInfo{}, fmt.Errorf("the image's config is larger than %d bytes", maxConfigBytes)
	}
	sum := digest.FromBytes(data)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.configs[sum] = data
	return types.BlobInfo{Digest: sum, Size: int64(len(data))}, nil
}

// TryReusingBlob finds a layer the store has by the digest of the blob, of the blob it came from, or
// of what some blob is known to contain.
func (d *destination) TryReusingBlob(_ context.Context, info types.BlobInfo, cache types.BlobInfoCache, _ bool) (bool, types.BlobInfo, error) {
	if err := info.Digest.Validate(); err != nil {
		return false, types.BlobInfo{}, fmt.Errorf("layer: %w", err)
	}
	d.mu.Lock()
	_, known := d.blobs[info.Digest]
	d.mu.Unlock()
	if known {
		return true, info, nil
	}
	r, ok, err := d.target.s.holdBlob(info.Digest, cache.UncompressedDigest(info.Digest))
	if err != nil || !ok {
		return false, types.BlobInfo{}, err
	}
	size := info.Size
	if size < 0 {
		if info.Digest != r.DiffID {
			return false, types.BlobInfo{}, nil // the manifest wants a size we do not know
		}
		size = r.Size
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blobs[info.Digest] = blob{diffID: r.DiffID, size: size}
	info.Size = size
	return true, info, nil
}

func (d *destination) PutManifest(_ context.Context, m []byte, instance *digest.Digest) error {
	if instance != nil {
		return errors.New("the store keeps single images, not lists of them")
	}
	d.manifest = bytes.Clone(m)
	return nil
}

func (d *destination) PutSignatures(_ context.Context, signatures [][]byte, _ *digest.Digest) error {
	if len(signatures) > 0 {
		return d.SupportsSignatures(context.Background())
	}
	return nil
}

// Commit checks that the parts belong together, puts the layers in place and records the image.
func (d *destination) Commit(ctx context.Context, top types.UnparsedImage) error {
	m, err := manifest.FromBlob(d.manifest, manifest.GuessMIMEType(d.manifest))
	if err != nil {
		return fmt.Errorf("reading the image's manifest: %w", err)
	}
	raw, ok := d.configs[m.ConfigInfo().Digest]
	if !ok {
		return fmt.Errorf("the image's config %s did not arrive", shortDigest(m.ConfigInfo().Digest))
	}
	config, err := image.Parse(raw)
	if err != nil {
		return err
	}
	if err := d.target.matches(config); err != nil {
		return err
	}
	diffs, err := d.layerDiffs(m, config)
	if err != nil {
		return err
	}
	n := newImage{config: raw, manifest: d.manifest, names: d.target.names, index: d.target.index, digests: d.target.digests}
	sum := n.index
	if top != nil && sum == "" {
		list, mime, err := top.Manifest(ctx)
		if err != nil {
			return err
		}
		if sum, err = manifest.Digest(list); err != nil {
			return err
		}
		if manifest.MIMETypeIsMultiImage(mime) {
			n.index = sum
		}
	}
	if d.target.repository != "" {
		n.digests = append(n.digests, d.target.repository+"@"+digest.FromBytes(d.manifest).String())
		// docker shows the digest of what the tag pointed to: the list's, when it is one.
		if at := d.target.repository + "@" + sum.String(); sum != "" && !slices.Contains(n.digests, at) {
			n.digests = append([]string{at}, n.digests...)
		}
	}
	d.target.result, err = d.target.s.commitStaged(ctx, diffs, d.staged, n)
	return err
}

// layerDiffs gives the diff ids of the manifest's layers. The config's word is checked against what
// the layers really contain.
func (d *destination) layerDiffs(m manifest.Manifest, config image.Config) ([]digest.Digest, error) {
	infos := m.LayerInfos()
	if len(infos) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the image is inconsistent: its manifest has %d layers, its config %d", len(infos), len(config.RootFS.DiffIDs))
	}
	diffs := make([]digest.Digest, len(infos))
	for i, info := range infos {
		b, ok := d.blobs[info.Digest]
		if !ok {
			return nil, fmt.Errorf("layer %s did not arrive", shortDigest(info.Digest))
		}
		if b.diffID != config.RootFS.DiffIDs[i] {
			return nil, fmt.Errorf("the image is inconsistent: layer %d contains %s, its config says %s", i+1, b.diffID, config.RootFS.DiffIDs[i])
		}
		diffs[i] = b.diffID
	}
	return diffs, nil
}

// matches refuses an image for another platform than the one that was asked for.
func (t *target) matches(c image.Config) error {
	if t.platform == "" {
		return nil
	}
	os, arch, variant, err := registry.ParsePlatform(t.platform)
	if err != nil {
		return err
	}
	if c.Architecture != arch || (c.OS != "" && c.OS != os) || (variant != "" && c.Variant != "" && c.Variant != variant) {
		return fmt.Errorf("image does not match the specified platform: wanted %s, actual: %s/%s", t.platform, c.OS, c.Architecture)
	}
	return nil
}

func shortDigest(d digest.Digest) string {
	if d.Validate() != nil {
		return "without digest"
	}
	return short(d.Encoded())
}

// transport and local are what image/v5 wants of any reference; nothing parses ours.
type transport struct{}

func (transport) Name() string { return "dhow" }
func (transport) ParseReference(string) (types.ImageReference, error) {
	return nil, errors.New("images of the store have no references of this kind")
}
func (transport) ValidatePolicyConfigurationScope(string) error { return nil }

type local struct {
	name  string
	named imageref.Named // nil when the image has no name
}

func (l local) Transport() types.ImageTransport         { return transport{} }
func (l local) StringWithinTransport() string           { return l.name }
func (l local) DockerReference() imageref.Named         { return l.named }
func (l local) PolicyConfigurationIdentity() string     { return "" }
func (l local) PolicyConfigurationNamespaces() []string { return nil }
func (l local) NewImage(context.Context, *types.SystemContext) (types.ImageCloser, error) {
	return nil, errors.ErrUnsupported
}
func (l local) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return nil, errors.ErrUnsupported
}
func (l local) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return nil, errors.ErrUnsupported
}
func (l local) DeleteImage(context.Context, *types.SystemContext) error {
	return errors.ErrUnsupported
}
