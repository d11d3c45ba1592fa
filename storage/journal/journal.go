// Package journal keeps small records on disk: JSON documents with a version number, each in a file
// of its own, replaced atomically and changed under a lock.
//
// On disk a record is {"version": N, "data": …}. The lock is a file beside it (PATH.lock) taken with
// flock(2), so it ends with its holder, and a reader needs none: rename(2) gives it the old document
// or the new one. Which records belong together, and how long a lock is held, is the caller's
// matter.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxRecordBytes bounds what Read takes into memory; records are small by design.
const maxRecordBytes = 64 << 20

// ErrNewer is returned for a record a newer version of this program wrote.
var ErrNewer = errors.New("written by a newer version of dhow")

// File is one record of type T.
type File[T any] struct {
	Path string
	// Version is the format this program writes, from 1. Newer ones are refused with ErrNewer.
	Version int
	// Upgrade reads a document of an older version; nil refuses them.
	Upgrade func(version int, data json.RawMessage) (T, error)
	// Durable makes Update and Remove survive a power cut (fsync of file and directory).
	Durable bool
	// Lossy makes a record that can not be read count as none: one that is not Durable may be empty
	// after a power cut, and nobody could ever change it again.
	Lossy bool
}

type envelope struct {
	Version int             `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// Read gives the record; the zero T when there is none. It takes no lock: a file is always whole.
func (f File[T]) Read() (T, error) {
	var zero T
	data, err := readBounded(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return zero, nil
	}
	if err != nil {
		return zero, fmt.Errorf("reading record: %w", err)
	}
	v, err := f.parse(data)
	if err != nil && f.Lossy && !errors.Is(err, ErrNewer) {
		return zero, nil
	}
	if err != nil {
		return zero, fmt.Errorf("reading record %s: %w", f.Path, err)
	}
	return v, nil
}

// Update changes the record under its lock; when change returns an error nothing is written.
func (f File[T]) Update(change func(*T) error) (err error) {
	lock, err := TakeLock(f.Path+".lock", true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	v, err := f.Read()
	if err != nil {
		return err
	}
	if err := change(&v); err != nil {
		return err
	}
	data, err := f.format(v)
	if err != nil {
		return fmt.Errorf("writing record %s: %w", f.Path, err)
	}
	return Replace(f.Path, data, 0o600, f.Durable)
}

// Put replaces the record without its lock: for one that a single process writes.
func (f File[T]) Put(v T) error {
	data, err := f.format(v)
	if err != nil {
		return fmt.Errorf("writing record %s: %w", f.Path, err)
	}
	return Replace(f.Path, data, 0o600, f.Durable)
}

// Remove deletes the record and its lock file; it is no error when there is none.
func (f File[T]) Remove() error {
	for _, p := range []string{f.Path, f.Path + ".lock"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing record: %w", err)
		}
	}
	if f.Durable {
		return SyncDir(filepath.Dir(f.Path))
	}
	return nil
}

func (f File[T]) parse(data []byte) (T, error) {
	var v T
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return v, err
	}
	switch {
	case e.Version > f.Version:
		return v, fmt.Errorf("format %d: %w", e.Version, ErrNewer)
	case e.Version < f.Version:
		if f.Upgrade == nil || e.Version < 1 {
			return v, fmt.Errorf("format %d is not known", e.Version)
		}
		return f.Upgrade(e.Version, e.Data)
	}
	if err := json.Unmarshal(e.Data, &v); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

func (f File[T]) format(v T) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{f.Version, data})
}

func readBounded(path string) ([]byte, error) {
	data, err := ReadFile(path, maxRecordBytes+1)
	if err == nil && len(data) > maxRecordBytes {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxRecordBytes)
	}
	return data, err
}

// Whole is how much of a file ReadFile reads when nothing bounds it.
const Whole = math.MaxInt64 - 1

// ReadFile reads a regular file, but not more than most bytes of it. It is os.ReadFile without the
// runtime's poller, which files have no use for: four system calls instead of ten, and lists read
// hundreds of files.
func ReadFile(path string, most int64) ([]byte, error) {
	fail := func(op string, err error) ([]byte, error) {
		return nil, &fs.PathError{Op: op, Path: path, Err: err}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return fail("open", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail("stat", err)
	}
	data := make([]byte, 0, min(st.Size, most)+1)
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fail("read", err)
		}
		data = data[:len(data)+n]
		if int64(len(data)) >= most {
			return data[:most], nil
		}
		if n == 0 || st.Size > 0 && int64(len(data)) == st.Size {
			return data, nil
		}
		if len(data) == cap(data) { // it has grown, or is of /proc
			data = append(data, make([]byte, max(len(data), 512))...)[:len(data)]
		}
	}
}

// Replace writes data to path by way of a temporary file beside it: whoever reads sees the old
// content or the new one. With durable both the file and the rename survive a power cut. The
// temporary file has one name and is locked: what a killed command left of it, the next one uses.
func Replace(path string, data []byte, mode fs.FileMode, durable bool) (err error) {
	dir := filepath.Dir(path)
	name := filepath.Join(dir, ".new-"+filepath.Base(path))
	tmp, err := TakeLock(name, true)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	placed := false
	defer func() {
		if err != nil && !placed { // afterwards the name is the next writer's
			os.Remove(name)
		}
		if err = errors.Join(err, tmp.Unlock()); err != nil {
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	f := tmp.File()
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(data)
	}
	if err = errors.Join(err, f.Chmod(mode)); err != nil {
		return err
	}
	if durable {
		if err = f.Sync(); err != nil {
			return err
		}
	}
	if err = os.Rename(name, path); err != nil {
		return err
	}
	placed = true
	if durable {
		return syncReplaced(dir)
	}
	return nil
}

var syncReplaced = SyncDir // a variable for the tests

// SyncFilesystem flushes all that the filesystem of dir holds back.
func SyncFilesystem(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Syncfs(fd)
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("flushing the filesystem of %s: %w", dir, err)
	}
	return nil
}

// SyncDir flushes a directory, so that the names made or removed in it survive a power cut.
func SyncDir(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	for {
		err := unix.Fsync(fd)
		if err == unix.EINTR {
			continue
		}
		// Some filesystems (FUSE, network) know no fsync of directories.
		if err != nil && err != unix.EINVAL && err != unix.ENOTSUP {
			return &fs.PathError{Op: "fsync", Path: dir, Err: err}
		}
		return nil
	}
}
