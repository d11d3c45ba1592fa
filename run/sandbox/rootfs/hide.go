package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// cover makes what stands at p read-only, by a mount of it on itself.
func (r *Root) cover(p string) error {
	at, err := r.open(p, unix.O_PATH)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	fd, err := unix.OpenTree(at, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := attach(fd, at, nil); err != nil {
		return err
	}
	return setAttr(fd, 0, unix.MOUNT_ATTR_RDONLY, 0)
}

// mask hides files behind /dev/null and directories behind an empty one that is shared by all.
func (r *Root) mask() error {
	if len(r.config.MaskPaths) == 0 {
		return nil
	}
	null, err := r.open("/dev/null", unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("can't mask paths: %w", err)
	}
	defer unix.Close(null)
	if !isNull(null) {
		return errors.New("can't mask paths: container's /dev/null is invalid")
	}
	empty := -1
	defer func() {
		if empty >= 0 {
			unix.Close(empty)
		}
	}()
	done := map[string]bool{}
	for _, p := range r.config.MaskPaths {
		if done[path.Clean(p)] {
			continue
		}
		done[path.Clean(p)] = true
		if err := r.hide(p, null, &empty); err != nil {
			return fmt.Errorf("can't mask path %q: %w", p, err)
		}
	}
	return nil
}

func (r *Root) hide(p string, null int, empty *int) error {
	at, err := r.open(p, unix.O_PATH)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR && *empty < 0 {
		if *empty, err = filesystem("tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=1", unix.MS_RDONLY); err != nil {
			// Some kernels refuse a single inode.
			if *empty, err = filesystem("tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=2", unix.MS_RDONLY); err != nil {
				return err
			}
		}
		return attach(*empty, at, nil)
	}
	from := null
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		from = *empty
	}
	fd, err := unix.OpenTree(from, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return attach(fd, at, nil)
}
