package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

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

// Credentials name an account at a registry; they override the auth files.
type Credentials struct{ Username, Password string }

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

// settings are those of Options, completed with the store's own places.
func (s *Store) settings() registry.Settings {
	var set registry.Settings
	if s.opts.Registry != nil {
		set = *s.opts.Registry
	} else {
		set = registry.FromEnvironment(os.Getenv, "", int(s.opts.Mapping.CallerUID))
		set.AsCaller = s.opts.AsCaller
	}
	if set.TempDir == "" {
		set.TempDir = s.tmpDir()
	}
	if set.CacheDir == "" {
		set.CacheDir = filepath.Join(s.opts.Dir, "cache", "blobs")
	}
	return set
}

// Registry gives the settings registries are reached with.
func (s *Store) Registry() (registry.Settings, error) {
	quiet()
	if err := os.MkdirAll(s.tmpDir(), 0o700); err != nil {
		return registry.Settings{}, fmt.Errorf("opening store: %w", err)
	}
	return s.settings(), nil
}

// configuredName gives the full reference registries.conf makes of a short name, when it is another
// than docker's.
func (s *Store) configuredName(name string) (reference.Name, bool) {
	if !reference.IsShort(name) {
		return reference.Name{}, false
	}
	sys, done, err := s.settings().Context(registry.Access{})
	if err != nil {
		return reference.Name{}, false // a lookup is no place to complain about configuration
	}
	defer done()
	full, err := registry.Resolve(sys, name)
	if err != nil {
		return reference.Name{}, false
	}
	plain, err := reference.Parse(name)
	return full, err == nil && full != plain
}

// Pull brings an image from a registry into the store under its name. A failed or cancelled pull
// leaves no image; layers that had arrived are kept for a retry until the next removal.
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
	if _, err := s.library(); err != nil {
		return Image{}, err
	}
	name, sys, done, err := s.remote(ref, o.Platform, o.Auth, o.Insecure)
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
	report := newReporter(o.Progress, "downloading")
	_, err = copy.Image(ctx, policy, to, from, &copy.Options{
		RemoveSignatures: true,
		SourceCtx:        sys,
		DestinationCtx:   sys,
		Progress:         report.events(),
		ProgressInterval: report.interval(),
	})
	report.close(err)
	if err != nil {
		return Image{}, fmt.Errorf("pulling %s: %w", reference.Familiar(name.String()), explainTransfer(ctx, err))
	}
	return to.result, nil
}

// remote resolves a name and makes the context its registry is reached with.
func (s *Store) remote(ref, platform string, auth *Credentials, insecure bool) (reference.Name, *types.SystemContext, func(), error) {
	quiet()
	if err := os.MkdirAll(s.tmpDir(), 0o700); err != nil {
		return reference.Name{}, nil, nil, err
	}
	set := s.settings()
	name, err := reference.Parse(ref)
	if err != nil {
		return reference.Name{}, nil, nil, err
	}
	if reference.IsShort(ref) {
		if full, ok := s.configuredName(ref); ok {
			name = full
		}
	}
	a := registry.Access{Platform: platform, Insecure: insecure, Domain: name.Domain}
	if auth != nil {
		a.Username, a.Password = auth.Username, auth.Password
	}
	sys, done, err := set.Context(a)
	return name, sys, done, err
}

// quiet keeps the libraries from writing to stderr: what matters comes back as an error.
func quiet() { logrus.SetOutput(io.Discard) }

func dockerReference(name reference.Name) (types.ImageReference, error) {
	named, err := imageref.ParseNormalizedNamed(name.String())
	if err != nil {
		return nil, fmt.Errorf("invalid reference %q: %w", name, err)
	}
	return docker.NewReference(named)
}

// explainTransfer makes the one error a person caused recognisable, the context's, and drops from
// others the library's words about its own phases.
func explainTransfer(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil || !slices.ContainsFunc(libraryPhases, func(p string) bool { return strings.HasPrefix(err.Error(), p) }) {
			return err
		}
		err = inner
	}
}

var libraryPhases = []string{
	"initializing source ", "initializing destination ", "committing the finished image: ", "writing blob: ",
	"choosing an image from manifest list ", "reading blob ", "copying system image from manifest list: ",
}

// tagsTimeout bounds asking a registry for the tags of a repository: its answer may have any number
// of pages.
const tagsTimeout = 2 * time.Minute

