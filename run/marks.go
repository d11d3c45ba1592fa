package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/tree"
)

// marks are the empty files by which programs tell that they are in a container, docker's and podman's.
// They lie with what the container has written, but are none of it: diff, commit and export leave them
// out. An image's own stay as they are.
var marks = map[string]uint32{".dockerenv": 0o755, "run/.containerenv": 0o644}

// mark makes the marks below root. The image is not trusted: where it has a symlink or a file for a
// directory there is no mark.
func mark(root string, shift idmap.Shift) error {
	dir, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", root, err)
	}
	defer unix.Close(dir)
	if err := markIn(dir, ".dockerenv", marks[".dockerenv"], shift); err != nil {
		return err
	}
	run, err := tree.OpenBeneath(dir, "run", unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		if err = unix.Mkdirat(dir, "run", 0o755); err == nil {
			run, err = tree.OpenBeneath(dir, "run", unix.O_RDONLY|unix.O_DIRECTORY)
		}
		if err == nil {
			err = errors.Join(unix.Fchmod(run, 0o755), rootOwned(run, shift)) // whatever the caller's umask
		}
	}
	if err == unix.ELOOP || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making /run: %w", err)
	}
	defer unix.Close(run)
	return markIn(run, ".containerenv", marks["run/.containerenv"], shift)
}

func markIn(dir int, name string, mode uint32, shift idmap.Shift) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err == unix.EEXIST {
		return nil
	}
	if err == nil {
		err = errors.Join(unix.Fchmod(fd, mode), rootOwned(fd, shift))
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	return nil
}

// ownMarks are those of a container that its image has not, and /run when it is there for nothing else.
// root is the container's whole filesystem.
func ownMarks(s *storage.Store, f record.Found, root string) (own map[string]bool, err error) {
	below, done, err := view(s, f, false)
	if err != nil {
		return nil, err
	}
	defer func() {
		if derr := done(); err == nil {
			err = derr
		}
	}()
	fd, err := unix.Open(below, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("looking at the image of container %s: %w", f.Name, err)
	}
	defer unix.Close(fd)
	top, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("looking at container %s: %w", f.Name, err)
	}
	defer unix.Close(top)
	own = map[string]bool{}
	for name := range marks {
		if there, _ := exists(fd, name); !there {
			own[name] = true
		}
	}
	if there, _ := exists(fd, "run"); there || !own["run/.containerenv"] {
		return own, nil
	}
	run, err := tree.OpenIn(top, "run", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err == unix.ENOENT || err == unix.ELOOP || err == unix.ENOTDIR {
		return own, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking at /run: %w", err)
	}
	defer unix.Close(run)
	names, err := tree.List(run)
	if len(names) == 1 && names[0] == ".containerenv" {
		own["run"] = true
	}
	return own, err
}

// unmarked leaves directories that were made for nothing but what the run puts there out of changes.
func unmarked(all []Change) []Change {
	for _, dir := range []string{"/run", "/etc", "/sbin"} {
		if !slices.ContainsFunc(all, func(c Change) bool { return strings.HasPrefix(c.Path, dir+"/") }) {
			all = slices.DeleteFunc(all, func(c Change) bool { return c == Change{Kind: "A", Path: dir} })
		}
	}
	return all
}
