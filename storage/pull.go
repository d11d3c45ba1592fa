package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	imagelib "go.podman.io/image/v5/image"
	imagemanifest "go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/manifest"
	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/reference"
	"github.com/dhow-containers/dhow/storage/registry"
)

// PullPolicy says when Pull asks the registry.
type PullPolicy string

const (
	PullAlways  PullPolicy = "always"
	PullMissing PullPolicy = "missing" // only when the image is not here
	PullNever   PullPolicy = "never"   // ErrNotFound when the image is not here
)

// PullOptions guide Pull.
type PullOptions struct {
	// Platform is "os/arch[/variant]"; empty is the host's.
	Platform string
	// Policy is PullAlways when empty, as "dhow pull" wants it.
	Policy PullPolicy
	// Progress gets one item a layer, its ID the digest of the blob.
	Progress progress.Func
	Auth     *Credentials
	// Insecure allows plain http and unverified certificates; registries.conf can say so too.
	Insecure bool
}

// Pull brings an image from a registry into the store under its name. A failed, cancelled or killed
// pull leaves no image; what had arrived of it is there for the next one: whole layers in the store,
// and the bytes of a layer in the middle of which it broke off.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (Image, error) {
	if o.Policy == PullMissing || o.Policy == PullNever {
		img, err := s.LookupFor(ref, o.Platform)
		if err == nil {
			return s.Unpack(ctx, img)
		}
		if !errors.Is(err, ErrNotFound) {
			return Image{}, err
		}
		if o.Policy == PullNever {
			return Image{}, err
		}
	}
	if _, err := s.LookupFor(ref, o.Platform); err != nil { // with it here, there may be nothing to do
		if err := s.receive(); err != nil {
			return Image{}, err
		}
	}
	ctx, name, sys, done, err := s.remote(ctx, ref, o.Platform, o.Auth, o.Insecure)
	if err != nil {
		return Image{}, err
	}
	defer done()
	if name.Digest != "" {
		name.Tag = "" // the digest says which image; docker ignores the tag too
	}
	from, err := dockerReference(name)
	if err != nil {
		return Image{}, err
	}
	to := &target{local: local{name: name.String()}, s: s, platform: o.Platform, repository: name.Repository()}
	if name.Digest == "" {
		to.names = []string{name.Tagged()}
	}
	policy, err := registry.Policy(sys)
	if err != nil {
		return Image{}, err
	}
	defer policy.Destroy()
	defer throttled.listen(o.Progress)()
	var img Image
	renewed := false
	for p := (patience{}); ; {
		if img, err = s.pull(ctx, policy, sys, from, to, o.Progress); expired(err) && !renewed {
			renewed = true // with a new token, from where it was
			continue
		}
		if err == nil || !busy(err) {
			break
		}
		var status docker.UnexpectedHTTPStatusError
		if _, asked := registry.Asked(ctx); asked == 0 && errors.As(err, &status) {
			registry.Knock(ctx, sys, from)
		}
		if err = p.wait(ctx, name.Domain, err, o.Progress); err != nil {
			break
		}
	}
	if err != nil {
		return Image{}, fmt.Errorf("pulling %s: %w", reference.Familiar(name.String()), explainTransfer(ctx, err))
	}
	s.note(nil, "pull", reference.Familiar(name.String()))
	return img, nil
}

// receive prepares the store for what is to come.
func (s *Store) receive() error {
	if _, err := s.library(); err != nil {
		return err
	}
	_, err := s.sweepPartials(false)
	return err
}

// gaveUp is an error that was tried often enough.
type gaveUp struct{ error }

