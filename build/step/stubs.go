package step

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// stubs are the files and directories made in a root filesystem only so that something could be
// mounted on them. They do not belong to the layer a RUN leaves: they go again, unless the command
// made something of them.
type stubs struct {
	merged *union   // the mounted filesystem, for looking and making
	made   []string // below the root, parents before children
	inode  map[string]uint64
	touch  map[string][2]unix.Timespec // directories that got a stub, with the times before
}

func newStubs(merged int, owners *ownership.Tree) *stubs {
	return &stubs{merged: newUnion(merged, -1, owners, owners), inode: map[string]uint64{}, touch: map[string][2]unix.Timespec{}}
}

// add makes sure that target, as a process in the container would find it, exists, as a directory or
// a file. What is missing is made with mode, what is missing above it with 0755, whatever the umask.
func (s *stubs) add(target string, dir bool, mode uint32) error {
	rel, err := s.merged.resolve(target)
	if err != nil || rel == "" {
		return err
	}
	if err := s.make(rel, dir, mode); err != nil {
		return fmt.Errorf("making the mount point %s: %w", target, err)
	}
	return nil
}

func (s *stubs) make(rel string, dir bool, mode uint32) error {
	st, _, err := s.merged.lstat(rel)
	if err == nil {
		if isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR; isDir != dir {
			return &fs.PathError{Op: "mount on", Path: "/" + rel, Err: map[bool]error{true: unix.ENOTDIR, false: unix.EISDIR}[dir]}
		}
		return nil
	}
	if !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "mount on", Path: "/" + rel, Err: err}
	}
	parent, name := split(rel)
	if parent != "" {
		if err := s.make(parent, true, 0o755); err != nil {
			return err
		}
	}
	at, err := openBeneath(s.merged.upper, parent, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var before unix.Stat_t
	if err := unix.Fstatat(at, "", &before, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if dir {
		err = unix.Mkdirat(at, name, 0o700)
	} else {
		var fd int
		if fd, err = unix.Openat(at, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600); err == nil {
			unix.Close(fd)
		}
	}
	if err == nil {
		err = unix.Fchmodat(at, name, mode, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: "/" + rel, Err: err}
	}
	s.made = append(s.made, rel)
	if _, known := s.touch[parent]; !known {
		s.touch[parent] = [2]unix.Timespec{before.Atim, before.Mtim}
	}
	return nil
}

// settle is called once all stubs are made: it gives the directories around them their times back
// and remembers the stubs as the upper directory has them.
func (s *stubs) settle(upper int) error {
	for rel, times := range s.touch {
		at, err := openBeneath(s.merged.upper, rel, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return fmt.Errorf("making mount points: %w", err)
		}
		err = unix.UtimesNanoAt(at, ".", times[:], 0)
		unix.Close(at)
		if err != nil {
			return fmt.Errorf("making mount points: %w", err)
		}
	}
	for _, rel := range s.made {
		var st unix.Stat_t
		if err := statAt(upper, rel, &st); err != nil {
			return fmt.Errorf("making mount points: %w", err)
		}
		s.inode[rel] = st.Ino
	}
	return nil
}

// remove takes the stubs out of the upper directory, once it is no longer mounted, as far as they
// are still what was made: empty and in their place. lower is the tree of the parents, -1 for none.
// Directories that lie in the upper only because a stub was made in them go, too.
func (s *stubs) remove(upper, lower int, owners, below *ownership.Tree) error {
	for i := len(s.made) - 1; i >= 0; i-- {
		if err := s.removeOne(upper, s.made[i]); err != nil {
			return fmt.Errorf("removing the mount point /%s: %w", s.made[i], err)
		}
	}
	for rel := range s.touch {
		for ; rel != ""; rel = path.Dir(rel) {
			gone, err := s.dropCopy(upper, lower, rel, owners, below)
			if err != nil {
				return fmt.Errorf("tidying /%s: %w", rel, err)
			}
			if !gone || !strings.Contains(rel, "/") {
				break
			}
		}
	}
	return nil
}

func (s *stubs) removeOne(upper int, rel string) error {
	parent, name := split(rel)
	at, err := openBeneath(upper, parent, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil // the command moved or replaced what was above it
	}
	defer unix.Close(at)
	var st, dir unix.Stat_t
	if unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Ino != s.inode[rel] {
		return nil
	}
	if err := unix.Fstat(at, &dir); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
		if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
			return nil
		}
	case unix.S_IFREG:
		if st.Size != 0 {
			return nil
		}
		err = unix.Unlinkat(at, name, 0)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(at, ".", []unix.Timespec{dir.Atim, dir.Mtim}, 0)
}

// dropCopy removes the directory rel from the upper when it is nothing but a copy of the lower's.
func (s *stubs) dropCopy(upper, lower int, rel string, owners, below *ownership.Tree) (bool, error) {
	if lower < 0 {
		return false, nil
	}
	mine, err := openBeneath(upper, rel, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false, nil
	}
	defer unix.Close(mine)
	theirs, err := openBeneath(lower, rel, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false, nil
	}
	defer unix.Close(theirs)
	a, st1, err1 := owners.Lstat(mine, "", rel)
	b, st2, err2 := below.Lstat(theirs, "", rel)
	if err := errors.Join(err1, err2); err != nil {
		return false, err
	}
	if a != b || st1.Mtim != st2.Mtim || isOpaque(mine) {
		return false, nil
	}
	parent, name := split(rel)
	at, err := openBeneath(upper, parent, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false, err
	}
	defer unix.Close(at)
	var dir unix.Stat_t
	if err := unix.Fstat(at, &dir); err != nil {
		return false, err
	}
	err = unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, unix.UtimesNanoAt(at, ".", []unix.Timespec{dir.Atim, dir.Mtim}, 0)
}

func isOpaque(fd int) bool {
	var v [1]byte
	for _, name := range []string{"user.overlay.opaque", "trusted.overlay.opaque"} {
		if n, err := unix.Fgetxattr(fd, name, v[:]); err == nil && n == 1 && v[0] == 'y' {
			return true
		}
	}
	return false
}
