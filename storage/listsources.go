package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	imageimage "go.podman.io/image/v5/image"
	imagemanifest "go.podman.io/image/v5/manifest"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/manifest"
	"github.com/dhow-containers/dhow/storage/reference"
)

// SourceOptions guide ListEntries.
type SourceOptions struct {
	// All takes every entry of an index; without it an index of a registry is refused.
	All      bool
	Insecure bool
	Auth     *Credentials
}

// ListEntries finds what a reference adds to a list: an image of the store, or one at a registry
// when the store has none of that name or the reference begins with docker://.
func (s *Store) ListEntries(ctx context.Context, ref string, o SourceOptions) ([]ListEntry, error) {
	remote, only := strings.CutPrefix(ref, "docker://")
	if !only {
		entries, err := s.storedEntries(ref, o.All)
		if err == nil || !errors.Is(err, ErrNotFound) {
			return entries, err
		}
	}
	return s.remoteEntries(ctx, remote, o)
}

func (s *Store) storedEntries(ref string, all bool) ([]ListEntry, error) {
	img, err := s.Lookup(ref)
	if err != nil {
		return nil, err
	}
	full := s.tagOf(ref)
	if full == "" {
		full = img.ID
	}
	if !all || img.Index == "" {
		return []ListEntry{entryOf(img, full)}, nil
	}
	images, err := s.Images()
	if err != nil {
		return nil, err
	}
	variants, err := s.Variants(img, images)
	if err != nil {
		return nil, err
	}
	var entries []ListEntry
	for _, v := range variants {
		entries = append(entries, entryOf(v.Image, full+"@"+v.Digest.String()))
	}
	return entries, nil
}

func entryOf(img Image, ref string) ListEntry {
	p := v1.Platform{OS: img.Config.OS, Architecture: img.Config.Architecture, Variant: img.Config.Variant,
		OSVersion: img.Config.OSVersion, OSFeatures: img.Config.OSFeatures}
	return ListEntry{Ref: ref, Image: img.ID, Manifest: img.RawManifest, Descriptor: v1.Descriptor{
		MediaType: imagemanifest.GuessMIMEType(img.RawManifest), Digest: img.Digest, Size: int64(len(img.RawManifest)), Platform: &p}}
}

// remoteEntries asks a registry.
func (s *Store) remoteEntries(ctx context.Context, ref string, o SourceOptions) ([]ListEntry, error) {
	n, err := reference.Parse(ref)
	if err != nil {
		return nil, err
	}
	raw, mime, err := s.RemoteManifest(ctx, ref, o.Auth, o.Insecure)
	if err != nil {
		return nil, err
	}
	if imagemanifest.MIMETypeIsMultiImage(mime) {
		if !o.All {
			return nil, fmt.Errorf("%s is a manifest list: --all takes every image of it", reference.Familiar(n.String()))
		}
		return s.remoteIndex(ctx, n, raw, o)
	}
	n.Digest = digest.FromBytes(raw)
	p, err := s.remotePlatform(ctx, n, o)
	if err != nil {
		return nil, err
	}
	return []ListEntry{{Ref: n.String(), Manifest: raw, Descriptor: v1.Descriptor{MediaType: mime, Digest: n.Digest, Size: int64(len(raw)), Platform: p}}}, nil
}

func (s *Store) remoteIndex(ctx context.Context, n reference.Name, raw []byte, o SourceOptions) (entries []ListEntry, err error) {
	list, err := manifest.ParseIndex(raw)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		n.Digest = d.Digest
		raw, mime, err := s.RemoteManifest(ctx, n.String(), o.Auth, o.Insecure)
		if err != nil {
			return nil, err
		}
		if digest.FromBytes(raw) != d.Digest || imagemanifest.MIMETypeIsMultiImage(mime) {
			return nil, fmt.Errorf("%s is not the image its index says", n.String())
		}
		entries = append(entries, ListEntry{Ref: n.String(), Manifest: raw, Descriptor: d})
	}
	return entries, nil
}

// remotePlatform reads the platform of an image at a registry from its config.
func (s *Store) remotePlatform(ctx context.Context, n reference.Name, o SourceOptions) (*v1.Platform, error) {
	ctx, name, sys, done, err := s.remote(ctx, n.String(), "", o.Auth, o.Insecure)
	if err != nil {
		return nil, err
	}
	defer done()
	name.Tag = ""
	from, err := dockerReference(name)
	if err != nil {
		return nil, err
	}
	src, err := from.NewImageSource(ctx, sys)
	if err != nil {
		return nil, explainTransfer(ctx, err)
	}
	defer src.Close()
	img, err := imageimage.FromUnparsedImage(ctx, sys, imageimage.UnparsedInstance(src, nil))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", reference.Familiar(n.String()), explainTransfer(ctx, err))
	}
	raw, err := img.ConfigBlob(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the config of %s: %w", reference.Familiar(n.String()), explainTransfer(ctx, err))
	}
	c, err := image.Parse(raw)
	if err != nil {
		return nil, err
	}
	return &v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion, OSFeatures: c.OSFeatures}, nil
}
