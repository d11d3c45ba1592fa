package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/manifest"
)

// The vault keeps indexes that were brought whole: the index, the manifests of all its platforms and
// attestations, their configs and layers, every blob as it came and in a file named by its digest.
// What is in it goes out again with the same digests; the layers of a platform are unpacked when it
// is to run.
//
// A blob is written aside, flushed and renamed; an image record that names the index comes last.
// Blobs no record's index leads to, and no lease names, go with the next removal.

// maxVaultDocument bounds the manifests and configs read from the vault.
const maxVaultDocument = 4 << 20

func (s *Store) vaultDir() string { return filepath.Join(s.opts.Dir, "blobs") }

func (s *Store) vaultFile(d digest.Digest) string { return filepath.Join(s.vaultDir(), d.Encoded()) }

// leasedBlob is how a lease names a blob of the vault.
func leasedBlob(d digest.Digest) string { return "blob:" + d.Encoded() }

// putBlob writes a blob of the vault. known is its digest, "" when it is to be learnt. The blob is
// kept by a lease of this process.
func (s *Store) putBlob(ctx context.Context, r io.Reader, known digest.Digest) (d digest.Digest, n int64, err error) {
	f, err := s.namedTempFile()
	if err != nil {
		return "", 0, fmt.Errorf("writing a blob: %w", err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	hash := sha256.New()
	if n, err = io.Copy(io.MultiWriter(f, hash), canceled{ctx, r}); err != nil {
		return "", 0, err
	}
	d = digest.NewDigest(digest.SHA256, hash)
	if known != "" && known != d {
		return "", 0, fmt.Errorf("what arrived as blob %s has digest %s", known, d)
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync()); err != nil {
		return "", 0, fmt.Errorf("writing blob %s: %w", shortDigest(d), err)
	}
	lock, err := s.shared()
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := s.keep(leasedBlob(d)); err != nil {
		return "", 0, err
	}
	if err := os.MkdirAll(s.vaultDir(), 0o700); err != nil {
		return "", 0, fmt.Errorf("writing blob %s: %w", shortDigest(d), err)
	}
	if err := os.Rename(f.Name(), s.vaultFile(d)); err != nil {
		return "", 0, fmt.Errorf("writing blob %s: %w", shortDigest(d), err)
	}
	return d, n, nil
}

// namedTempFile makes a file that goes with this process, on the filesystem of the store.
func (s *Store) namedTempFile() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ensureLease(); err != nil {
		return nil, err
	}
	return os.CreateTemp(s.lease.tmp, "blob-")
}

// flushVault makes the names of new blobs survive a power cut.
func (s *Store) flushVault() error {
	if err := journal.SyncDir(s.vaultDir()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("flushing the store: %w", err)
	}
	return nil
}

// holdVaultBlob keeps a blob for this process and gives its size; false when the vault has it not.
func (s *Store) holdVaultBlob(d digest.Digest) (size int64, ok bool, err error) {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return 0, false, nil
	}
	lock, err := s.shared()
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	st, err := os.Stat(s.vaultFile(d))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return st.Size(), true, s.keep(leasedBlob(d))
}

// hasBlob reports whether the vault has a blob of that size.
func (s *Store) hasBlob(d v1.Descriptor) bool {
	st, err := os.Stat(s.vaultFile(d.Digest))
	return err == nil && st.Size() == d.Size
}

// vaultDocument reads a manifest or config; fs.ErrNotExist when the vault has it not.
func (s *Store) vaultDocument(d digest.Digest) ([]byte, error) {
	f, err := os.Open(s.vaultFile(d))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxVaultDocument+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxVaultDocument {
		return nil, fmt.Errorf("blob %s is larger than %d bytes", shortDigest(d), maxVaultDocument)
	}
	if digest.FromBytes(raw) != d {
		return nil, fmt.Errorf("blob %s is damaged", shortDigest(d))
	}
	return raw, nil
}

// packed is one entry of an index in the vault.
type packed struct {
	v1.Descriptor
	manifest []byte
	blobs    []v1.Descriptor // config, then layers; nil when the manifest is not here
	whole    bool            // every blob is here
}

// bytes is the room the entry's blobs take.
func (p packed) bytes() int64 {
	n := p.Size
	for _, b := range p.blobs {
		n += b.Size
	}
	return n
}

