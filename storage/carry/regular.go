package carry

import (
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// regular makes a file without a name, fills it and gives it its name when it is whole. Where the
// filesystem can not do that it is made in its place.
func (w *writing) regular(f target, there bool) error {
	if !w.plain {
		fd, err := unix.Openat(f.at, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		switch err {
		case nil:
			defer unix.Close(fd)
			if err := w.fill(fd, f); err != nil {
				return err
			}
			return w.publish(fd, f, there)
		case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL, unix.ENOENT:
			w.plain = true
		default:
			return err
		}
	}
	if err := w.room(f, there); err != nil {
		return err
	}
	fd, err := unix.Openat(f.at, f.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return w.fill(fd, f)
}

// publish gives the nameless file its name; somebody may make another file there meanwhile.
func (w *writing) publish(fd int, f target, there bool) error {
	for try := 0; ; try++ {
		if err := w.room(f, there); err != nil {
			return err
		}
		err := unix.Linkat(unix.AT_FDCWD, procFD(fd), f.at, f.name, unix.AT_SYMLINK_FOLLOW)
		if err != unix.EEXIST || try == 10 {
			return err
		}
		there = true
	}
}

// fill gives an empty file content, owner, mode, xattrs and times.
func (w *writing) fill(fd int, f target) error {
	var err error
	if f.File != nil {
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
