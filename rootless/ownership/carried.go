package ownership

import (
	"errors"
	"fmt"
	"maps"

	"golang.org/x/sys/unix"
)

// RecordLinks writes what a Tree has changed in its Links, from was to now, into the table of an upper
// directory that no supervisor is at work in. Paths that are not in there, of volumes, are passed over.
func RecordLinks(upper, path string, was, now Links) (err error) {
	all := maps.Clone(now) // one that is as it was may be another file now
	if all == nil {
		all = Links{}
	}
	for rel := range was {
		if _, ok := now[rel]; !ok {
			all[rel] = Owner{}
		}
	}
	if len(all) == 0 {
		return nil
	}
	dir, err := unix.Open(upper, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("recording link owners in %q: %w", upper, err)
	}
	defer unix.Close(dir)
	t, err := openTable(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	for rel, o := range all {
		key, ok, err := linkAt(dir, rel)
		if err == nil && ok {
			err = t.put(key, o)
		}
		if err != nil {
			return fmt.Errorf("recording the owner of %q: %w", rel, err)
		}
	}
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
