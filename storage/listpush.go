package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	imageref "go.podman.io/image/v5/docker/reference"
	imagemanifest "go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/manifest"
	"github.com/dhow-containers/dhow/storage/reference"
	"github.com/dhow-containers/dhow/storage/registry"
)

// PushList sends the images of a list to dest ("" for its name) as far as the registry does not have
// them, then the index of them, and gives its digest. pushed is told of each image. o.Format "docker"
// makes a manifest list of docker's of it, and docker's manifests of the images.
func (s *Store) PushList(ctx context.Context, name, dest string, o PushOptions, pushed func(ref string, d digest.Digest)) (digest.Digest, error) {
	l, err := s.List(name)
	if err != nil {
		return "", err
	}
	if dest == "" {
		dest = l.Name
	}
	ctx, remote, sys, done, err := s.remote(ctx, dest, "", o.Auth, o.Insecure)
	if err != nil {
		return "", err
	}
	defer done()
	if remote.Digest != "" {
		return "", fmt.Errorf("cannot push a digest reference: %s", dest)
	}
	if len(l.Entries) == 0 {
		return "", fmt.Errorf("manifest list %s has no images", reference.Familiar(l.Name))
	}
	var entries []v1.Descriptor
	for _, e := range l.Entries {
		d, err := s.pushEntry(ctx, e, remote, sys, o)
		if err != nil {
			return "", fmt.Errorf("pushing %s: %w", reference.Familiar(e.Ref), explainTransfer(ctx, err))
		}
		if pushed != nil {
			pushed(remote.Repository()+"@"+d.Digest.String(), d.Digest)
		}
		entries = append(entries, d)
	}
	raw, err := manifest.Index(entries, o.Format == "docker", l.Annotations)
	if err != nil {
		return "", err
	}
	to, err := dockerReference(remote)
	if err != nil {
		return "", err
	}
	out, err := to.NewImageDestination(ctx, sys)
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", reference.Familiar(remote.String()), explainTransfer(ctx, err))
	}
	defer out.Close()
	if err := out.PutManifest(ctx, raw, nil); err != nil {
		return "", fmt.Errorf("pushing %s: %w", reference.Familiar(remote.String()), explainTransfer(ctx, err))
	}
	s.note(nil, "push", reference.Familiar(remote.String()))
	return digest.FromBytes(raw), nil
}

// pushEntry sends one image and gives its entry of the index.
func (s *Store) pushEntry(ctx context.Context, e ListEntry, remote reference.Name, sys *types.SystemContext, o PushOptions) (v1.Descriptor, error) {
	named, err := imageref.ParseNormalizedNamed(remote.Repository())
	if err != nil {
		return v1.Descriptor{}, err
	}
	to, err := docker.NewReferenceUnknownDigest(named)
	if err != nil {
		return v1.Descriptor{}, err
	}
	co, err := copyOptions(sys, o.Format, o.Compression)
	if err != nil {
		return v1.Descriptor{}, err
	}
	from, as, closeSource, err := s.entrySource(ctx, e, o)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer closeSource()
	if as.sys != nil {
		co.SourceCtx = as.sys
	}
	// What a registry has stays as it is, unless another format is asked for: its digest may be signed.
	co.PreserveDigests = as.exact && o.Format != "docker" && o.Compression == ""
	policy, err := as.policy()
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer policy.Destroy()
	report := newReporter(o.Progress, "pushing")
	co.Progress, co.ProgressInterval = report.events(), report.interval()
	raw, err := copy.Image(ctx, policy, registry.Reference(to), from, co)
	report.close(err)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := e.Descriptor
	d.MediaType, d.Digest, d.Size = imagemanifest.GuessMIMEType(raw), digest.FromBytes(raw), int64(len(raw))
	return d, nil
}

// entryOrigin is how an entry's image is read.
type entryOrigin struct {
	exact bool
	sys   *types.SystemContext // nil for the destination's
}

func (e entryOrigin) policy() (*signature.PolicyContext, error) {
	if e.sys != nil {
		return registry.Policy(e.sys)
	}
	return registry.AcceptAnything()
}

// entrySource finds the image of an entry, in the store or at its registry.
func (s *Store) entrySource(ctx context.Context, e ListEntry, o PushOptions) (types.ImageReference, entryOrigin, func(), error) {
	nothing := func() {}
	if e.Image == "" {
		_, name, sys, done, err := s.remote(ctx, e.Ref, "", o.Auth, o.Insecure)
		if err != nil {
			return nil, entryOrigin{}, nil, err
		}
		name.Tag = ""
		from, err := dockerReference(name)
		return from, entryOrigin{exact: true, sys: sys}, done, err
	}
	if err := s.holdEntry(e.Descriptor); err != nil {
		return nil, entryOrigin{}, nil, err
	}
	if s.packedEntry(e.Descriptor).whole {
		return &vaultRef{local: local{name: e.Image}, s: s, top: e.Descriptor.Digest}, entryOrigin{exact: true}, nothing, nil
	}
	held, err := s.Hold(e.Image)
	if err != nil {
		return nil, entryOrigin{}, nil, fmt.Errorf("the image is not in the store any more: %w", err)
	}
	img := held.Image
	img.Layers = held.Layers
	return &origin{local: local{name: img.ID}, s: s, img: img}, entryOrigin{}, nothing, nil
}

// holdEntry keeps the blobs of one manifest for this process.
func (s *Store) holdEntry(d v1.Descriptor) (err error) {
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	names := []string{leasedBlob(d.Digest)}
	for _, b := range s.packedEntry(d).blobs {
		names = append(names, leasedBlob(b.Digest))
	}
	return s.keep(names...)
}