// RemoteTags asks the registry which tags a repository has. repository is a name without a tag.
func (s *Store) RemoteTags(ctx context.Context, repository string, auth *Credentials) ([]string, error) {
	name, sys, done, err := s.remote(repository, "", auth, false)
	if err != nil {
		return nil, err
	}
	defer done()
	from, err := dockerReference(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tagsTimeout)
	defer cancel()
	tags, err := docker.GetRepositoryTags(ctx, sys, from)
	if err != nil {
		return nil, fmt.Errorf("asking for the tags of %s: %w", reference.Familiar(name.Repository()), explainTransfer(ctx, err))
	}
	return tags, nil
}

// Tags gives the full names the store has in one repository, sorted. repository is a name without a
// tag.
func (s *Store) Tags(repository string) ([]string, error) {
	n, err := reference.ParseBare(repository)
	if err != nil {
		return nil, err
	}
	return s.ofRepository(n.Repository())
}

// PushOptions guide Push.
type PushOptions struct {
	// Format is "" (the image's own manifest), "oci" or "docker" (schema 2).
	Format string
	// Platform sends one image of an index; empty sends the index when all of it is here.
	Platform string
	// Compression is "" or "gzip", or "zstd" (OCI only).
	Compression string
	// Level is the algorithm's; nil leaves the choice to it. Layers the registry has are not
	// compressed again.
	Level    *int
	Progress progress.Func
	Auth     *Credentials
	Insecure bool
}

// Push sends the image name to dest ("" for name itself) and gives the digest of the manifest the
// registry has now. Blobs the registry has do not travel.
func (s *Store) Push(ctx context.Context, name, dest string, o PushOptions) (digest.Digest, error) {
	img, from, out, err := s.outgoing(name, o.Platform)
	if err != nil {
		return "", err
	}
	if dest == "" {
		if dest, err = s.ownName(img, name); err != nil {
			return "", err
		}
	}
	remote, sys, done, err := s.remote(dest, "", o.Auth, o.Insecure)
	if err != nil {
		return "", err
	}
	defer done()
	if remote.Digest != "" {
		return "", fmt.Errorf("cannot push a digest reference: %s", dest)
	}
	to, err := dockerReference(remote)
	if err != nil {
		return "", err
	}
	sys.CompressionLevel = o.Level
	co, err := copyOptions(sys, o.Format, o.Compression)
	if err != nil {
		return "", err
	}
	co.PreserveDigests, co.ImageListSelection = out.PreserveDigests && o.Format == "" && o.Compression == "", out.ImageListSelection
	policy, err := registry.AcceptAnything()
	if err != nil {
		return "", err
	}
	defer policy.Destroy()
	report := newReporter(o.Progress, "pushing")
	co.Progress, co.ProgressInterval = report.events(), report.interval()
	raw, err := copy.Image(ctx, policy, to, from, co)
	report.close(err)
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", reference.Familiar(remote.String()), explainTransfer(ctx, err))
	}
	sum, err := manifest.Digest(raw)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(img.Names, func(n string) bool { return repositoryOf(n) == remote.Repository() }) {
		return sum, nil // as with docker, only names the image has here get a digest
	}
	return sum, s.noteDigest(img, remote.Repository()+"@"+sum.String())
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

func copyOptions(sys *types.SystemContext, format, algorithm string) (*copy.Options, error) {
	co := &copy.Options{RemoveSignatures: true, SourceCtx: sys, DestinationCtx: sys}
	switch format {
	case "":
	case "oci":
		co.ForceManifestMIMEType = imgspecv1.MediaTypeImageManifest
	case "docker", "v2s2":
		co.ForceManifestMIMEType = manifest.DockerV2Schema2MediaType
	default:
		return nil, fmt.Errorf("manifest format %q is not known: use oci or docker", format)
	}
	switch algorithm {
	case "":
	case "gzip", "zstd":
		if algorithm == "zstd" && format == "docker" {
			return nil, errors.New("zstd layers need the oci format")
		}
		a, err := compression.AlgorithmByName(algorithm)
		if err != nil {
			return nil, err
		}
		sys.CompressionFormat = &a
		co.ForceCompressionFormat = true
		if algorithm == "zstd" {
			co.ForceManifestMIMEType = imgspecv1.MediaTypeImageManifest
		}
	default:
		return nil, fmt.Errorf("compression %q is not known: use gzip or zstd", algorithm)
	}
	return co, nil
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
			if !slices.Contains(m.Digests, at) {
				m.Digests = append(m.Digests, at)
			}
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err // one removed meanwhile does not matter: the push succeeded all the same
		}
	}
	return nil
}
