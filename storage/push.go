package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/inflate"
	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/reference"
	"github.com/dhow-containers/dhow/storage/registry"
)

// PushOptions guide Push.
type PushOptions struct {
	// Format is "" (the image's own manifest), "oci" or "docker" (schema 2).
	Format string
	// Platform sends one image of an index; empty sends the index when all of it is here.
	Platform string
	// Compression is "", "gzip", or "zstd" (OCI only). With "" a layer the registry has in any form
	// stays as it is there, and others are compressed with gzip.
	Compression string
	// Level is the algorithm's; nil leaves the choice to it. Layers the registry has are not
	// compressed again.
	Level *int
	// Progress gets one item a layer, its ID the diff id.
	Progress progress.Func
	Auth     *Credentials
	Insecure bool
}

// Pushed is the manifest the registry has now.
type Pushed struct {
	Digest digest.Digest
	Size   int64
}

const parallelUploads = 4

// Push sends the image name to dest ("" for name itself). Blobs the registry has do not travel, those
// of its other repositories are linked. A layer that was compressed once is not compressed again.
func (s *Store) Push(ctx context.Context, name, dest string, o PushOptions) (_ Pushed, err error) {
	if err := o.check(); err != nil {
		return Pushed{}, err
	}
	img, from, out, err := s.outgoing(name, o.Platform)
	if err != nil {
		return Pushed{}, err
	}
	if dest == "" {
		if dest, err = s.ownName(img, name); err != nil {
			return Pushed{}, err
		}
	}
	ctx, remote, sys, done, err := s.remote(ctx, dest, "", o.Auth, o.Insecure)
	if err != nil {
		return Pushed{}, err
	}
	defer done()
	if remote.Digest != "" {
		return Pushed{}, fmt.Errorf("cannot push a digest reference: %s", dest)
	}
	to, err := dockerReference(remote)
	if err != nil {
		return Pushed{}, err
	}
	defer throttled.listen(o.Progress)()
	var raw []byte
	if _, unpacked := from.(*origin); unpacked {
		raw, err = s.push(ctx, sys, to, img, o)
	} else {
		raw, err = s.pushPacked(ctx, sys, to, from, out, o)
	}
	if err != nil {
		return Pushed{}, fmt.Errorf("pushing %s: %w", reference.Familiar(remote.String()), explainTransfer(ctx, err))
	}
	s.note(nil, "push", reference.Familiar(remote.String()))
	sum, err := manifest.Digest(raw)
	if err != nil {
		return Pushed{}, err
	}
	p := Pushed{Digest: sum, Size: int64(len(raw))}
	if !slices.ContainsFunc(img.Names, func(n string) bool { return repositoryOf(n) == remote.Repository() }) {
		return p, nil // as with docker, only names the image has here get a digest
	}
	return p, s.noteDigest(img, remote.Repository()+"@"+sum.String())
}

func (o PushOptions) check() error {
	switch o.Format {
	case "", "oci", "docker", "v2s2":
	default:
		return fmt.Errorf("manifest format %q is not known: use oci or docker", o.Format)
	}
	switch o.Compression {
	case "", gzipped:
	case zstded:
		if o.Format == "docker" || o.Format == "v2s2" {
			return errors.New("zstd layers need the oci format")
		}
	default:
		return fmt.Errorf("compression %q is not known: use gzip or zstd", o.Compression)
	}
	return nil
}

// ownName is the name under which an image goes out when none is given: the one it was called by.
func (s *Store) ownName(img Image, name string) (string, error) {
	if byName, full := nameUsed(img, name); byName {
		return full, nil
	}
	if full := s.tagOf(name); full != "" {
		return full, nil // of the index the image is a platform of
	}
	return "", fmt.Errorf("pushing %s: give it a name to push it under (tag %s NAME)", name, name)
}

