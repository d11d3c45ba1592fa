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

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/rootless/paths"
	"github.com/dhow-containers/dhow/storage/reference"
	"github.com/dhow-containers/dhow/storage/registry"
)

// Credentials name an account at a registry; they override the auth files.
type Credentials struct{ Username, Password string }

// settings are those of Options, completed with the store's own places.
func (s *Store) settings() registry.Settings {
	var set registry.Settings
	if s.opts.Registry != nil {
		set = *s.opts.Registry
	} else {
		set = registry.FromEnvironment(os.Getenv, paths.Home(s.opts.Mapping.CallerUID), int(s.opts.Mapping.CallerUID))
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

// Meant gives the name a short one stands for by registries.conf (aliases, search registries), and any
// other as it is.
func (s *Store) Meant(name string) string {
	if full, ok := s.configuredName(name); ok {
		return full.String()
	}
	return name
}

// remote resolves a name and makes the context its registry is reached with. What the registry answers
// goes on under the context.Context it gives, which ends with done, or when an answer has no end.
func (s *Store) remote(ctx context.Context, ref, platform string, auth *Credentials, insecure bool) (context.Context, reference.Name, *types.SystemContext, func(), error) {
	quiet()
	if err := os.MkdirAll(s.tmpDir(), 0o700); err != nil {
		return ctx, reference.Name{}, nil, nil, err
	}
	set := s.settings()
	set.Canceled = ctx.Done()
	name, err := reference.Parse(ref)
	if err != nil {
		return ctx, reference.Name{}, nil, nil, err
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
	if err != nil {
		return ctx, name, nil, nil, err
	}
	if err := registry.Allowed(sys, name); err != nil {
		done()
		return ctx, name, nil, nil, fmt.Errorf("%s: %w", reference.Familiar(name.String()), err)
	}
	ctx, calm := registry.Bounded(ctx)
	ctx, free := throttled.bound(ctx)
	return ctx, name, sys, func() { free(); calm(); done() }, nil
}

// quiet keeps the libraries from writing to stderr: what matters comes back as an error.
func quiet() { logrus.SetOutput(io.Discard) }

// dockerReference is what a name stands for at its registry.
func dockerReference(name reference.Name) (types.ImageReference, error) {
	ref, err := libraryReference(name)
	if err != nil {
		return nil, err
	}
	return registry.Reference(ref), nil
}

func libraryReference(name reference.Name) (types.ImageReference, error) {
	named, err := imageref.ParseNormalizedNamed(name.String())
	if err != nil {
		return nil, fmt.Errorf("invalid reference %q: %w", name, err)
	}
	return docker.NewReference(named)
}

// bodyStart begins what the library tells of a token server's answer it can not read: there may be a
// token in it.
const bodyStart = ", body start "

// hushed says less than the error it is.
type hushed struct {
	error
	text string
}

func (h hushed) Error() string { return h.text }
func (h hushed) Unwrap() error { return h.error }

// explainTransfer makes the one error a person caused recognisable, the context's, and drops from
// others the library's words about its own phases.
func explainTransfer(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	var wait *tooLong
	if errors.Is(cause, registry.ErrFlood) || errors.As(cause, &wait) {
		return cause
	}
	if text := err.Error(); strings.Contains(text, bodyStart) {
		text, _, _ = strings.Cut(text, bodyStart)
		return hushed{err, text + ")"}
	}
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
	ctx, name, sys, done, err := s.remote(ctx, repository, "", auth, false)
	if err != nil {
		return nil, err
	}
	defer done()
	from, err := libraryReference(name)
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
