package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/storage/journal"
)

// partial is what has arrived of one blob, in a file that is the lock of who is fetching it. It is
// kept when the transfer breaks off, however it does, and goes when the layer is put in its place: until
// then it is where other commands that want the layer find it. Nobody holds the lock while a layer waits
// for those below it, which another command may be fetching, and that one for this. Who waited for the
// lock until the file went finds the layer; when that is gone again, it still has the file, without a
// name, and empty if the layer was put in place at once.
type partial struct {
	lock *journal.Lock
	path string
	size int64
}

const (
	partialAge   = 24 * time.Hour // untouched for so long it goes at the next pull that brings something
	partialBytes = 20 << 30       // of all of them; the oldest go first
	waitUnsaid   = 2 * time.Second
)

func (s *Store) partialDir() string { return filepath.Join(s.opts.Dir, "partial") }

func (s *Store) partialFile(d digest.Digest) string {
	return filepath.Join(s.partialDir(), d.Algorithm().String()+"-"+d.Encoded())
}

// partial takes the file of a blob. waiting is called when another command has had it for two
// seconds.
func (s *Store) partial(ctx context.Context, d digest.Digest, waiting func()) (*partial, error) {
	if err := os.MkdirAll(s.partialDir(), 0o700); err != nil {
		return nil, fmt.Errorf("keeping what arrives: %w", err)
	}
	p := &partial{path: s.partialFile(d)}
	var err error
	if p.lock, err = journal.TryLock(p.path, true); err == nil && p.lock == nil {
		p.lock, err = waitForLock(ctx, p.path, waiting)
	}
	if err != nil {
		return nil, fmt.Errorf("keeping what arrives: %w", err)
	}
	st, err := p.lock.File().Stat()
	if err != nil {
		return nil, errors.Join(err, p.lock.Unlock())
	}
	p.size = st.Size()
	return p, nil
}

// waitForLock waits for a lock as long as the context allows. The file may have lost its name by
// then: its content is what counts.
func waitForLock(ctx context.Context, path string, waiting func()) (*journal.Lock, error) {
	type result struct {
		lock *journal.Lock
		err  error
	}
	got := make(chan result, 1)
	go func() {
		l, err := journal.TakeOpened(path)
		got <- result{l, err}
	}()
	late := time.NewTimer(waitUnsaid)
	defer late.Stop()
	for {
		select {
		case r := <-got:
			return r.lock, r.err
		case <-late.C:
			waiting()
		case <-ctx.Done():
			go func() { // flock(2) can not be called off
				if r := <-got; r.lock != nil {
					r.lock.Unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// append keeps more of the blob.
func (p *partial) append(b []byte) error {
	n, err := p.lock.File().WriteAt(b, p.size)
	p.size += int64(n)
	return err
}

// forget drops the content: it is not what it should be.
func (p *partial) forget() error {
	p.size = 0
	return p.lock.File().Truncate(0)
}

// remove drops the file. Who waits for it keeps it open.
func (p *partial) remove() error {
	named, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if own, err := p.lock.File().Stat(); err != nil || !os.SameFile(own, named) {
		return err // somebody has begun anew
	}
	return os.Remove(p.path)
}

func (p *partial) close() error { return p.lock.Unlock() }

// dropBytes removes what was kept of a blob whose layer is in its place. A command that has it at the
// moment does so itself.
func (s *Store) dropBytes(d digest.Digest) error {
	path := s.partialFile(d)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := journal.TryLock(path, true)
	if err != nil || lock == nil {
		return err
	}
	return errors.Join(os.Remove(path), lock.Unlock())
}

// sweepPartials removes what is left of transfers nobody came back to; all of it with all. What a
// living command is fetching stays. It gives the bytes that went.
func (s *Store) sweepPartials(all bool) (bytes int64, err error) {
	files, err := s.partials()
	if err != nil {
		return 0, err
	}
	var kept int64
	for _, f := range files {
		old := time.Since(f.ModTime()) > partialAge
		if !all && !old && kept+f.Size() <= partialBytes {
			kept += f.Size()
			continue
		}
		path := filepath.Join(s.partialDir(), f.Name())
		lock, err := journal.TryLock(path, true)
		if err != nil {
			return bytes, fmt.Errorf("removing what is left of a transfer: %w", err)
		}
		if lock == nil {
			continue
		}
		if err := errors.Join(os.Remove(path), lock.Unlock()); err != nil {
			return bytes, fmt.Errorf("removing what is left of a transfer: %w", err)
		}
		bytes += f.Size()
	}
	return bytes, nil
}

// partials lists the files, the newest first.
func (s *Store) partials() ([]fs.FileInfo, error) { return filesByAge(s.partialDir()) }

// filesByAge lists the regular files of a directory, the last used first; none when there is no
// directory.
func filesByAge(dir string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	return files, nil
}