// pushPacked sends what is kept as the registry gave it: an index, or an image of one.
func (s *Store) pushPacked(ctx context.Context, sys *types.SystemContext, to, from types.ImageReference, out *copy.Options, o PushOptions) ([]byte, error) {
	sys.CompressionLevel = o.Level
	co, err := copyOptions(sys, o.Format, o.Compression)
	if err != nil {
		return nil, err
	}
	co.PreserveDigests, co.ImageListSelection = out.PreserveDigests && o.Format == "" && o.Compression == "", out.ImageListSelection
	policy, err := registry.AcceptAnything()
	if err != nil {
		return nil, err
	}
	defer policy.Destroy()
	report := newReporter(o.Progress, "pushing")
	co.Progress, co.ProgressInterval = report.events(), report.interval()
	raw, err := copy.Image(ctx, policy, to, from, co)
	report.close(err)
	return raw, err
}

// sender sends one image to a registry.
type sender struct {
	s     *Store
	to    types.ImageReference
	dest  types.ImageDestination
	cache types.BlobInfoCache
	o     PushOptions
	oci   bool
}

// push sends the parts of an image, then its manifest, and gives that.
func (s *Store) push(ctx context.Context, sys *types.SystemContext, to types.ImageReference, img Image, o PushOptions) (_ []byte, err error) {
	dest, err := to.NewImageDestination(ctx, sys)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dest.Close()) }()
	own, err := parseManifest(img.RawManifest)
	if err != nil {
		return nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	p := &sender{s: s, to: to, dest: dest, cache: blobinfocache.DefaultCache(sys), o: o, oci: own.oci}
	switch {
	case o.Format != "":
		p.oci = o.Format == "oci"
	case o.Compression == zstded:
		p.oci = true
	}
	p.locate(img, own)
	blobs, err := p.layers(ctx, img, own)
	if err != nil {
		return nil, err
	}
	config := types.BlobInfo{Digest: digest.FromBytes(img.RawConfig), Size: int64(len(img.RawConfig)), MediaType: configType(p.oci)}
	err = p.again(ctx, "the image's config", func() error {
		_, err := dest.PutBlob(ctx, bytes.NewReader(img.RawConfig), config, p.cache, true)
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, err := own.with(img.RawManifest, config, blobs, p.oci)
	if err != nil {
		return nil, err
	}
	err = p.again(ctx, "the image's manifest", func() error { return dest.PutManifest(ctx, raw, nil) })
	if err != nil {
		return nil, err
	}
	return raw, s.sweepCompressedAfterPush()
}

// again does what may fail for a while.
func (p *sender) again(ctx context.Context, what string, do func() error) error {
	for tried := (patience{}); ; {
		err := do()
		if err == nil || !passing(err) {
			return err
		}
		if err = tried.wait(ctx, what, err, p.o.Progress); err != nil {
			return err
		}
	}
}

// locate tells the library's cache which repositories of the registry have the image's blobs: those
// that have this very manifest.
func (p *sender) locate(img Image, own ownManifest) {
	target := p.to.DockerReference().Name()
	for _, at := range img.Digests {
		repository := repositoryOf(at)
		if at != repository+"@"+img.Digest.String() || repository == target || domainOf(repository) != domainOf(target) {
			continue
		}
		for _, l := range own.layers {
			p.cache.RecordKnownLocation(p.to.Transport(), types.BICTransportScope{Opaque: domainOf(repository)}, l.Digest, types.BICLocationReference{Opaque: repository})
			recordCompression(p.cache, l.Digest, l.Algorithm)
		}
	}
}

// layers sends the layers and gives the blobs the registry has of them.
func (p *sender) layers(ctx context.Context, img Image, own ownManifest) ([]knownBlob, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	known, err := p.s.knownBlobs().Read()
	if err != nil {
		return nil, err
	}
	sizes, err := p.s.LayerSizes(img)
	if err != nil {
		return nil, err
	}
	blobs := make([]knownBlob, len(img.Layers))
	first := map[digest.Digest]int{}
	for i, l := range img.Layers {
		if _, twice := first[l.DiffID]; !twice {
			first[l.DiffID] = i
			p.o.Progress.Emit(progress.Event{ID: l.DiffID.String(), Name: shortDigest(l.DiffID), State: progress.Waiting})
		}
	}
	var all sync.WaitGroup
	room := make(chan struct{}, parallelUploads)
	for i, l := range img.Layers {
		if first[l.DiffID] != i {
			continue
		}
		l.Size = sizes[i]
		candidates := slices.Clone(known[l.DiffID])
		if i < len(own.layers) {
			candidates = append([]knownBlob{own.layers[i]}, candidates...)
		}
		room <- struct{}{}
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() { <-room }()
			e := progress.Event{ID: l.DiffID.String(), State: progress.Done}
			b, had, err := p.layer(ctx, l, candidates)
			switch {
			case err != nil && errors.Is(err, context.Canceled):
				e.State = progress.Canceled
			case err != nil:
				e.State, e.Err = progress.Failed, err
			case had:
				e.State = progress.Cached
			}
			p.o.Progress.Emit(e)
			blobs[i] = b
			if err != nil {
				cancel(fmt.Errorf("layer %s: %w", shortDigest(l.DiffID), err))
			}
		}()
	}
	all.Wait()
	for i, l := range img.Layers {
		blobs[i] = blobs[first[l.DiffID]]
	}
	return blobs, context.Cause(ctx)
}

// layer sends one layer, unless the registry has it in a form that will do.
func (p *sender) layer(ctx context.Context, l Layer, candidates []knownBlob) (_ knownBlob, had bool, err error) {
	tried := map[digest.Digest]bool{}
	for _, b := range candidates {
		if tried[b.Digest] || !p.suits(b) {
			continue
		}
		tried[b.Digest] = true
		var has bool
		err := p.again(ctx, "layer "+shortDigest(l.DiffID), func() (err error) {
			has, _, err = p.dest.TryReusingBlob(ctx, types.BlobInfo{Digest: b.Digest, Size: b.Size}, p.cache, false)
			return err
		})
		if err != nil || has {
			return b, has, err
		}
	}
	algorithm := p.o.Compression
	if algorithm == "" {
		algorithm = gzipped
	}
	b, file, err := p.s.compressed(ctx, l, algorithm, p.o.Level, p.o.Progress)
	if err != nil {
		return b, false, err
	}
	defer file.Close()
	err = p.again(ctx, "layer "+shortDigest(l.DiffID), func() error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		r := &sending{r: canceled{ctx, file}, id: l.DiffID.String(), total: b.Size, say: p.o.Progress}
		_, err := p.dest.PutBlob(ctx, r, types.BlobInfo{Digest: b.Digest, Size: b.Size}, p.cache, false)
		had = err == nil && r.sent == 0 && b.Size > 0
		return err
	})
	if err != nil {
		return b, false, err
	}
	p.cache.RecordDigestUncompressedPair(b.Digest, l.DiffID)
	recordCompression(p.cache, b.Digest, b.Algorithm)
	return b, had, nil
}

