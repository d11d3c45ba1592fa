package tree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenIn opens p below the directory root as a process with root as its root directory would: absolute
// symlinks and ".." end there, and nothing leads out of it whatever another process does meanwhile
// (openat2(2), RESOLVE_IN_ROOT). The links of /proc that lead to other places are not followed.
func OpenIn(root int, p string, flags int) (int, error) {
	return openat2(root, p, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// OpenBeneath opens rel below dir without following any symlink (ELOOP); one at the end is opened itself
// when flags have O_PATH and O_NOFOLLOW. "" is dir.
func OpenBeneath(dir int, rel string, flags int) (int, error) {
	return openat2(dir, rel, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
}

func openat2(dir int, p string, flags int, resolve uint64) (int, error) {
	if p == "" {
		p = "."
	}
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	for {
		fd, err := unix.Openat2(dir, p, &how)
		// EAGAIN: somebody renames directories while a ".." is resolved.
		if err != unix.EAGAIN && err != unix.EINTR {
			return fd, err
		}
	}
}

// OpenRegular opens the regular file name in the directory dir for reading. Whatever else stands there is
// not opened, which alone can block or set a device to work: it is ErrNotRegular.
func OpenRegular(dir int, name string) (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, st, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, st, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, st, ErrNotRegular
	}
	got, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, st, err
	}
	return os.NewFile(uintptr(got), name), st, nil
}

// ErrNotRegular is returned by OpenRegular for anything but a regular file.
var ErrNotRegular = errors.New("it is not a regular file")

// maxLinks is how many symlinks one path may lead through, as in the kernel (path_resolution(7)).
const maxLinks = 40

// Resolve gives the path that p leads to below root, "" for root itself, without symlinks: those on the
// way are followed as OpenIn does, the last component's too unless keepLast. Components that do not exist
// are kept as they are. It is for messages and for places where something is to be made: who opens the
// path that comes out asks OpenIn again.
func Resolve(root int, p string, keepLast bool) (string, error) {
	return Follow(p, keepLast, func(rel string) (string, bool, error) {
		fd, err := OpenBeneath(root, rel, unix.O_PATH|unix.O_NOFOLLOW)
		if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
			return "", false, nil // ELOOP: somebody has put a symlink above it just now
		}
		if err != nil {
			return "", false, err
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
			return "", false, err
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", buf)
		if err != nil {
			return "", false, err
		}
		return string(buf[:n]), true, nil
	})
}

// Follow is Resolve for whatever has symlinks: link tells where the one at a path without symlinks leads
// to, and false when there is none.
func Follow(p string, keepLast bool, link func(rel string) (target string, is bool, err error)) (string, error) {
	var done []string
	todo := strings.Split(p, "/")
	links := 0
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			done = done[:max(len(done)-1, 0)]
			continue
		}
		rel := path.Join(append(done[:len(done):len(done)], c)...)
		if keepLast && len(todo) == 0 {
			return rel, nil
		}
		target, is, err := link(rel)
		if err != nil {
			return "", &fs.PathError{Op: "resolving", Path: "/" + rel, Err: err}
		}
		if !is {
			done = append(done, c)
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolving", Path: p, Err: unix.ELOOP}
		}
		if strings.HasPrefix(target, "/") {
			done = nil
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return strings.Join(done, "/"), nil
}