// packedIn gives the entries of an index; nil when the vault does not have the index.
func (s *Store) packedIn(index digest.Digest) ([]packed, error) {
	raw, err := s.vaultDocument(index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := manifest.ParseIndex(raw)
	if err != nil {
		return nil, err
	}
	list := make([]packed, 0, len(entries))
	for _, d := range entries {
		list = append(list, s.packedEntry(d))
	}
	return list, nil
}

func (s *Store) packedEntry(d v1.Descriptor) packed {
	p := packed{Descriptor: d}
	raw, err := s.vaultDocument(d.Digest)
	if err != nil {
		return p
	}
	blobs, err := manifest.ParseBlobs(raw)
	if err != nil {
		return p
	}
	p.manifest, p.blobs, p.whole = raw, blobs, true
	for _, b := range blobs {
		p.whole = p.whole && s.hasBlob(b)
	}
	return p
}

// wholeIndex reports whether all of an index can go out of the vault.
func (s *Store) wholeIndex(index digest.Digest) bool {
	list, err := s.packedIn(index)
	if err != nil || len(list) == 0 {
		return false
	}
	for _, p := range list {
		if !p.whole {
			return false
		}
	}
	return true
}

// holdIndex keeps everything of an index for this process.
func (s *Store) holdIndex(index digest.Digest) (err error) {
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	reached := map[digest.Digest]bool{}
	s.reach(index, reached)
	names := make([]string, 0, len(reached))
	for d := range reached {
		names = append(names, leasedBlob(d))
	}
	return s.keep(names...)
}

// reach adds the blobs an index leads to. What hangs on a manifest that is gone is not reached.
func (s *Store) reach(index digest.Digest, reached map[digest.Digest]bool) {
	list, err := s.packedIn(index)
	if err != nil || list == nil {
		// A damaged index still is what its record names: check tells of it.
		reached[index] = true
		return
	}
	reached[index] = true
	for _, p := range list {
		if p.manifest == nil {
			if _, err := os.Stat(s.vaultFile(p.Digest)); err == nil {
				reached[p.Digest] = true
			}
			continue
		}
		reached[p.Digest] = true
		for _, b := range p.blobs {
			reached[b.Digest] = true
		}
	}
}

// vaultReached gives the blobs the indexes of the images lead to.
func (s *Store) vaultReached(records []imageRecord) map[digest.Digest]bool {
	reached, seen := map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for _, r := range records {
		m, whole := r.metadata()
		for _, x := range m.Indexes {
			if whole && !seen[x] && x.Validate() == nil {
				seen[x] = true
				s.reach(x, reached)
			}
		}
	}
	return reached
}

// vaultBlobs lists the blobs that are there, with their sizes.
func (s *Store) vaultBlobs() (map[digest.Digest]int64, error) {
	entries, err := os.ReadDir(s.vaultDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the blobs of indexes: %w", err)
	}
	blobs := make(map[digest.Digest]int64, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the blobs of indexes: %w", err)
		}
		if isHex64(e.Name()) {
			blobs[digest.NewDigestFromEncoded(digest.SHA256, e.Name())] = info.Size()
		}
	}
	return blobs, nil
}

// sweepVault removes the blobs nothing leads to. The caller holds the exclusive lock; leased is what
// living processes keep.
func (s *Store) sweepVault(records []imageRecord, leased map[string]bool) error {
	blobs, err := s.vaultBlobs()
	if err != nil || len(blobs) == 0 {
		return err
	}
	reached := s.vaultReached(records)
	for d := range blobs {
		if reached[d] || leased[leasedBlob(d)] {
			continue
		}
		if err := os.Remove(s.vaultFile(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing blob %s: %w", shortDigest(d), err)
		}
	}
	return nil
}

// checkVault looks for damage of the blobs: content that is not what the digest says, and a manifest
// whose blobs are not all here. Blobs nothing leads to are of a pull that failed and may be tried again;
// the next removal clears them away.
func (s *Store) checkVault(ctx context.Context, records []imageRecord, o CheckOptions) (found []Problem, err error) {
	blobs, err := s.vaultBlobs()
	if err != nil {
		return nil, err
	}
	indexes := map[digest.Digest]bool{}
	for _, r := range records {
		if m, whole := r.metadata(); whole {
			for _, x := range m.Indexes {
				indexes[x] = true
			}
		}
	}
	damaged := map[digest.Digest]bool{}
	for d := range blobs {
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		if o.Quick {
			break
		}
		ok, err := s.verifyBlob(ctx, d)
		if err != nil {
			return found, err
		}
		if !ok {
			damaged[d] = true
			found = append(found, Problem{Blob: d, Text: fmt.Sprintf("blob %s of an index: its content is not what its digest says", shortDigest(d))})
		}
	}
	for x := range indexes {
		if _, here := blobs[x]; !here || damaged[x] {
			continue
		}
		list, err := s.packedIn(x)
		if err != nil {
			found = append(found, Problem{Blob: x, Text: fmt.Sprintf("index %s: %v", shortDigest(x), err)})
			continue
		}
		for _, p := range list {
			if p.manifest == nil || p.whole {
				continue
			}
			for _, b := range p.blobs {
				if !s.hasBlob(b) && !damaged[b.Digest] {
					found = append(found, Problem{Blob: p.Digest, Text: fmt.Sprintf("index %s: blob %s of %s is missing", shortDigest(x), shortDigest(b.Digest), platformName(p.Descriptor))})
					break
				}
			}
		}
	}
	return found, nil
}

func platformName(d v1.Descriptor) string {
	if d.Platform == nil {
		return shortDigest(d.Digest)
	}
	return platformText(*d.Platform)
}

// verifyBlob reads a blob and compares its digest.
func (s *Store) verifyBlob(ctx context.Context, d digest.Digest) (bool, error) {
	f, err := os.Open(s.vaultFile(d))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // removed meanwhile
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	v := d.Verifier()
	if _, err := io.Copy(v, canceled{ctx, f}); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, nil //nolint:nilerr // what can not be read is damaged
	}
	return v.Verified(), nil
}

// putDocument writes a manifest or index into the vault.
func (s *Store) putDocument(ctx context.Context, raw []byte) (digest.Digest, error) {
	d, _, err := s.putBlob(ctx, bytes.NewReader(raw), digest.FromBytes(raw))
	return d, err
}

// IndexSize is the bytes of an index that is kept whole.
func (s *Store) IndexSize(index digest.Digest) (int64, bool) {
	raw, err := s.vaultDocument(index)
	return int64(len(raw)), err == nil
}