// pull brings the image from into the store, layers in parallel.
func (s *Store) pull(ctx context.Context, policy *signature.PolicyContext, sys *types.SystemContext, from types.ImageReference, to *target, say progress.Func) (_ Image, err error) {
	src, err := from.NewImageSource(ctx, sys)
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	one, list, err := instance(ctx, sys, src)
	if err != nil {
		return Image{}, err
	}
	// Before anything else of the image is looked at.
	if allowed, err := policy.IsRunningImageAllowed(ctx, one); !allowed {
		return Image{}, refused{err}
	}
	raw, mime, err := one.Manifest(ctx)
	if err != nil {
		return Image{}, err
	}
	if m := imagemanifest.NormalizedMIMEType(mime); m == imagemanifest.DockerV2Schema1MediaType || m == imagemanifest.DockerV2Schema1SignedMediaType {
		return s.pullOld(ctx, policy, sys, from, to, say)
	}
	blobs, err := manifest.ParseBlobs(raw)
	if err != nil {
		return Image{}, err
	}
	whole, err := imagelib.FromUnparsedImage(ctx, sys, one)
	if err != nil {
		return Image{}, err
	}
	if t := whole.ConfigInfo().MediaType; t != imgspecv1.MediaTypeImageConfig && t != imagemanifest.DockerV2Schema2ConfigMediaType && t != "" {
		return Image{}, fmt.Errorf("that is no container image: its config is of type %s", t)
	}
	if err := onlyLayers(blobs[1:]); err != nil {
		return Image{}, err
	}
	n := newImage{manifest: raw, names: to.names}
	if list != digest.FromBytes(raw) {
		n.index = list
	}
	for _, d := range slices.Compact([]digest.Digest{list, digest.FromBytes(raw)}) {
		n.digests = append(n.digests, to.repository+"@"+d.String()) // the list's first: docker shows what the tag points to
	}
	if img, ok := s.upToDate(to, n, blobs, say); ok {
		return img, nil
	}
	if err := s.receive(); err != nil {
		return Image{}, err
	}
	cache := blobinfocache.DefaultCache(sys)
	f := &fetcher{s: s, src: src, cache: cache, say: say, located: func(d digest.Digest) {
		named := from.DockerReference()
		cache.RecordKnownLocation(from.Transport(), types.BICTransportScope{Opaque: domainOf(named.Name())}, d, types.BICLocationReference{Opaque: named.Name()})
	}}
	rawConfig, err := f.config(ctx, whole.ConfigInfo())
	if err != nil {
		if busy(err) {
			err = gaveUp{err}
		}
		return Image{}, err
	}
	defer func() {
		if err == nil || !continuable(err) {
			err = errors.Join(err, s.dropBytes(blobs[0].Digest)) // who waits for it finds the image
		}
	}()
	config, err := image.Parse(rawConfig)
	if err != nil {
		return Image{}, err
	}
	if err := to.matches(config); err != nil {
		return Image{}, err
	}
	layers := whole.LayerInfos()
	if len(layers) != len(config.RootFS.DiffIDs) {
		return Image{}, fmt.Errorf("the image is inconsistent: its manifest has %d layers, its config %d", len(layers), len(config.RootFS.DiffIDs))
	}
	a := s.newArrival(config.RootFS.DiffIDs)
	err = f.layers(ctx, layers, a)
	if err = errors.Join(err, a.close(err)); err != nil {
		if busy(err) {
			err = gaveUp{err}
		}
		return Image{}, err
	}
	n.config = rawConfig
	img, err := s.finish(n)
	if err != nil {
		return Image{}, err
	}
	// The pins last: by them the next pull sees that something was left to do.
	return img, errors.Join(s.noteBlobs(arrivedBlobs(a.diffs, layers)), a.settled())
}

// onlyLayers refuses what is no layer, or none that can be read. Layers that the store has are not looked
// at again.
func onlyLayers(blobs []imgspecv1.Descriptor) error {
	for _, l := range blobs {
		switch {
		case strings.HasSuffix(l.MediaType, "+encrypted"):
			return fmt.Errorf("layer %s is encrypted: that is not supported", shortDigest(l.Digest))
		case !strings.HasPrefix(l.MediaType, "application/vnd.oci.image.layer.") && !strings.HasPrefix(l.MediaType, "application/vnd.docker.image.rootfs."):
			return fmt.Errorf("layer %s is of type %q, which is no layer's", shortDigest(l.Digest), l.MediaType)
		}
	}
	return nil
}

// domainOf is the registry of a full name.
func domainOf(name string) string {
	domain, _, _ := strings.Cut(name, "/")
	return domain
}

// finish records an image whose layers are there.
func (s *Store) finish(n newImage) (img Image, err error) {
	lock, err := s.shared()
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return s.record(n)
}

// refused is what policy.json makes of an image.
type refused struct{ error }

func (r refused) Error() string { return "the signature policy refuses it: " + r.error.Error() }
func (r refused) Unwrap() error { return r.error }
func (refused) Hint() string {
	return "policy.json says which signatures are wanted, registries.d where they are"
}

// instance gives the one image that is meant, of several when there is a list of them, and the digest
// of what the name stands for.
func instance(ctx context.Context, sys *types.SystemContext, src types.ImageSource) (*imagelib.UnparsedImage, digest.Digest, error) {
	top := imagelib.UnparsedInstance(src, nil)
	raw, mime, err := top.Manifest(ctx)
	if err != nil {
		return nil, "", err
	}
	sum, err := imagemanifest.Digest(raw)
	if err != nil || !imagemanifest.MIMETypeIsMultiImage(mime) {
		return top, sum, err
	}
	list, err := imagemanifest.ListFromBlob(raw, mime)
	if err != nil {
		return nil, "", fmt.Errorf("reading the list of images: %w", err)
	}
	one, err := list.ChooseInstance(sys)
	if err != nil {
		return nil, "", err
	}
	return imagelib.UnparsedInstance(src, &one), sum, nil
}

