package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// open opens p below the root as the container would see it.
func (r *Root) open(p string, flags int) (int, error) {
	fd, err := tree.OpenIn(r.fd, p, flags)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	return fd, nil
}

// mkdirAll opens the directory p and makes it, and those above, where they are missing: symlinks that
// lead to nothing yet lead below the root as well.
func (r *Root) mkdirAll(p string, mode uint32) (int, error) {
	fd, err := r.open(p, unix.O_PATH|unix.O_DIRECTORY)
	if !errors.Is(err, fs.ErrNotExist) {
		return fd, err
	}
	rel, err := tree.Resolve(r.fd, p, false)
	if err != nil {
		return -1, err
	}
	at, err := unix.FcntlInt(uintptr(r.fd), unix.F_DUPFD_CLOEXEC, 3)
	for c := range strings.SplitSeq(rel, "/") {
		if err != nil {
			break
		}
		var next int
		if err = unix.Mkdirat(at, c, mode); err == nil || err == unix.EEXIST {
			next, err = tree.OpenBeneath(at, c, unix.O_PATH|unix.O_DIRECTORY)
		}
		unix.Close(at)
		at = next
	}
	if err != nil {
		return -1, &fs.PathError{Op: "mkdir", Path: p, Err: err}
	}
	return at, nil
}

// create opens the file p for a mount on it, and makes it where it is missing.
func (r *Root) create(p string, mode uint32) (int, error) {
	fd, err := r.open(p, unix.O_PATH)
	if !errors.Is(err, fs.ErrNotExist) {
		return fd, err
	}
	rel, err := tree.Resolve(r.fd, p, false)
	if err != nil {
		return -1, err
	}
	parent, err := r.mkdirAll(path.Dir(path.Join("/", rel)), 0o755)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	fd, err = unix.Openat(parent, path.Base(rel), unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_RDONLY|unix.O_CLOEXEC, mode)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	return fd, nil
}

// proper reports in an error whether a mount of that kind must not stand where fd is: the root itself,
// or a place in /proc, whose files say what the container may (CVE-2019-19921). procRoot says that the
// mount is a whole /proc.
func (r *Root) proper(fd int, procRoot bool) error {
	at, err := r.name(fd)
	if err != nil {
		return err
	}
	top, err := r.name(r.fd)
	if err != nil {
		return err
	}
	rel, ok := strings.CutPrefix(at, strings.TrimSuffix(top, "/"))
	if !ok || rel != "" && rel[0] != '/' {
		return fmt.Errorf("mountpoint %q is outside of rootfs", at)
	}
	switch {
	case rel == "" || rel == "/":
		return errors.New("mountpoint is on the top of rootfs")
	case rel == "/proc" && !procRoot:
		return fmt.Errorf("%q cannot be mounted because it is not of type proc", rel)
	case strings.HasPrefix(rel, "/proc/") && !emulated[rel]:
		return fmt.Errorf("%q cannot be mounted because it is inside /proc", rel)
	}
	return nil
}

// emulated are the files of /proc that may be covered, as lxcfs does.
var emulated = map[string]bool{
	"/proc/cpuinfo": true, "/proc/diskstats": true, "/proc/meminfo": true, "/proc/stat": true,
	"/proc/swaps": true, "/proc/uptime": true, "/proc/loadavg": true, "/proc/slabinfo": true,
	"/proc/sys/kernel/ns_last_pid": true, "/proc/sys/crypto/fips_enabled": true,
}
