// Package working is a writable layer in use: an overlay of read-only layers with an upper
// directory, mounted where the container or the build step sees it.
//
// It takes directories and gives a mount point; which layers those are, and what becomes of the
// upper directory, is the matter of whoever mounts. Mounting writes two directories and flushes
// nothing.
package working

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"go.podman.io/storage/pkg/unshare"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// Work is one overlay. Under Dir lie upper (what was written), work (the kernel's) and merged (the
// mount point).
type Work struct {
	Lowers []string // base first; may be empty (a container from scratch)
	// Data are directories that are not seen, base first: the files of Lowers[0] may have their content
	// there, see Refer.
	Data []string
	Dir  string // private to this Work, on a filesystem that can be an overlay's upper
	// Volatile leaves out the kernel's syncs: for work that is thrown away after a crash. The
	// kernel refuses to mount such an upper again until Mount has removed its mark.
	Volatile bool
	// ReadOnly mounts without an upper directory.
	ReadOnly bool
}

// Userxattr reports whether overlay's own xattrs are user.overlay.* here: exactly when the storage
// library thinks so, because the layers are shared with it. With the wrong prefix deleted files
// reappear.
func Userxattr() bool { return unshare.IsRootless() }

// Upper is the directory that receives what is written.
func (w *Work) Upper() string { return filepath.Join(w.Dir, "upper") }

// WorkDir is the directory the kernel needs beside it.
func (w *Work) WorkDir() string { return filepath.Join(w.Dir, "work") }

// Merged is the mount point.
func (w *Work) Merged() string { return filepath.Join(w.Dir, "merged") }

// mostLayers is overlay's OVL_MAX_STACK.
const mostLayers = 500

// Mount makes the directories and mounts the overlay at Merged. The root of a new upper directory
// gets owner and mode of the topmost layer's. The mount lives in this process's mount namespace.
func (w *Work) Mount() error {
	if n := len(w.Lowers) + len(w.Data); n > mostLayers {
		return fmt.Errorf("mounting %s: it has %d layers, and the kernel puts no more than %d over each other", w.Merged(), n, mostLayers)
	}
	if err := w.prepare(); err != nil {
		return fmt.Errorf("mounting %s: %w", w.Merged(), err)
	}
	if err := w.mount(); err != nil {
		return fmt.Errorf("mounting %s over %d layers: %w", w.Merged(), len(w.Lowers), err)
	}
	return nil
}

