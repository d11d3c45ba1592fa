// Package mount prepares the --mount wishes of one RUN step: binds from contexts and other steps,
// caches that outlive the build, secrets and tmpfs.
//
// It takes plan.Mounts and gives run/spec.Mounts whose sources lie in a folder of this process's
// mount namespace, so that nothing in an image, a context or a running step can change afterwards
// what a path means. Everything inside a tree is resolved beneath its root. Close takes all of it
// away again.
package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/spec"
)

// Secrets gives the value of a secret by id; ok is false when the caller gave none of that id.
type Secrets func(id string) (value []byte, ok bool, err error)

// Tree is a filesystem that a mount reads from.
type Tree struct {
	Root *os.File
	// ID names the content, for caches that begin with it.
	ID string
	// Foreign says that the files are the caller's own, not dhow's: owners are not recorded on them.
	Foreign bool
}

// Config is what Prepare needs of its surroundings.
type Config struct {
	// Dir is a private folder for mount points and files; its removal is the caller's matter.
	Dir   string
	Cache *cache.Cache
	// Owners keeps the owners of secrets and new caches; it is only used for files and directories.
	Owners  *ownership.Tree
	Secrets Secrets
	// Tree opens what the mount at index i of the list reads from.
	Tree func(i int, m plan.Mount) (Tree, error)
	// Copy copies a directory or file with its owners into an empty directory: what a new cache
	// begins with, what a writable file is.
	Copy func(from Tree, source string, to string) error
	// Waiting is called when a locked cache is being waited for.
	Waiting func(id string)
}

// Set are prepared mounts.
type Set struct {
	Mounts []spec.Mount
	// Env are variables of secrets, "KEY=value".
	Env []string

	points []string
	caches map[int]string // folders of cache mounts, by place in the list
	locks  []*cache.Lock
	secret *secretDir
}

// Prepare makes everything the mounts need. The later of two mounts on one target counts. On error
// nothing is left.
func Prepare(ctx context.Context, mounts []plan.Mount, c Config) (*Set, error) {
	s := &Set{}
	if i, err := s.takeCaches(ctx, mounts, c); err != nil {
		return nil, errors.Join(fmt.Errorf("mounting %s: %w", describe(mounts[i]), err), s.Close())
	}
	for i, m := range mounts {
		if err := s.add(i, m, c); err != nil {
			return nil, errors.Join(fmt.Errorf("mounting %s: %w", describe(m), err), s.Close())
		}
	}
	return s, nil
}

func describe(m plan.Mount) string {
	switch {
	case m.Type == "cache":
		return fmt.Sprintf("cache %q at %s", m.ID, m.Target)
	case m.Type == "secret":
		return fmt.Sprintf("secret %q", m.ID)
	}
	return m.Type + " at " + m.Target
}

func (s *Set) add(i int, m plan.Mount, c Config) error {
	switch m.Type {
	case "bind":
		return s.bind(i, m, c)
	case "cache":
		return s.cache(i, m, c)
	case "secret":
		return s.secretFile(i, m, c)
	case "tmpfs":
		// As in BuildKit, and unlike docker run's: people compile and run things in it.
		out := spec.Mount{Type: "tmpfs", Target: m.Target, Options: []string{"exec"}}
		if m.Size > 0 {
			out.Options = append(out.Options, "size="+strconv.FormatInt(m.Size, 10))
		}
		s.put(out)
		return nil
	}
	return fmt.Errorf("type %q is not known here", m.Type)
}

// put adds a mount, in place of an earlier one on the same target.
func (s *Set) put(m spec.Mount) {
	for i := range s.Mounts {
		if s.Mounts[i].Target == m.Target {
			s.Mounts = append(s.Mounts[:i], s.Mounts[i+1:]...)
			break
		}
	}
	s.Mounts = append(s.Mounts, m)
}

// Targets are the container paths of the mounts.
func (s *Set) Targets() []string {
	var out []string
	for _, m := range s.Mounts {
		out = append(out, m.Target)
	}
	return out
}

// Close unmounts, forgets the secrets and lets go of the caches.
func (s *Set) Close() error {
	var errs []error
	for i := len(s.points) - 1; i >= 0; i-- {
		errs = append(errs, unmount(s.points[i]))
	}
	if s.secret != nil {
		errs = append(errs, s.secret.close())
	}
	for _, l := range s.locks {
		errs = append(errs, l.Close())
	}
	s.points, s.secret, s.locks = nil, nil, nil
	return errors.Join(errs...)
}

func unmount(point string) error {
	err := unix.Unmount(point, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unmount", Path: point, Err: err}
	}
	return nil
}

// find opens what source, an absolute path, means in the tree, as a process with the tree as its
// root would find it.
func find(root *os.File, source string) (int, *unix.Stat_t, error) {
	rel := strings.TrimPrefix(source, "/")
	if rel == "" {
		rel = "."
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(int(root.Fd()), rel, &how)
	for errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		fd, err = unix.Openat2(int(root.Fd()), rel, &how)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return -1, nil, fmt.Errorf("%q: not found", source)
	}
	if err != nil {
		return -1, nil, &os.PathError{Op: "open", Path: source, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, nil, &os.PathError{Op: "stat", Path: source, Err: err}
	}
	return fd, &st, nil
}

// attach binds the file or directory fd to a new point of the folder and gives its path. Whoever
// follows that path can be led nowhere else.
func (s *Set) attach(fd int, st *unix.Stat_t, dir, name string, readOnly bool) (string, error) {
	point := filepath.Join(dir, name)
	var err error
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = os.Mkdir(point, 0o700)
	} else {
		err = os.WriteFile(point, nil, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("making a mount point: %w", err)
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH)
	tree, err := unix.OpenTree(fd, "", flags)
	if errors.Is(err, unix.EINVAL) {
		// Something is mounted below it that a user namespace may not uncover.
		tree, err = unix.OpenTree(fd, "", flags|unix.AT_RECURSIVE)
	}
	if err != nil {
		return "", fmt.Errorf("binding: %w", err)
	}
	defer unix.Close(tree)
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
			return "", fmt.Errorf("binding read-only: %w", err)
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, point, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return "", fmt.Errorf("binding: %w", err)
	}
	s.points = append(s.points, point)
	return point, nil
}
