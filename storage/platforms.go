package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	imagemanifest "go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/manifest"
	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/reference"
	"github.com/dhow-containers/dhow/storage/registry"
)

// PullAll brings every platform of an index, attestations included, as they are, and unpacks the one
// this machine runs best. Of an image that has no index it brings the image. It gives the image that
// was unpacked.
func (s *Store) PullAll(ctx context.Context, ref string, o PullOptions) (Image, error) {
	raw, _, err := s.RemoteManifest(ctx, ref, o.Auth, o.Insecure)
	if err != nil {
		return Image{}, err
	}
	if !imagemanifest.MIMETypeIsMultiImage(imagemanifest.GuessMIMEType(raw)) {
		o.Platform, o.Policy = "", PullAlways
		return s.Pull(ctx, ref, o)
	}
	if _, err := manifest.ParseIndex(raw); err != nil {
		return Image{}, fmt.Errorf("pulling %s: %w", ref, err)
	}
	if err := s.receive(); err != nil {
		return Image{}, err
	}
	ctx, name, sys, done, err := s.remote(ctx, ref, "", o.Auth, o.Insecure)
	if err != nil {
		return Image{}, err
	}
	defer done()
	if name.Digest != "" {
		name.Tag = ""
	}
	from, err := dockerReference(name)
	if err != nil {
		return Image{}, err
	}
	policy, err := registry.Policy(sys)
	if err != nil {
		return Image{}, err
	}
	defer policy.Destroy()
	to := &vaultRef{local: local{name: name.String()}, s: s}
	for renewed := false; ; renewed = true { // once with a new token, from where it was
		report := newReporter(o.Progress, "downloading")
		_, err = copy.Image(ctx, policy, to, resuming{from, s, o.Progress}, &copy.Options{
			RemoveSignatures:   true,
			PreserveDigests:    true,
			ImageListSelection: copy.CopyAllImages,
			SourceCtx:          sys,
			DestinationCtx:     sys,
			Progress:           report.events(),
			ProgressInterval:   report.interval(),
		})
		report.close(err)
		if renewed || !expired(err) {
			break
		}
	}
	if err != nil {
		return Image{}, fmt.Errorf("pulling %s: %w", reference.Familiar(name.String()), explainTransfer(ctx, err))
	}
	t := &target{local: local{name: name.String()}, s: s, repository: name.Repository()}
	if name.Digest == "" {
		t.names = []string{name.Tagged()}
	}
	img, err := s.unpackBest(ctx, to.top, t, "")
	if err != nil {
		return Image{}, fmt.Errorf("pulling %s: %w", reference.Familiar(name.String()), err)
	}
	s.note(nil, "pull", reference.Familiar(name.String()))
	return img, nil
}

// unpackBest makes an image of the entry of an index in the vault that provides the platform, or
// that this machine runs best.
func (s *Store) unpackBest(ctx context.Context, index digest.Digest, t *target, platform string) (Image, error) {
	if err := s.holdIndex(index); err != nil {
		return Image{}, err
	}
	list, err := s.packedIn(index)
	if err != nil {
		return Image{}, err
	}
	var entries []v1.Descriptor
	for _, p := range list {
		if p.whole && manifest.Image(p.Descriptor) {
			entries = append(entries, p.Descriptor)
		}
	}
	d, ok, err := best(entries, platform)
	if err != nil {
		return Image{}, err
	}
	if !ok {
		return Image{}, errors.New("the index has no image")
	}
	return s.unpackEntry(ctx, index, d, t)
}

// unpackEntry makes an image of one entry of an index in the vault.
func (s *Store) unpackEntry(ctx context.Context, index digest.Digest, d v1.Descriptor, t *target) (Image, error) {
	quiet()
	if _, err := s.library(); err != nil {
		return Image{}, err
	}
	wanted := ""
	if d.Platform != nil {
		wanted = platformText(*d.Platform)
	}
	sys, done, err := s.settings().Context(registry.Access{Platform: wanted})
	if err != nil {
		return Image{}, err
	}
	defer done()
	policy, err := registry.AcceptAnything()
	if err != nil {
		return Image{}, err
	}
	defer policy.Destroy()
	t.index = index
	from := &vaultRef{local: local{name: index.String()}, s: s, top: d.Digest}
	_, err = copy.Image(ctx, policy, t, from, &copy.Options{RemoveSignatures: true, SourceCtx: sys, DestinationCtx: sys})
	if err != nil {
		return Image{}, fmt.Errorf("unpacking %s: %w", platformName(d), explainTransfer(ctx, err))
	}
	return t.result, nil
}

// Unpack makes the image of one platform that LookupFor found Packed one that can run.
func (s *Store) Unpack(ctx context.Context, img Image) (Image, error) {
	if !img.Packed {
		return img, nil
	}
	if err := s.holdIndex(img.Index); err != nil {
		return Image{}, err
	}
	list, err := s.packedIn(img.Index)
	if err != nil {
		return Image{}, err
	}
	for _, p := range list {
		if p.Digest == img.Digest && p.whole {
			t := &target{local: local{name: img.ID}, s: s, digests: img.Digests}
			return s.unpackEntry(ctx, img.Index, p.Descriptor, t)
		}
	}
	return Image{}, notFound(img.Digest.String())
}

