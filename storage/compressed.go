package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/progress"
)

// The names of compressions, as registries' media types and image/v5 have them; uncompressed is
// another.
const (
	gzipped = "gzip"
	zstded  = "zstd"
)

// knownBlob is a form in which a layer is, or was, in a registry.
type knownBlob struct {
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	Algorithm string        `json:"algorithm"`
	// Level is ours; 0 is the algorithm's own choice, levelUnknown somebody else's.
	Level int `json:"level,omitempty"`
}

const levelUnknown = -1

// blobsOf maps a layer's diff id to its known forms, the last used first.
type blobsOf map[digest.Digest][]knownBlob

const (
	maxForms        = 8       // of one layer
	compressedBytes = 4 << 30 // of all that is kept compressed
)

// knownBlobs is not flushed: what is forgotten is found out again.
func (s *Store) knownBlobs() journal.File[blobsOf] {
	return journal.File[blobsOf]{Path: filepath.Join(s.opts.Dir, "blobs.json"), Version: 1, Lossy: true}
}

// noteBlobs remembers forms of layers.
func (s *Store) noteBlobs(found blobsOf) error {
	if len(found) == 0 {
		return nil
	}
	layers, err := s.layerRecords()
	if err != nil {
		return err
	}
	have := map[digest.Digest]bool{}
	for _, l := range layers {
		have[l.DiffID] = true
	}
	return s.knownBlobs().Update(func(all *blobsOf) error {
		if *all == nil {
			*all = blobsOf{}
		}
		for diff, blobs := range found {
			list := (*all)[diff]
			for _, b := range blobs {
				list = slices.DeleteFunc(list, func(o knownBlob) bool { return o.Digest == b.Digest })
				list = append([]knownBlob{b}, list...)
			}
			(*all)[diff] = list[:min(len(list), maxForms)]
		}
		for diff := range *all {
			if !have[diff] {
				delete(*all, diff) // the layer is gone
			}
		}
		return nil
	})
}

func (s *Store) compressedDir() string { return filepath.Join(s.opts.Dir, "compressed") }

// compressed gives a layer compressed, from what is kept or made anew. The caller closes the file,
// which may have lost its name meanwhile.
func (s *Store) compressed(ctx context.Context, l Layer, algorithm string, level *int, say progress.Func) (knownBlob, *os.File, error) {
	b := knownBlob{Algorithm: algorithm}
	if level != nil {
		b.Level = *level
	}
	path := filepath.Join(s.compressedDir(), l.DiffID.Encoded()+"-"+algorithm+"-"+strconv.Itoa(b.Level))
	known, err := s.knownBlobs().Read()
	if err != nil {
		return b, nil, err
	}
	for _, k := range known[l.DiffID] {
		if k.Algorithm != b.Algorithm || k.Level != b.Level {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			break
		}
		if st, err := f.Stat(); err == nil && st.Size() == k.Size {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // used last, dropped last
			return k, f, nil
		}
		f.Close()
	}
	say.Emit(progress.Event{ID: l.DiffID.String(), Action: "compressing"})
	f, err := s.compress(ctx, l, &b, level, path)
	if err != nil {
		return b, nil, fmt.Errorf("compressing it: %w", err)
	}
	return b, f, s.noteBlobs(blobsOf{l.DiffID: {b}})
}

// compress writes a layer's tar to path, compressed, and completes b.
func (s *Store) compress(ctx context.Context, l Layer, b *knownBlob, level *int, path string) (_ *os.File, err error) {
	algorithm, err := compression.AlgorithmByName(b.Algorithm)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.compressedDir(), 0o700); err != nil {
		return nil, err
	}
	dir, err := s.tempDir("compress-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := os.Create(filepath.Join(dir, "blob"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	tar, err := s.openTar(l.ID)
	if err != nil {
		return nil, err
	}
	defer tar.Close()
	out := &meter{hash: sha256.New()}
	w, err := compression.CompressStream(io.MultiWriter(f, out), algorithm, level)
	if err != nil {
		return nil, err
	}
	plain := &meter{r: canceled{ctx, tar}, hash: sha256.New()}
	_, err = io.Copy(w, plain)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	if sum := digest.NewDigest(digest.SHA256, plain.hash); sum != l.DiffID {
		return nil, fmt.Errorf("the layer is damaged: its content has digest %s, not %s", sum, l.DiffID)
	}
	b.Digest, b.Size = digest.NewDigest(digest.SHA256, out.hash), out.n
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f, os.Rename(f.Name(), path)
}

// Write makes a meter measure what is written.
func (m *meter) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	return m.hash.Write(p)
}

// sweepCompressed removes what is kept compressed beyond limit, the longest unused first, and gives
// the bytes that went.
func (s *Store) sweepCompressed(limit int64) (bytes int64, err error) {
	files, err := filesByAge(s.compressedDir())
	if err != nil {
		return 0, err
	}
	var kept int64
	for _, f := range files {
		if kept+f.Size() <= limit {
			kept += f.Size()
			continue
		}
		if err := os.Remove(filepath.Join(s.compressedDir(), f.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return bytes, fmt.Errorf("removing what is kept compressed: %w", err)
		}
		bytes += f.Size()
	}
	return bytes, nil
}

func (s *Store) sweepCompressedAfterPush() error {
	_, err := s.sweepCompressed(compressedBytes)
	return err
}
