package carry

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// errItself are GNU cp's words.
func errItself(from, to string) error {
	return fmt.Errorf("cannot copy a directory, %q, into itself, %q", from, to)
}

// way are the directories written to from the top to the present one. A directory of the source that is
// one of them would be copied into itself without end. It is found by device and inode: a mount shows one
// directory at several paths, in the container and on the host.
type way []step

type step struct {
	rel string // of the source's directory
	to  inode
}

// descend tells that the source's directory i is now copied to the directory to. Sources that are no tree
// have no directories and no inodes.
func (w *writing) descend(i *Item, to inode) error {
	if i.dir == (inode{}) {
		return nil
	}
	for len(w.way) > 0 && !below(i.Rel, w.way[len(w.way)-1].rel) {
		w.way = w.way[:len(w.way)-1]
	}
	w.way = append(w.way, step{i.Rel, to})
	for _, s := range w.way {
		if s.to == i.dir {
			return errItself(path.Join(w.from, i.Rel), w.shown(path.Join(w.p.Name, s.rel)))
		}
	}
	return nil
}

func below(rel, dir string) bool { return dir == "" || strings.HasPrefix(rel, dir+"/") }

// apart refuses a copy of a directory to a place below it, before anything is written.
func apart(p Place, t Tree) error {
	var st unix.Stat_t
	if err := unix.Fstatat(t.Dir, t.Name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil // the walk tells of it
	}
	from := inode{st.Dev, st.Ino}
	for _, dir := range []int{p.Dir, p.Home} {
		if dir > 0 && above(dir, from) {
			return errItself(t.At, path.Join("/", p.Path, p.Name))
		}
	}
	return nil
}

// above tells whether dir or a directory it lies in is the wanted one.
func above(dir int, wanted inode) bool {
	fd, err := unix.Openat(dir, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	var last unix.Statx_t
	for err == nil {
		var now unix.Statx_t
		if err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_MNT_ID, &now); err != nil {
			break
		}
		if (inode{unix.Mkdev(now.Dev_major, now.Dev_minor), now.Ino}) == wanted {
			unix.Close(fd)
			return true
		}
		if now.Ino == last.Ino && now.Mnt_id == last.Mnt_id {
			break // the root directory
		}
		last = now
		var up int
		up, err = unix.Openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		fd = up
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	return false
}