// parallelLayers is how many layers are read at a time.
const parallelLayers = 6

// layers brings the layers of an image, base first, as far as they are missing.
func (f *fetcher) layers(ctx context.Context, infos []types.BlobInfo, a *arrival) error {
	for _, info := range infos {
		f.say.Emit(progress.Event{ID: info.Digest.String(), Name: shortDigest(info.Digest), State: progress.Waiting, Total: max(info.Size, 0)})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	room := make(chan struct{}, parallelLayers)
	begun := map[digest.Digest]bool{} // by diff id: twice in an image is once on the way
	for i, info := range infos {
		if begun[a.diffs[i]] {
			a.twice(i)
			continue
		}
		begun[a.diffs[i]] = true
		room <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() { <-room }()
			if err := f.layer(ctx, i, info, a); err != nil {
				cancel(err)
			}
		}()
	}
	all.Wait()
	err := context.Cause(ctx)
	if err == nil {
		err = a.place(ctx)
	}
	for i, info := range infos {
		e := progress.Event{ID: info.Digest.String(), State: progress.Done, Total: max(info.Size, 0), Current: max(info.Size, 0)}
		switch {
		case a.had[i]:
			continue
		case err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
			e.State = progress.Canceled
		case err != nil:
			e.State, e.Err = progress.Failed, err
		}
		f.say.Emit(e)
	}
	return err
}

// layer brings one layer.
func (f *fetcher) layer(ctx context.Context, i int, info types.BlobInfo, a *arrival) error {
	for {
		if had, err := a.present(i); err != nil {
			return err
		} else if had {
			f.say.Emit(progress.Event{ID: info.Digest.String(), State: progress.Cached, Total: max(info.Size, 0), Current: max(info.Size, 0)})
			return f.s.dropBytes(info.Digest) // a killed command may have left it
		}
		err := f.arrive(ctx, i, info, a)
		if errors.Is(err, errHave) {
			continue // unless it is gone by now, it is ours
		}
		if err != nil {
			return fmt.Errorf("layer %s: %w", shortDigest(info.Digest), err)
		}
		return a.keep(i, info.Digest)
	}
}

// arrive fetches one layer, or gives errHave when the command that had it before us put it in place. Many
// may be waiting for that: the store's lock is not taken to find out.
func (f *fetcher) arrive(ctx context.Context, i int, info types.BlobInfo, a *arrival) error {
	f.say.Emit(progress.Event{ID: info.Digest.String(), Action: "downloading", Total: max(info.Size, 0)})
	var t *staged
	return f.fetch(ctx, info, func(r io.Reader) (err error) {
		if has, err := f.s.hasContent(a.diffs[i]); err != nil {
			return err
		} else if has {
			return errHave
		}
		t, _, err = f.s.stage(ctx, r, info.Digest)
		return err
	}, func(forget func() error) (bool, error) {
		if t.compressed == "" && t.diffID != info.Digest {
			t.compressed, t.compressedSize = info.Digest, info.Size
		}
		if t.diffID != a.diffs[i] {
			return true, errors.Join(fmt.Errorf("the image is inconsistent: layer %d contains %s, its config says %s", i+1, t.diffID, a.diffs[i]), t.drop())
		}
		f.cache.RecordDigestUncompressedPair(info.Digest, t.diffID)
		recordCompression(f.cache, info.Digest, t.algorithm)
		a.take(i, t)
		var err error
		if a.isNext(i) {
			err = forget()
		}
		err = errors.Join(err, a.place(ctx))
		return a.isPlaced(i), err
	})
}

// errHave ends a fetch that is not needed after all.
var errHave = errors.New("it is here")

// pullOld brings an image whose manifest is of the form docker wrote until 2015, which the library
// translates.
func (s *Store) pullOld(ctx context.Context, policy *signature.PolicyContext, sys *types.SystemContext, from types.ImageReference, to *target, say progress.Func) (Image, error) {
	if err := s.receive(); err != nil {
		return Image{}, err
	}
	report := newReporter(say, "downloading")
	_, err := copy.Image(ctx, policy, to, from, &copy.Options{
		RemoveSignatures: true,
		SourceCtx:        sys,
		DestinationCtx:   sys,
		Progress:         report.events(),
		ProgressInterval: report.interval(),
	})
	report.close(err)
	return to.result, err
}
