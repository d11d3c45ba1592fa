package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// ownDev reports whether /dev is to be filled: nobody has bound another one there.
func (r *Root) ownDev() bool {
	for _, m := range r.config.Mounts {
		if m.Device == "bind" && path.Clean(m.Destination) == "/dev" {
			return false
		}
	}
	return true
}

// devices fills /dev. A user namespace may make no device nodes, and elsewhere the mounts bring them:
// so they are the host's, bound.
func (r *Root) devices() error {
	for _, d := range r.config.Devices {
		if d.Path == "" || path.Clean(d.Path) == "/dev/ptmx" {
			continue
		}
		if err := r.device(d.Path); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
	}
	links := [][2]string{
		{"pts/ptmx", "/dev/ptmx"}, {"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
	}
	if _, err := os.Stat("/proc/kcore"); err == nil {
		links = append(links, [2]string{"/proc/kcore", "/dev/core"})
	}
	dev, err := r.mkdirAll("/dev", 0o755)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	if err := unix.Unlinkat(dev, "ptmx", 0); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "unlink", Path: "/dev/ptmx", Err: err}
	}
	for _, l := range links {
		if err := unix.Symlinkat(l[0], dev, path.Base(l[1])); err != nil && err != unix.EEXIST {
			return &fs.PathError{Op: "symlink", Path: l[1], Err: err}
		}
	}
	return nil
}

func (r *Root) device(p string) error {
	parent, err := r.mkdirAll(path.Dir(p), 0o755)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	target, err := unix.Openat(parent, path.Base(p), unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	fd, err := unix.OpenTree(unix.AT_FDCWD, p, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return attach(fd, target, nil)
}

// Null opens the container's /dev/null.
func (r *Root) Null() (*os.File, error) { return Null(r.self, r.fd) }

// Null is Root.Null for the root directory dir: never anything but the null device. self is an open
// /proc/self/fd.
func Null(self, dir int) (*os.File, error) {
	fd, err := tree.OpenIn(dir, "dev/null", unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	defer unix.Close(fd)
	if !isNull(fd) {
		return nil, errors.New("container's /dev/null is invalid")
	}
	return Reopen(self, fd, unix.O_RDWR)
}

func isNull(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// Reopen opens what fd leads to anew. self is an open /proc/self/fd.
func Reopen(self, fd, flags int) (*os.File, error) {
	got, err := unix.Openat(self, strconv.Itoa(fd), flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "reopen", Path: strconv.Itoa(fd), Err: err}
	}
	return os.NewFile(uintptr(got), "reopened"), nil
}

// Terminal makes a pseudo-terminal in the container's devpts and gives both its sides.
func (r *Root) Terminal(width, height uint16) (master, slave *os.File, err error) {
	return Terminal(r.self, r.fd, width, height)
}

// Terminal is Root.Terminal for the devpts below the directory dir. self is an open /proc/self/fd.
func Terminal(self, dir int, width, height uint16) (master, slave *os.File, err error) {
	fd, err := unix.Openat2(dir, "dev/pts/ptmx", &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: "/dev/pts/ptmx", Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var kind unix.Statfs_t
	if err := errors.Join(unix.Fstat(fd, &st), unix.Fstatfs(fd, &kind)); err != nil {
		return nil, nil, err
	}
	if kind.Type != unix.DEVPTS_SUPER_MAGIC || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) {
		return nil, nil, errors.New("the container's /dev/pts/ptmx is none")
	}
	// Not blocking, so that closing the master ends a read of it.
	ptm, err := unix.Openat(self, strconv.Itoa(fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a terminal: %w", err)
	}
	err = unix.IoctlSetPointerInt(ptm, unix.TIOCSPTLCK, 0)
	if err == nil && width != 0 && height != 0 {
		err = unix.IoctlSetWinsize(ptm, unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height})
	}
	if err == nil {
		// ioctl_tty(2): the argument is the flags of open(2).
		peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ptm), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno == 0 {
			return os.NewFile(uintptr(ptm), "terminal"), os.NewFile(peer, "terminal"), nil
		}
		err = errno
	}
	unix.Close(ptm)
	return nil, nil, fmt.Errorf("making a terminal: %w", err)
}

// Console shows the payload's terminal as /dev/console.
func (r *Root) Console(slave *os.File) error {
	parent, err := r.mkdirAll("/dev", 0o755)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	target, err := unix.Openat(parent, "console", unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/dev/console", Err: err}
	}
	defer unix.Close(target)
	fd, err := unix.OpenTree(int(slave.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("showing the terminal: %w", err)
	}
	defer unix.Close(fd)
	return attach(fd, target, nil)
}

// sysctls writes the settings of the container's namespaces, those of this thread.
func (r *Root) sysctls() error {
	for key, value := range r.config.Sysctl {
		name := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
		fd, err := unix.Openat2(r.fd, name, &unix.OpenHow{
			Flags: unix.O_WRONLY | unix.O_TRUNC | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
		})
		if err == unix.ENOENT {
			return fmt.Errorf("sysctl '%s': this kernel has none of that name", key)
		}
		if err != nil {
			return fmt.Errorf("open sysctl %s file: %w", key, err)
		}
		var kind unix.Statfs_t
		if err := unix.Fstatfs(fd, &kind); err != nil || kind.Type != unix.PROC_SUPER_MAGIC {
			unix.Close(fd)
			return fmt.Errorf("open sysctl %s file: /proc is not the kernel's", key)
		}
		_, err = unix.Write(fd, []byte(value))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("failed to write sysctl %s = %q: %w", key, value, err)
		}
	}
	return nil
}

// makeCwd makes the working directory where it is missing.
func (r *Root) makeCwd(cwd string) error {
	if cwd == "" {
		return nil
	}
	fd, err := r.open(cwd, unix.O_PATH)
	if errors.Is(err, fs.ErrNotExist) {
		fd, err = r.mkdirAll(cwd, 0o755)
	}
	if err != nil {
		// One that may not be looked into may still be entered by the payload's user.
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return fmt.Errorf("making the working directory: %w", err)
	}
	unix.Close(fd)
	return nil
}
