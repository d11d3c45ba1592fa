package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/progress"
)

// resuming is a reference to an image of a registry whose blobs the library reads with our fetcher: a
// transfer that breaks off is taken up again, in this command or the next.
type resuming struct {
	types.ImageReference
	s   *Store
	say progress.Func
}

func (r resuming) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	src, err := r.ImageReference.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return resumingSource{src, r}, nil
}

type resumingSource struct {
	types.ImageSource
	r resuming
}

func (s resumingSource) Reference() types.ImageReference { return s.r }

func (s resumingSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	if info.Digest.Validate() != nil || info.Digest.Algorithm() != digest.SHA256 || len(info.URLs) > 0 {
		return s.ImageSource.GetBlob(ctx, info, cache)
	}
	f := &fetcher{s: s.r.s, src: s.ImageSource, cache: cache, say: s.r.say, located: func(digest.Digest) {}}
	name := "blob " + shortDigest(info.Digest)
	p, err := s.r.s.partial(ctx, info.Digest, func() {
		f.say.Emit(progress.Event{Warning: name + ": another command is fetching it; waiting for that"})
	})
	if err != nil {
		return nil, 0, err
	}
	// The command that had it before us may have brought it.
	if have, err := os.Open(s.r.s.vaultFile(info.Digest)); err == nil {
		if st, err := have.Stat(); err == nil && (info.Size < 0 || st.Size() == info.Size) {
			return have, st.Size(), errors.Join(p.remove(), p.close())
		}
		have.Close()
	}
	if info.Size >= 0 && p.size > info.Size {
		if err := p.forget(); err != nil {
			return nil, 0, errors.Join(err, p.close())
		}
	}
	f.silent = true // the library tells of progress
	r := &blobReader{ctx: ctx, f: f, info: info, name: name, p: p, kept: p.size, hash: sha256.New(), limit: info.Size}
	return &resumed{r}, info.Size, nil
}

// resumed is a blob on its way. What was read when it is closed stays for another try, unless it was all
// or is wrong.
type resumed struct{ *blobReader }

func (r *resumed) Close() error {
	r.close()
	keep := !r.ended && (r.ctx.Err() != nil || r.failed == nil || continuable(r.failed))
	var err error
	if !keep {
		err = r.p.remove()
	}
	return errors.Join(err, r.p.close())
}
