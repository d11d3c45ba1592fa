package storage

import (
	"context"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/storage/progress"
)

// PullPolicy says when Pull asks the registry.
type PullPolicy string

const (
	PullAlways  PullPolicy = "always"
	PullMissing PullPolicy = "missing" // the default: only when the image is not here
	PullNever   PullPolicy = "never"   // ErrNotFound when the image is not here
)

// Credentials name an account at a registry; they override the auth files.
type Credentials struct{ Username, Password string }

// PullOptions guide Pull.
type PullOptions struct {
	// Platform is "os/arch[/variant]"; empty is the host's.
	Platform string
	// Policy is PullAlways when empty, as "dhow pull" wants it.
	Policy   PullPolicy
	Progress progress.Func
	Auth     *Credentials
	// Insecure allows plain http and unverified certificates; registries.conf can say so too.
	Insecure bool
}

// Pull brings an image from a registry into the store under its name. A failed or cancelled pull
// leaves no image; layers that had arrived are kept for a retry until the next removal.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (Image, error) {
	return Image{}, errUnwritten
}

// PushOptions guide Push.
type PushOptions struct {
	// Format is "" (the image's own manifest), "oci" or "docker" (schema 2).
	Format string
	// Compression is "" or "gzip", or "zstd" (OCI only).
	Compression string
	Progress    progress.Func
	Auth        *Credentials
	Insecure    bool
}

// Push sends the image name to dest ("" for name itself) and gives the digest of the manifest the
// registry has now. Blobs the registry has do not travel.
func (s *Store) Push(ctx context.Context, name, dest string, o PushOptions) (digest.Digest, error) {
	return "", errUnwritten
}

// Save writes images as one archive; format is "docker-archive" (default) or "oci-archive".
func (s *Store) Save(ctx context.Context, names []string, w io.Writer, format string, p progress.Func) error {
	return errUnwritten
}

// Loaded is one image Load brought.
type Loaded struct {
	ID   string
	Name string // "" for an image without a name
}

// Load reads an archive of Save, docker save or podman save, compressed or not.
func (s *Store) Load(ctx context.Context, r io.Reader, p progress.Func) ([]Loaded, error) {
	return nil, errUnwritten
}

// ImportOptions guide Import.
type ImportOptions struct {
	Config   ImageConfig // platform and container config of the new image
	Message  string      // history comment
	Created  time.Time   // zero is now
	Name     string      // "" for none
	Progress progress.Func
}

// Import makes an image of one layer from a tar of a root filesystem, compressed or not.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (Image, error) {
	return Image{}, errUnwritten
}
