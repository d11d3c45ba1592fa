package ownership

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// LinkTable takes down the owners of the symlinks and FIFOs of an upper directory that no supervisor is at
// work in, each at the moment it is made: what was made so far is owned rightly whatever happens next.
type LinkTable struct {
	upper int
	table *table
}

// OpenLinks opens the table at path, which is made when missing, for the directory upper.
func OpenLinks(upper, path string) (*LinkTable, error) {
	dir, err := openDir(upper)
	if err != nil {
		return nil, err
	}
	t, err := openTable(path)
	if err != nil {
		unix.Close(dir)
		return nil, err
	}
	return &LinkTable{dir, t}, nil
}

// Record takes down the owner of rel. A path that is not in the directory, of a volume, is passed over.
func (l *LinkTable) Record(rel string, o Owner) error {
	key, ok, err := linkAt(l.upper, cleanRel(rel))
	if err == nil && ok {
		err = l.table.put(key, o)
	}
	if err != nil {
		return fmt.Errorf("recording the owner of %q: %w", rel, err)
	}
	return nil
}

// Close lets the table go.
func (l *LinkTable) Close() error {
	return errors.Join(l.table.close(), unix.Close(l.upper))
}

// Own records the owner of a symlink or FIFO that somebody outside of the container has made in it. fd is
// that file, opened by name only (O_PATH) below the container's root directory, and rel its path from
// there. The error is os.ErrProcessDone when the supervisor is closed.
func (s *Supervisor) Own(fd int, rel string, o Owner) error {
	s.owning.RLock()
	defer s.owning.RUnlock()
	if s.closed {
		return os.ErrProcessDone
	}
	f := &s.files
	var stx unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME|unix.STATX_MNT_ID, &stx)
	if err == nil && !linkLike(uint32(stx.Mode)) {
		err = unix.EINVAL
	}
	if err != nil {
		return fmt.Errorf("recording the owner of %q: %w", rel, err)
	}
	if stx.Mnt_id == f.root.mount && f.upper >= 0 {
		key, ok, err := linkAt(f.upper, cleanRel(rel))
		if err == nil && !ok {
			err = unix.ENOENT
		}
		if err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.aside.Store(true)
			err = f.table.put(key, o)
		}
		if err != nil {
			return fmt.Errorf("recording the owner of %q: %w", rel, err)
		}
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.loose) >= maxLoose {
		return fmt.Errorf("recording the owner of %q: %w", rel, unix.ENOSPC)
	}
	f.aside.Store(true)
	f.loose[looseKey{unix.Mkdev(stx.Dev_major, stx.Dev_minor), birthOf(&stx)}] = o
	return nil
}

// linkAt gives the key of the symlink or FIFO rel below dir; false when there is none.
func linkAt(dir int, rel string) (key inodeKey, ok bool, err error) {
	fd, err := unix.Openat2(dir, rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return key, false, nil
	}
	if err != nil {
		return key, false, err
	}
	defer unix.Close(fd)
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &stx); err != nil {
		return key, false, err
	}
	return birthOf(&stx), !carriesXattr(uint32(stx.Mode)), nil
}
