package cache

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
)

// Lock is an advisory lock on a file, held until Close or the end of the process (flock(2)).
type Lock struct {
	held *journal.Lock
	path string
}

// TryLock takes the lock file at path, shared or exclusive, making the file when it is missing.
// It gives nil without an error when another holder is in the way.
func TryLock(path string, exclusive bool) (*Lock, error) {
	held, err := journal.TryLock(path, exclusive)
	if held == nil || err != nil {
		return nil, err
	}
	return &Lock{held: held, path: path}, nil
}

// Share turns an exclusive lock into a shared one. The kernel lets go of the lock in between, so
// what it guarded must be looked at again; false means that somebody else was quicker. The lock is
// gone then.
func (l *Lock) Share() (bool, error) {
	fd := int(l.held.File().Fd())
	err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	}
	var a, b unix.Stat_t
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		l.Close()
		return false, nil
	case err != nil:
		l.Close()
		return false, fmt.Errorf("locking %s: %w", l.path, err)
	case unix.Fstat(fd, &a) != nil || unix.Lstat(l.path, &b) != nil || a.Dev != b.Dev || a.Ino != b.Ino:
		l.Close() // removed in between: it guards nothing
		return false, nil
	}
	return true, nil
}

// Close lets go of the lock. The file stays.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.held.Unlock()
}

// Remove lets go of an exclusive lock and removes its file.
func (l *Lock) Remove() error {
	err := os.Remove(l.path)
	return errors.Join(err, l.Close())
}
