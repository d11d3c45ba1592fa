package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// To delete takes room: the library tries what the kernel can do, records are written anew beside the
// old ones, a lease is a file. So that a full disk can be made emptier the store holds some back, as
// files that whoever is about to remove something deletes first, and fills again in the end.
const (
	ballastFiles = 48
	ballastBytes = 16 << 10 // of each
)

func (s *Store) ballastDir() string { return filepath.Join(s.opts.Dir, "ballast") }

// scarce tells whether there is less free than times the ballast.
func (s *Store) scarce(times uint64) bool {
	var st unix.Statfs_t
	if unix.Statfs(s.opts.Dir, &st) != nil || st.Blocks == 0 { // ramfs does not count
		return false
	}
	return st.Bavail*uint64(st.Bsize) < times*ballastFiles*ballastBytes || st.Files > 0 && st.Ffree < times*ballastFiles //nolint:gosec // a block has a size
}

// cramped tells whether there is less for this process than the ballast. A quota is seen by trying only.
func (s *Store) cramped() bool {
	if s.scarce(1) {
		return true
	}
	fd, err := unix.Open(s.opts.Dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = unix.Fallocate(fd, 0, 0, ballastFiles*ballastBytes)
		unix.Close(fd)
	}
	return err == unix.ENOSPC || err == unix.EDQUOT
}

// makeRoom gives the ballast to this process, when there is hardly anything else.
func (s *Store) makeRoom() {
	if s.cramped() {
		_ = os.RemoveAll(s.ballastDir())
		s.roomMade.Store(true)
	}
}

// holdBack puts the ballast in place where it is missing: when there is plenty, or after makeRoom. What
// does not succeed the next command tries.
func (s *Store) holdBack() error {
	dir := s.ballastDir()
	last := filepath.Join(dir, strconv.Itoa(ballastFiles-1))
	if _, err := os.Lstat(last); err == nil || !s.roomMade.Load() && s.scarce(8) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("holding room back: %w", err)
	}
	for i := range ballastFiles {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(i)), os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return fmt.Errorf("holding room back: %w", err)
		}
		if err = unix.Fallocate(int(f.Fd()), 0, 0, ballastBytes); err == unix.EOPNOTSUPP || err == unix.ENOSYS {
			_, err = f.Write(make([]byte, ballastBytes))
		}
		f.Close()
		if err != nil {
			return fmt.Errorf("holding room back: %w", err)
		}
	}
	return nil
}
