package working

import (
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/kernel"
)

// oldKernel reports a kernel whose overlay does not know lowerdir+ (before Linux 6.5). It can not be
// found out by trying: such a kernel takes every option and refuses the mount at its end.
var oldKernel = func() bool { return !kernel.AtLeast(6, 5, true) } // a variable for the tests

// mountOld mounts with mount(2), whose options fit into one page: descriptors stand for the
// directories, so that some 250 layers do.
func (w *Work) mountOld() error {
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	short := func(dir string) (string, error) {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", &fs.PathError{Op: "open", Path: dir, Err: err}
		}
		fds = append(fds, fd)
		return "/proc/self/fd/" + strconv.Itoa(fd), nil
	}
	options := "index=off,redirect_dir=nofollow,metacopy=off"
	if Userxattr() {
		options = "index=off,userxattr"
	}
	if !w.ReadOnly {
		for key, dir := range map[string]string{"upperdir": w.Upper(), "workdir": w.WorkDir()} {
			path, err := short(dir)
			if err != nil {
				return err
			}
			options += "," + key + "=" + path
		}
		if w.Volatile {
			options += ",volatile"
		}
	}
	if len(w.Data) > 0 {
		return errNoData
	}
	lowers := append(w.fillers(), w.Lowers...)
	sep := ",lowerdir="
	for i := len(lowers) - 1; i >= 0; i-- {
		path, err := short(lowers[i])
		if err != nil {
			return err
		}
		options += sep + path
		sep = ":"
	}
	flags := uintptr(0)
	if w.ReadOnly {
		flags = unix.MS_RDONLY
	}
	return overlayError(-1, "mounting it", unix.Mount("overlay", w.Merged(), "overlay", flags, options))
}
