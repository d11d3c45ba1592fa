package source

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// openIn opens name below the tree at dirfd; symlinks and ".." stay inside it (openat2(2),
// RESOLVE_IN_ROOT). name may be absolute: the tree is its root.
func openIn(dirfd int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		// EAGAIN: something in the tree was renamed during the walk and ".." could have escaped.
		fd, err := unix.Openat2(dirfd, relative(name), &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// relative makes a path within a tree one that openat2 takes: "" is not allowed, "." is.
func relative(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// resolve follows name, symlinks included, and gives where it ends: an absolute path within the
// tree that holds no symlink. The error is a bare errno.
func resolve(root *os.File, name string) (string, error) {
	fd, err := openIn(int(root.Fd()), name, unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return pathOf(root, fd)
}

// pathOf gives the path of fd within the tree at root, as the kernel knows it.
func pathOf(root *os.File, fd int) (string, error) {
	top, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", root.Fd()))
	if err != nil {
		return "", err
	}
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", err
	}
	if at == top {
		return "/", nil
	}
	if top == "/" {
		return at, nil
	}
	rel, ok := strings.CutPrefix(at, top+"/")
	if !ok {
		return "", errors.New("it was moved out of the tree while being read")
	}
	return "/" + rel, nil
}

// reason puts an error of the tree in words a reader of a Dockerfile knows.
func reason(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return ErrNotFound
	case errors.Is(err, unix.ELOOP):
		return errors.New("too many levels of symbolic links")
	}
	return err
}

// ErrNotFound says that a COPY source, or a file of a mount, is not there (or is left out by the
// ignore file).
var ErrNotFound = errors.New("not found")

// errIgnored is ErrNotFound for what is there but not for the build.
var errIgnored = fmt.Errorf("%w: the ignore file leaves it out", ErrNotFound)
