package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"syscall"
	"time"

	"github.com/docker/distribution/registry/api/errcode"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/progress"
)

// fetcher reads the layers of one image from a registry.
type fetcher struct {
	s     *Store
	src   types.ImageSource
	cache types.BlobInfoCache
	say   progress.Func
	// located notes where a blob was found whose transfer image/v5 has not seen the beginning of.
	located func(digest.Digest)
	// silent fetchers tell of nothing but trouble.
	silent bool
}

// errDigest is what a blob is that its digest does not name.
var errDigest = errors.New("digest does not match")

// readOnBytes bounds what is read of a layer only to know whose fault it is that it can not be
// unpacked.
const readOnBytes = 64 << 20

const (
	stallTime  = time.Minute // in which at least stallBytes come
	stallBytes = 16 << 10
)

var errStalled = errors.New("the registry sends nothing more")

// fetch gives the bytes of a blob to use, which reads them to the end; only what has the right
// digest ends with io.EOF. What had arrived before is not asked for again. When that turns out to be
// wrong, the whole is fetched, and use is called a second time. While the lock of the bytes is still
// held, settle makes what was read visible to other commands; where it can not yet, it gives false,
// and the bytes stay for them until dropBytes. Where it is about to, it calls forget first, so that the
// flush of the layer does not write the bytes to the disk as well.
func (f *fetcher) fetch(ctx context.Context, info types.BlobInfo, use func(io.Reader) error, settle func(forget func() error) (bool, error)) (err error) {
	if err := info.Digest.Validate(); err != nil {
		return err
	}
	if info.Digest.Algorithm() != digest.SHA256 {
		return fmt.Errorf("digests of %s are not supported", info.Digest.Algorithm())
	}
	name := "layer " + shortDigest(info.Digest)
	p, err := f.s.partial(ctx, info.Digest, func() {
		f.say.Emit(progress.Event{Warning: name + ": another command is fetching it; waiting for that"})
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for whole := false; ; whole = true {
		if info.Size >= 0 && p.size > info.Size {
			if err := p.forget(); err != nil {
				return err
			}
		}
		r := &blobReader{ctx: ctx, f: f, info: info, name: name, p: p, kept: p.size, hash: sha256.New(), limit: info.Size}
		err := use(r)
		if err != nil && r.failed == nil && !errors.Is(err, errHave) && !diskFull(err) && r.limit-r.pos <= readOnBytes {
			// Whether the registry sent something else, or this really is in the image.
			if _, _ = io.Copy(io.Discard, r); errors.Is(r.failed, errDigest) {
				err = r.failed
			}
		}
		r.close()
		if err == nil && !r.ended {
			err = fmt.Errorf("%s was not read to its end", name)
		}
		switch {
		case err == nil:
			settled, err := settle(p.forget)
			if settled || err != nil && ctx.Err() == nil {
				err = errors.Join(err, p.remove())
			}
			return err
		case errors.Is(err, errHave):
			return errors.Join(err, p.remove())
		case ctx.Err() != nil || (r.failed != nil && continuable(r.failed)):
			return err // what there is can be continued
		case r.kept == 0 && !r.continued || whole || diskFull(err):
			return errors.Join(err, p.remove())
		}
		f.say.Emit(progress.Event{Warning: name + ": what had arrived of it can not be continued; fetching all of it"})
		if err := p.forget(); err != nil {
			return err
		}
	}
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// blobReader reads what is kept of a blob, then the rest from the registry, which it keeps.
type blobReader struct {
	ctx   context.Context
	f     *fetcher
	info  types.BlobInfo
	name  string
	p     *partial
	kept  int64 // bytes that were there at the beginning
	hash  hash.Hash
	limit int64 // bytes of the blob, -1 when nobody knows

	pos       int64
	body      io.ReadCloser
	cancel    context.CancelFunc
	patience  patience
	progress  int64         // pos at the last failure
	waited    time.Duration // for less than stallBytes
	since     int64         // bytes in that time
	said      time.Time
	continued bool  // a transfer was taken up again somewhere
	failed    error // of the registry or the network
	ended     bool
}

func (r *blobReader) Read(buf []byte) (int, error) {
	if r.ended {
		return 0, io.EOF
	}
	if r.pos < r.kept {
		n, err := r.p.lock.File().ReadAt(buf[:min(int64(len(buf)), r.kept-r.pos)], r.pos)
		if n > 0 {
			return r.got(buf[:n]), nil
		}
		return 0, fmt.Errorf("reading what had arrived of %s: %w", r.name, err)
	}
	for {
		if r.pos == r.limit {
			return 0, r.end()
		}
		n, err := r.receive(buf)
		if n > 0 {
			if werr := r.p.append(buf[:n]); werr != nil {
				return 0, fmt.Errorf("keeping what arrives of %s: %w", r.name, werr)
			}
			return r.got(buf[:n]), nil
		}
		if err == io.EOF {
			if r.limit < 0 {
				return 0, r.end()
			}
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			continue
		}
		r.close()
		if r.ctx.Err() == nil && passing(err) {
			if r.pos-r.progress >= 1<<20 {
				r.patience = patience{}
			}
			r.progress = r.pos
			again := r.patience.wait(r.ctx, r.name, fmt.Errorf("%w after %d bytes", err, r.pos), r.f.say)
			if again == nil {
				continue
			}
			err = again
		}
		r.failed = err
		return 0, err
	}
}

// got takes note of bytes of the blob.
func (r *blobReader) got(b []byte) int {
	r.hash.Write(b)
	r.pos += int64(len(b))
	if r.f.silent {
		return len(b)
	}
	if now := time.Now(); now.Sub(r.said) >= reportEvery || r.pos == r.limit {
		r.said = now
		e := progress.Event{ID: r.info.Digest.String(), Action: "downloading", Current: r.pos, Total: max(r.limit, 0)}
		if r.pos == r.limit {
			e = progress.Event{ID: r.info.Digest.String(), Action: "extracting"}
		}
		r.f.say.Emit(e)
	}
	return len(b)
}

// end gives io.EOF for the blob that was asked for.
func (r *blobReader) end() error {
	if sum := digest.NewDigest(digest.SHA256, r.hash); sum != r.info.Digest {
		r.failed = fmt.Errorf("%w: what the registry sent is %s", errDigest, sum)
		return r.failed
	}
	r.ended = true
	return io.EOF
}

// receive reads from the registry; a registry that sends next to nothing is cut off.
func (r *blobReader) receive(buf []byte) (int, error) {
	if r.body == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	if r.limit >= 0 {
		buf = buf[:min(int64(len(buf)), r.limit-r.pos)]
	}
	begun := time.Now()
	timer := time.AfterFunc(max(stallTime-r.waited, 0), r.cancel)
	n, err := r.body.Read(buf)
	if !timer.Stop() && n == 0 && err != nil && r.ctx.Err() == nil {
		return 0, stall{errStalled}
	}
	r.waited += time.Since(begun)
	if r.since += int64(n); r.since >= stallBytes {
		r.waited, r.since = 0, 0
	}
	return n, err
}

// stall is a timeout of ours.
type stall struct{ error }

func (stall) Timeout() bool   { return true }
func (stall) Temporary() bool { return true }

func (r *blobReader) open() (err error) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	size := int64(-1)
	if r.pos == 0 {
		r.body, size, err = r.f.src.GetBlob(ctx, r.info, r.f.cache)
	} else {
		r.continued = true
		r.body, err = blobFrom(ctx, r.f.src, r.info, r.pos)
	}
	if err != nil {
		var code errcode.ErrorCoder
		if errors.As(err, &code) && code.ErrorCode() == errcode.ErrorCodeUnauthorized {
			err = stale{err}
		}
		return err
	}
	if size >= 0 && r.limit >= 0 && size != r.limit {
		err = fmt.Errorf("the registry has %d bytes where the manifest says %d", size, r.limit)
		cancel()
		r.body.Close()
		r.body = nil
		return err
	}
	if r.pos > 0 {
		r.f.located(r.info.Digest)
	}
	r.cancel, r.waited, r.since = cancel, 0, 0
	return nil
}

// stale is the refusal of a blob of an image whose manifest was given: the token was good and is too old.
// The library asks for another when the time is over that the token's server named, and not before; a new
// image source asks at once.
type stale struct{ error }

func (s stale) Unwrap() error { return s.error }

// continuable tells whether it is worth while to keep what had arrived before err.
func continuable(err error) bool {
	var later *tooLong
	return passing(err) || expired(err) || errors.As(err, &later)
}

func expired(err error) bool {
	var s stale
	return errors.As(err, &s)
}

func (r *blobReader) close() {
	if r.body == nil {
		return
	}
	r.cancel()
	r.body.Close()
	r.body = nil
}