// packedImage gives an entry of an index in the vault as an image. Size is that of its blobs; its
// layers are none of the store's yet.
func (s *Store) packedImage(index digest.Digest, p packed, digests []string) (Image, error) {
	raw, err := s.vaultDocument(p.blobs[0].Digest)
	if err != nil {
		return Image{}, fmt.Errorf("reading the config of %s: %w", platformName(p.Descriptor), err)
	}
	img := Image{ID: p.blobs[0].Digest.Encoded(), Digest: p.Digest, RawConfig: raw, RawManifest: p.manifest,
		Size: p.bytes(), Packed: true, Index: index, Indexes: []digest.Digest{index}, Digests: digests}
	if img.Config, err = image.Parse(raw); err != nil {
		return Image{}, err
	}
	if img.Config.Created != nil {
		img.Created = img.Config.Created.UTC()
	}
	img.Layers, err = s.chainOf(img.Config)
	return img, err
}

// packedImages gives the images of an index that lie in the vault.
func (s *Store) packedImages(index digest.Digest, digests []string) ([]Image, error) {
	if index == "" {
		return nil, nil
	}
	list, err := s.packedIn(index)
	if err != nil {
		return nil, err
	}
	var images []Image
	for _, p := range list {
		if !p.whole || !manifest.Image(p.Descriptor) {
			continue
		}
		img, err := s.packedImage(index, p, digests)
		if err != nil {
			continue // an artifact without a config we know
		}
		images = append(images, img)
	}
	return images, nil
}

// atIndex are the references among digests that name the index itself.
func atIndex(digests []string, index digest.Digest) []string {
	return slices.DeleteFunc(slices.Clone(digests), func(d string) bool {
		return digestOfReference(d) != index
	})
}

// outgoing gives what image name goes out as, held by this process: all of its index when that is in
// the vault and no platform is asked for, otherwise one image.
func (s *Store) outgoing(name, platform string) (Image, types.ImageReference, *copy.Options, error) {
	img, err := s.LookupFor(name, platform)
	if err != nil {
		return Image{}, nil, nil, err
	}
	co := &copy.Options{RemoveSignatures: true}
	if img.Index != "" {
		if err := s.holdIndex(img.Index); err != nil {
			return Image{}, nil, nil, err
		}
		if platform == "" && s.wholeIndex(img.Index) {
			co.PreserveDigests, co.ImageListSelection = true, copy.CopyAllImages
			return img, &vaultRef{local: local{name: img.Index.String()}, s: s, top: img.Index}, co, nil
		}
		list, err := s.packedIn(img.Index)
		if err != nil {
			return Image{}, nil, nil, err
		}
		for _, p := range list {
			if p.Digest == img.Digest && p.whole {
				co.PreserveDigests = true
				return img, &vaultRef{local: local{name: img.ID}, s: s, top: p.Digest}, co, nil
			}
		}
	}
	held, err := s.Hold(img.ID)
	if err != nil {
		return Image{}, nil, nil, err
	}
	img.Layers = held.Layers
	return img, &origin{local: local{name: img.ID}, s: s, img: img}, co, nil
}

// loadIndex brings an index out of an archive: what of its platforms the archive has, as it is, and
// unpacks the one this machine runs best. It is false when the archive has none of them whole.
func (s *Store) loadIndex(ctx context.Context, from types.ImageReference, names []string, sys *types.SystemContext, p progress.Func) (Image, bool, error) {
	src, err := from.NewImageSource(ctx, sys)
	if err != nil {
		return Image{}, false, err
	}
	raw, mime, err := src.GetManifest(ctx, nil)
	if err != nil || !imagemanifest.MIMETypeIsMultiImage(mime) {
		return Image{}, false, errors.Join(err, src.Close())
	}
	entries, err := manifest.ParseIndex(raw)
	if err != nil {
		return Image{}, false, errors.Join(err, src.Close())
	}
	var have []digest.Digest
	images := 0
	for _, d := range entries {
		if inArchive(ctx, src, d) {
			have = append(have, d.Digest)
			if manifest.Image(d) {
				images++
			}
		}
	}
	if err := src.Close(); err != nil || images == 0 {
		return Image{}, false, err
	}
	policy, err := registry.AcceptAnything()
	if err != nil {
		return Image{}, false, err
	}
	defer policy.Destroy()
	to := &vaultRef{local: local{name: "archive"}, s: s}
	report := newReporter(p, "loading")
	_, err = copy.Image(ctx, policy, to, from, &copy.Options{
		RemoveSignatures:   true,
		PreserveDigests:    true,
		ImageListSelection: copy.CopySpecificImages,
		Instances:          have,
		SourceCtx:          sys,
		DestinationCtx:     sys,
		Progress:           report.events(),
		ProgressInterval:   report.interval(),
	})
	report.close(err)
	if err != nil {
		return Image{}, false, err
	}
	img, err := s.unpackBest(ctx, to.top, &target{local: local{name: "archive"}, s: s, names: names}, "")
	return img, err == nil, err
}

// inArchive reports whether an archive has all of an entry: docker's archives carry the index of an
// image with the platforms that were pulled.
func inArchive(ctx context.Context, src types.ImageSource, d v1.Descriptor) bool {
	raw, _, err := src.GetManifest(ctx, &d.Digest)
	if err != nil {
		return false
	}
	blobs, err := manifest.ParseBlobs(raw)
	if err != nil {
		return false
	}
	for _, b := range blobs {
		r, _, err := src.GetBlob(ctx, types.BlobInfo{Digest: b.Digest, Size: b.Size}, nil)
		if err != nil {
			return false
		}
		r.Close()
	}
	return true
}
