package carry

import (
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// regular makes a file without a name, or where the filesystem knows no such files one that has another
// name, fills it and gives it its own when it is whole.
func (w *writing) regular(f target, there bool) error {
	if !w.plain {
		fd, err := unix.Openat(f.at, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		switch err {
		case nil:
			defer unix.Close(fd)
			if err := w.fill(fd, f); err != nil {
				return err
			}
			return w.replacing(f, there, func(name, _ string) error {
				return unix.Linkat(unix.AT_FDCWD, procFD(fd), f.at, name, unix.AT_SYMLINK_FOLLOW)
			})
		case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL, unix.ENOENT:
			w.plain = true
		default:
			return err
		}
	}
	// Under another name, which it changes for its own when it is whole.
	return w.exchanged(f, func(name, _ string) error {
		fd, err := unix.Openat(f.at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return w.fill(fd, f)
	})
}

// fill gives an empty file content, owner, mode, xattrs and times.
func (w *writing) fill(fd int, f target) error {
	var err error
	filled := false
	if w.p.Content != nil {
		filled, err = w.p.Content(fd, f.Item)
	}
	if filled || err != nil {
		// nothing to copy
	} else if f.File != nil {
		var st unix.Stat_t
		if err = unix.Fstat(int(f.File.Fd()), &st); err == nil {
			err = w.content.Copy(fd, int(f.File.Fd()), &st)
		}
		f.Size = st.Size
	} else {
		err = w.body(fd, f.Item)
	}
	if err != nil {
		return err
	}
	w.carried(padded(f.Size) - f.Size)
	if err := w.own(fd, path.Join(w.p.Path, f.rel), f.Attr); err != nil {
		return err
	}
	if err := w.xattrs(fd, f.Item); err != nil { // after the owner: chown(2) drops capabilities
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, procFD(fd), []unix.Timespec{f.Time, f.Time}, 0)
}

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
