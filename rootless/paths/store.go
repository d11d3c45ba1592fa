package paths

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// recordName is the file in a store's directory that names the mapping its owners belong to.
const recordName = "mapping"

// StoreName is the name below Dirs.Data of the directory that Store makes for m.
func StoreName(m idmap.Mapping) string {
	sum := sha256.Sum256([]byte(m.Key()))
	return "store-" + hex.EncodeToString(sum[:4]) + "-" + string(m.Kind)
}

func store(d Dirs, m idmap.Mapping) (string, error) {
	if err := makeData(d.Data); err != nil {
		return "", err
	}
	dir := filepath.Join(d.Data, StoreName(m))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("creating store: %w", err)
	}
	if err := checkOwner(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, recordName)
	record, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		err = writeRecord(dir, m.Key())
		record = []byte(m.Key())
	}
	if err != nil {
		return "", fmt.Errorf("recording the mapping of store %q: %w", dir, err)
	}
	if have := strings.TrimSpace(string(record)); have != m.Key() {
		return "", fmt.Errorf("opening store %q: it belongs to the id mapping %q and this is %q: choose another --root", dir, have, m.Key())
	}
	return dir, nil
}

// makeData creates the data directory and what is missing above it, private to the caller, as the
// XDG Base Directory Specification asks.
func makeData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EROFS) {
			return fmt.Errorf("creating data directory: %w: set XDG_DATA_HOME or --root to a directory that can be written", err)
		}
		return fmt.Errorf("creating data directory: %w", err)
	}
	return checkOwner(dir)
}

// checkOwner refuses a directory that somebody else owns or can write to: who can write there can
// put a set-user-ID file or another's layers into our containers.
func checkOwner(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("checking %q: %w", dir, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("using %q: it belongs to another user: choose another --root or XDG_DATA_HOME", dir)
	}
	if st.Mode&0o002 != 0 {
		return fmt.Errorf("using %q: everybody can write to it: chmod o-w %s", dir, dir)
	}
	return nil
}

// writeRecord puts the record in place at once, so that nobody reads half of it. Two first commands
// write the same bytes, because the name of the directory is made of the same key. The file has no name
// before it is whole: one that is killed leaves nothing.
func writeRecord(dir, key string) error {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return renameRecord(dir, key) // a filesystem that has no files without names
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	if _, err := f.WriteString(key + "\n"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, filepath.Join(dir, recordName), unix.AT_SYMLINK_FOLLOW)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return renameRecord(dir, key)
	}
	return nil
}

func renameRecord(dir, key string) error {
	f, err := os.CreateTemp(dir, "."+recordName+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(key + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, recordName))
}