func (w *Work) prepare() error {
	if err := os.MkdirAll(w.Merged(), 0o700); err != nil {
		return err
	}
	for _, dir := range w.fillers() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if w.ReadOnly {
		return nil
	}
	if err := os.Mkdir(w.WorkDir(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A crash of a volatile mount leaves this mark (overlayfs.rst, "Volatile mount"). Who mounts
	// again knows that the content may be incomplete.
	if err := os.RemoveAll(filepath.Join(w.WorkDir(), "work", "incompat", "volatile")); err != nil {
		return err
	}
	err := os.Mkdir(w.Upper(), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(w.Lowers) == 0 {
		return os.Chmod(w.Upper(), 0o755)
	}
	return copyRoot(w.Lowers[len(w.Lowers)-1], w.Upper())
}

// fillers are empty directories for the lowers overlay wants at least: one, and two when there is no
// upper. Those that are not seen count.
func (w *Work) fillers() []string {
	want := 1
	if w.ReadOnly {
		want = 2
	}
	var dirs []string
	for i := len(w.Lowers) + len(w.Data); i < want; i++ {
		dirs = append(dirs, filepath.Join(w.Dir, "empty"+strconv.Itoa(i)))
	}
	return dirs
}

// copyRoot gives dst what the overlay shows of its root directory: owner, mode, the recorded owner,
// and the times.
func copyRoot(src, dst string) error {
	var st unix.Stat_t
	if err := unix.Stat(src, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: src, Err: err}
	}
	if err := unix.Chown(dst, int(st.Uid), int(st.Gid)); err != nil {
		return &fs.PathError{Op: "chown", Path: dst, Err: err}
	}
	if err := unix.Chmod(dst, st.Mode&0o7777); err != nil {
		return &fs.PathError{Op: "chmod", Path: dst, Err: err}
	}
	value := make([]byte, 256)
	n, err := unix.Getxattr(src, ownership.XattrName, value)
	if err == nil {
		err = unix.Setxattr(dst, ownership.XattrName, value[:n], 0)
	}
	if err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
		return &fs.PathError{Op: "copying " + ownership.XattrName, Path: dst, Err: err}
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, dst, []unix.Timespec{st.Atim, st.Mtim}, 0)
}

func (w *Work) mount() error {
	if oldKernel() {
		return w.mountOld()
	}
	fsfd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("opening the overlay filesystem: %w", err)
	}
	defer unix.Close(fsfd)
	var long []int // descriptors that stand for paths too long for fsconfig(2)
	defer func() {
		for _, fd := range long {
			unix.Close(fd)
		}
	}()
	set := func(key, value string) error {
		if len(value) >= maxFsconfigString {
			fd, err := unix.Open(value, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return &fs.PathError{Op: "open", Path: value, Err: err}
			}
			long = append(long, fd)
			value = "/proc/self/fd/" + strconv.Itoa(fd)
		}
		if err := unix.FsconfigSetString(fsfd, key, value); err != nil {
			return overlayError(fsfd, key+"="+value, err)
		}
		return nil
	}
	flag := func(key string) error {
		if err := unix.FsconfigSetFlag(fsfd, key); err != nil {
			return overlayError(fsfd, key, err)
		}
		return nil
	}
	if err := set("source", "overlay"); err != nil {
		return err
	}
	if err := w.setLowers(append(w.fillers(), w.Lowers...), set); err != nil {
		return err
	}
	for _, dir := range slices.Backward(w.Data) {
		if err := set("datadir+", dir); err != nil {
			return err
		}
	}
	if !w.ReadOnly {
		if err := set("upperdir", w.Upper()); err != nil {
			return err
		}
		if err := set("workdir", w.WorkDir()); err != nil {
			return err
		}
		if w.Volatile {
			if err := flag("volatile"); err != nil {
				return err
			}
		}
	}
	// The kernel's build may turn these on; the upper directory must mean the same to everyone who
	// reads it as a layer, and new directories must not be marked opaque "as an optimisation"
	// (fs/overlayfs, ovl_allow_offline_changes). userxattr turns redirects and metacopy off itself.
	if err := set("index", "off"); err != nil {
		return err
	}
	if Userxattr() {
		if err := flag("userxattr"); err != nil {
			return err
		}
	} else {
		for _, kv := range [][2]string{{"redirect_dir", "nofollow"}, {"metacopy", "off"}} {
			if err := set(kv[0], kv[1]); err != nil {
				return err
			}
		}
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return overlayError(fsfd, "creating it", err)
	}
	attrs := 0
	if w.ReadOnly {
		attrs = unix.MOUNT_ATTR_RDONLY
	}
	mnt, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return overlayError(fsfd, "mounting it", err)
	}
	defer unix.Close(mnt)
	if err := unix.MoveMount(mnt, "", unix.AT_FDCWD, w.Merged(), unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attaching it: %w", err)
	}
	return nil
}

// setLowers passes the layers, topmost first.
func (w *Work) setLowers(lowers []string, set func(key, value string) error) error {
	for i := len(lowers) - 1; i >= 0; i-- {
		if err := set("lowerdir+", lowers[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxFsconfigString is the kernel's limit of a string parameter, with its NUL.
const maxFsconfigString = 256

// overlayError adds what the kernel's log of the filesystem context says.
func overlayError(fsfd int, what string, err error) error {
	if err == nil {
		return nil
	}
	buf := make([]byte, 512)
	if n, rerr := unix.Read(fsfd, buf); rerr == nil && n > 2 {
		return fmt.Errorf("overlay, %s: %w (%s)", what, err, trimLog(buf[:n]))
	}
	if err == unix.EINVAL {
		return fmt.Errorf("overlay, %s: %w (does the filesystem of the store allow overlay? another overlay does not)", what, err)
	}
	return fmt.Errorf("overlay, %s: %w", what, err)
}

// trimLog drops the level ("e ") and the newline of a message of fsopen(2)'s log.
func trimLog(line []byte) string {
	s := string(line)
	if len(s) > 2 && s[1] == ' ' {
		s = s[2:]
	}
	for len(s) > 0 && s[len(s)-1] == '\n' {
		s = s[:len(s)-1]
	}
	return s
}

// Unmount ends the mount; what was written stays in Upper. A busy mount is detached: it ends with
// its last user.
func (w *Work) Unmount() error {
	err := unix.Unmount(w.Merged(), unix.UMOUNT_NOFOLLOW)
	if err == unix.EBUSY {
		err = unix.Unmount(w.Merged(), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	if err != nil && err != unix.EINVAL && err != unix.ENOENT { // EINVAL: not mounted
		return &fs.PathError{Op: "unmount", Path: w.Merged(), Err: err}
	}
	return nil
}
