package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/progress"
)

// config gives the config of an image: of one that is here, of another command that is fetching it, or of the
// registry. Its bytes stay for those who wait for them until dropBytes; see partial.
func (f *fetcher) config(ctx context.Context, info types.BlobInfo) (raw []byte, err error) {
	if err := info.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("the image's config: %w", err)
	}
	if info.Digest.Algorithm() != digest.SHA256 {
		return nil, fmt.Errorf("the image's config: digests of %s are not supported", info.Digest.Algorithm())
	}
	if info.Size < 0 || info.Size > maxConfigBytes {
		return nil, fmt.Errorf("the image's config is said to have %d bytes; at most %d are taken", info.Size, maxConfigBytes)
	}
	if raw, ok := f.s.keptConfig(info.Digest); ok {
		return f.sized(raw, info)
	}
	name := "config " + shortDigest(info.Digest)
	p, err := f.s.partial(ctx, info.Digest, func() {
		f.say.Emit(progress.Event{Warning: name + ": another command is fetching it; waiting for that"})
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if raw, ok := f.s.keptConfig(info.Digest); ok { // brought by the command that had the lock
		return f.sized(raw, info)
	}
	quiet := *f
	quiet.silent = true
	for whole := false; ; whole = true {
		if p.size > info.Size {
			if err := p.forget(); err != nil {
				return nil, err
			}
		}
		r := &blobReader{ctx: ctx, f: &quiet, info: info, name: name, p: p, kept: p.size, hash: sha256.New(), limit: info.Size}
		raw, err := io.ReadAll(r)
		r.close()
		switch {
		case err == nil:
			return raw, nil
		case ctx.Err() != nil || r.failed != nil && continuable(r.failed):
			return nil, fmt.Errorf("%s: %w", name, err)
		case r.kept == 0 && !r.continued || whole || diskFull(err):
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), p.remove())
		}
		if err := p.forget(); err != nil {
			return nil, err
		}
	}
}

// sized refuses a config of another size than the manifest says.
func (*fetcher) sized(raw []byte, info types.BlobInfo) ([]byte, error) {
	if int64(len(raw)) != info.Size {
		return nil, fmt.Errorf("the image is inconsistent: its config has %d bytes, its manifest says %d", len(raw), info.Size)
	}
	return raw, nil
}

// keptConfig gives the config of an image of the store, by its digest.
func (s *Store) keptConfig(d digest.Digest) ([]byte, bool) {
	raw, err := os.ReadFile(s.imageDataFile(d.Encoded(), d.String()))
	return raw, err == nil && digest.FromBytes(raw) == d
}
