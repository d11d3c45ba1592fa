package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/storage/inflate"
	"github.com/dhow-containers/dhow/storage/layer"
)

// incoming is what was learnt of a blob while it was read.
type incoming struct {
	digest digest.Digest
	size   int64
}

// drop removes a tree that is not wanted after all.
func (t *staged) drop() error {
	err := os.RemoveAll(t.dir)
	if t.tarSplit != nil {
		err = errors.Join(err, t.tarSplit.Close())
	}
	return err
}

// stage unpacks a layer blob, compressed or not, into a directory of its own. known is its digest
// when the caller checks it while the stream is read; the whole stream is read in any case.
func (s *Store) stage(ctx context.Context, stream io.Reader, known digest.Digest) (*staged, incoming, error) {
	dir, err := s.tempDir("layer-")
	if err != nil {
		return nil, incoming{}, fmt.Errorf("making a place for it: %w", err)
	}
	t := &staged{dir: dir}
	in, err := s.unpack(ctx, t, stream, known)
	if err != nil {
		return nil, in, errors.Join(err, t.drop())
	}
	return t, in, nil
}

func (s *Store) unpack(ctx context.Context, t *staged, stream io.Reader, known digest.Digest) (in incoming, err error) {
	if err := os.Chmod(t.dir, 0o755); err != nil {
		return in, err
	}
	spool, err := s.newSpool()
	if err != nil {
		return in, err
	}
	defer func() { t.tarSplit = spool.file }()
	blob := &meter{r: canceled{ctx, stream}}
	if known == "" {
		blob.hash = sha256.New()
	}
	plain, algorithm, err := inflate.Open(blob)
	if err != nil {
		return in, fmt.Errorf("decompressing it: %w", err)
	}
	defer plain.Close()
	// Three at work: decompressing, digesting, writing files. A blob that is the tar was digested already.
	inflated := newReadAhead(plain)
	tar := &meter{r: inflated}
	ahead := inflated
	if algorithm != inflate.Uncompressed || known != "" && (known.Validate() != nil || known.Algorithm() != digest.SHA256) {
		tar.hash = sha256.New()
		ahead = newReadAhead(tar)
	}
	o := s.applyOptions()
	o.Split = layer.NewSplitter(spool)
	applied, err := layer.Apply(ahead, t.dir, o)
	ahead.Close()
	if tar.hash != nil {
		inflated.Close()
	}
	if err != nil {
		return in, err
	}
	// What lies behind the compressed stream still belongs to the blob and its digest.
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return in, err
	}
	in = incoming{digest: known, size: blob.n}
	if known == "" {
		in.digest = digest.NewDigest(digest.SHA256, blob.hash)
	}
	t.links, t.applied = o.Tree.Links, &applied
	t.diffID, t.size = in.digest, blob.n
	if tar.hash != nil {
		t.diffID, t.size = digest.NewDigest(digest.SHA256, tar.hash), tar.n
	}
	if t.algorithm = algorithm; algorithm != inflate.Uncompressed {
		t.compressed, t.compressedSize = in.digest, in.size
	}
	return in, nil
}

// meter counts, and digests when hash is set, what is read through it.
type meter struct {
	r    io.Reader
	n    int64
	hash hash.Hash
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.hash != nil {
		m.hash.Write(p[:n])
	}
	return n, err
}

// canceled ends reading when the context does.
type canceled struct {
	ctx context.Context
	r   io.Reader
}

func (c canceled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// readAhead reads in a goroutine of its own, so that decompressing and digesting a layer run beside
// writing its files.
type readAhead struct {
	full, empty chan []byte
	stop        chan struct{}
	done        chan struct{}
	current     []byte
	rest        []byte
	err         error
}

const (
	readAheadBuffers = 4
	readAheadBytes   = 256 << 10
)

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{
		full:  make(chan []byte, readAheadBuffers),
		empty: make(chan []byte, readAheadBuffers),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	for range readAheadBuffers {
		a.empty <- make([]byte, readAheadBytes)
	}
	go a.run(r)
	return a
}

func (a *readAhead) run(r io.Reader) {
	defer close(a.done)
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.empty:
		case <-a.stop:
			return
		}
		n := 0
		var err error
		for n < readAheadBytes && err == nil {
			var k int
			k, err = r.Read(buf[n:readAheadBytes])
			n += k
		}
		if n > 0 {
			select {
			case a.full <- buf[:n]:
			case <-a.stop:
				return
			}
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.current != nil {
			a.empty <- a.current[:readAheadBytes]
			a.current = nil
		}
		buf, ok := <-a.full
		if !ok {
			if a.err == nil {
				return 0, io.ErrClosedPipe
			}
			return 0, a.err
		}
		a.current, a.rest = buf, buf
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine and waits for it: the reader is the caller's again.
func (a *readAhead) Close() {
	close(a.stop)
	<-a.done
}

// holdBlob finds a layer that came from the blob, or contains what the blob is known to contain, and
// keeps it for this process.
func (s *Store) holdBlob(d, diffID digest.Digest) (r layerRecord, ok bool, err error) {
	lock, err := s.shared()
	if err != nil {
		return r, false, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	records, err := s.layerRecords()
	if err != nil {
		return r, false, err
	}
	for _, r := range records {
		if r.CompressedDigest == d || r.DiffID == d || (diffID != "" && r.DiffID == diffID) {
			return r, true, s.keep(r.ID)
		}
	}
	return r, false, nil
}

// hasContent tells whether a layer of that content is there. Only holdBlob keeps it from going.
func (s *Store) hasContent(diffID digest.Digest) (bool, error) {
	records, err := s.layerRecords()
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if r.DiffID == diffID {
			return true, nil
		}
	}
	return false, nil
}

// commitStaged puts layers in place, base first, and records the image over them. A staged tree is
// used once; a layer that stands elsewhere in the store is unpacked again where it is wanted.
func (s *Store) commitStaged(ctx context.Context, diffs []digest.Digest, trees map[digest.Digest]*staged, n newImage) (img Image, err error) {
	lock, err := s.shared()
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	parent := ""
	for _, diff := range diffs {
		t := trees[diff]
		delete(trees, diff)
		if _, err := s.layerOn(ctx, parent, diff, t); err != nil {
			return Image{}, err
		}
		parent = chainID(parent, diff)
	}
	return s.record(n)
}

// restage unpacks a layer of the store once more, from its own tar.
func (s *Store) restage(ctx context.Context, diff digest.Digest) (*staged, error) {
	records, err := s.layerRecords()
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.DiffID != diff {
			continue
		}
		tar, err := s.openTar(r.ID)
		if err != nil {
			return nil, err
		}
		t, _, err := s.stage(ctx, tar, "")
		if err = errors.Join(err, tar.Close()); err != nil {
			return nil, fmt.Errorf("unpacking layer %s again: %w", short(r.ID), err)
		}
		if t.diffID != diff {
			return nil, errors.Join(fmt.Errorf("layer %s is damaged: its content has digest %s, not %s", short(r.ID), t.diffID, diff), t.drop())
		}
		t.compressed, t.compressedSize = r.CompressedDigest, r.CompressedSize
		return t, nil
	}
	return nil, fmt.Errorf("layer %s: %w", shortDigest(diff), ErrNotFound)
}