// suits tells whether a blob is what was asked for.
func (p *sender) suits(b knownBlob) bool {
	switch {
	case b.Algorithm == zstded && !p.oci:
		return false
	case p.o.Level != nil:
		want := p.o.Compression
		if want == "" {
			want = gzipped
		}
		return b.Algorithm == want && b.Level == *p.o.Level
	case p.o.Compression != "":
		return b.Algorithm == p.o.Compression
	}
	return b.Algorithm == gzipped || b.Algorithm == zstded || b.Algorithm == inflate.Uncompressed
}

// sending tells how far an upload is.
type sending struct {
	r     io.Reader
	id    string
	sent  int64
	total int64
	say   progress.Func
	said  time.Time
}

func (r *sending) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.sent += int64(n)
	if now := time.Now(); now.Sub(r.said) >= reportEvery || r.sent == r.total {
		r.said = now
		r.say.Emit(progress.Event{ID: r.id, Action: "pushing", Current: r.sent, Total: r.total})
	}
	return n, err
}

// noteDigest records under which digest a registry has the image.
func (s *Store) noteDigest(img Image, at string) (err error) {
	lib, err := s.library()
	if err != nil {
		return err
	}
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	ids := []string{img.ID}
	if digestOfReference(at) == img.Index {
		records, err := s.family(img.Index)
		if err != nil {
			return err
		}
		for _, r := range records {
			ids = append(ids, r.ID)
		}
	}
	for _, id := range ids {
		err := s.updateMetadata(lib, id, func(m *imageMetadata) {
			m.Digests = append([]string{at}, slices.DeleteFunc(m.Digests, func(d string) bool { return d == at })...)
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err // one removed meanwhile does not matter: the push succeeded all the same
		}
	}
	return nil
}
