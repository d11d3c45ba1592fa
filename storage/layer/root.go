package layer

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// root resolves paths inside one directory. It remembers the directory it resolved last, because
// the entries of a tar mostly come directory by directory.
type root struct {
	fd       int
	lastName string
	lastFD   int // -1: none
	implied  func(rel string, parentFD int, name string) error
}

func openRoot(dir string) (*root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return &root{fd: fd, lastFD: -1}, nil
}

// Close closes the descriptors.
func (r *root) Close() error {
	r.forget()
	return unix.Close(r.fd)
}

// forget drops the remembered directory; called whenever a directory may have gone.
func (r *root) forget() {
	if r.lastFD >= 0 {
		unix.Close(r.lastFD)
		r.lastFD = -1
	}
}

// how resolves symlinks as a chroot would: the directory is "/" to them, and nothing leads out of
// it whatever another process does meanwhile.
func how(flags uint64) *unix.OpenHow {
	return &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
}

func openat2(fd int, name string, h *unix.OpenHow) (int, error) {
	for {
		got, err := unix.Openat2(fd, name, h)
		// EAGAIN: somebody renames directories while a ".." is resolved (openat2(2)).
		if err != unix.EAGAIN && err != unix.EINTR {
			return got, err
		}
	}
}

// parent gives the directory rel's last component is in, making directories that are missing. The
// descriptor belongs to r.
func (r *root) parent(rel string) (int, error) {
	dir := path.Dir(rel)
	if dir == "." {
		return r.fd, nil
	}
	if r.lastFD >= 0 && r.lastName == dir {
		return r.lastFD, nil
	}
	fd, err := openat2(r.fd, dir, how(unix.O_PATH|unix.O_DIRECTORY))
	if err == unix.ENOENT && r.implied != nil {
		fd, err = r.makeAll(dir)
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	r.forget()
	r.lastName, r.lastFD = dir, fd
	return fd, nil
}

// makeAll makes the directories of dir that do not exist.
func (r *root) makeAll(dir string) (int, error) {
	at, err := unix.FcntlInt(uintptr(r.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	done := ""
	for name := range strings.SplitSeq(dir, "/") {
		done = path.Join(done, name)
		// From the root each time: a symlink on the way may have absolute or ".." parts.
		next, err := openat2(r.fd, done, how(unix.O_PATH|unix.O_DIRECTORY))
		if err == unix.ENOENT {
			if err = unix.Mkdirat(at, name, 0o755); err == nil {
				if err = r.implied(done, at, name); err == nil {
					next, err = unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
				}
			}
		}
		unix.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}

// openFile opens the regular file at a path of a tar for reading. Its last component is not
// followed.
func (r *root) openFile(name string) (*os.File, error) {
	rel := strings.TrimPrefix(path.Clean("/"+name), "/")
	at, err := r.parent(rel)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Openat(at, path.Base(rel), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("open %s: not a regular file", name)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// removeAll removes at/name with everything below it, following nothing.
func removeAll(at int, name string) error {
	err := unix.Unlinkat(at, name, 0)
	if err != unix.EISDIR && err != unix.EPERM {
		if err == unix.ENOENT {
			return nil
		}
		return err
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	names, err := tree.List(fd)
	for _, n := range names {
		if err == nil {
			err = removeAll(fd, n)
		}
	}
	unix.Close(fd)
	if err != nil {
		return err
	}
	return unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
}
