package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// regular makes a regular file. Its content, owner, xattrs and times come by way of the conveyor to its
// descriptor: whatever becomes of its name meanwhile, they are this file's.
func (u *unpacking) regular(f file) error {
	// With its mode from the start, most files need no call to change it.
	create := func() (int, error) {
		return unix.Openat(f.at, f.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, f.attr.Mode&0o777)
	}
	fd, err := create()
	if err == unix.EMFILE || err == unix.ENFILE { // those on the way have some
		if err := u.to.drain(); err != nil {
			return err
		}
		fd, err = create()
	}
	if err != nil {
		return err
	}
	f.attr.Mode |= unix.S_IFREG
	s := section{f: f.kept(), fd: fd}
	switch {
	case isSparse(f.hdr):
		err = u.sparse(fd, f.hdr)
	case f.hdr.Size > 0:
		err = u.content(&s, f.hdr)
	}
	if s.last {
		return err
	}
	s.last, s.failed = true, err != nil
	return errors.Join(err, u.put(s, 0))
}

// kept is what finish needs of a file. All strings of a header's records are parts of one, which is as long as
// all of them and lives as long as any.
func (f *file) kept() *file {
	hdr := &tar.Header{Name: strings.Clone(printable(f.hdr.Name)), ModTime: f.hdr.ModTime}
	for key, value := range f.hdr.PAXRecords {
		if name, ok := strings.CutPrefix(key, paxXattrPrefix); ok && portable(name) {
			if hdr.PAXRecords == nil {
				hdr.PAXRecords = map[string]string{}
			}
			hdr.PAXRecords[strings.Clone(key)] = strings.Clone(value)
		}
	}
	rel := strings.Clone(f.rel)
	return &file{hdr: hdr, attr: f.attr, at: -1, name: path.Base(rel), rel: rel}
}

// put hands a section on. A file that has large attributes is the only one on the way.
func (u *unpacking) put(s section, n int) error {
	err := u.to.put(s, n)
	if err == nil && s.last && recordBytes(s.f.hdr) > heavy {
		err = u.to.drain()
	}
	return err
}

// recordBytes is what a header holds that is not bounded by the format.
func recordBytes(hdr *tar.Header) (n int) {
	for k, v := range hdr.PAXRecords {
		n += len(k) + len(v) + recordCost
	}
	return n
}

// recordCost is what a record takes in memory, roughly, besides its bytes.
const recordCost = 64

// section is some content of a file that is open.
type section struct {
	f      *file
	fd     int
	last   bool // nothing follows
	failed bool // nor is this of use
}

// writing does what is left to do to the files that Apply has made. After an error it only closes them.
type writing struct {
	u   *unpacking
	err error
}

func (w *writing) section(s section, content []byte) error {
	if w.err == nil && !s.failed {
		w.err = write(s.fd, content, -1)
		if w.err == nil && s.last {
			w.err = w.u.finish(*s.f, s.fd)
		}
	}
	if s.last {
		if err := unix.Close(s.fd); err != unix.EINTR { // the descriptor is gone, see close(2)
			w.err = errors.Join(w.err, err)
		}
	}
	return unpackError(s.f.hdr, w.err)
}

// content hands on the content of a file, which the splitter leaves out, unless it fails.
func (u *unpacking) content(s *section, hdr *tar.Header) error {
	var sum io.Writer
	if u.o.Split != nil {
		sum = u.o.Split.Content()
	}
	u.src.raw = false
	defer func() { u.src.raw = true }()
	for left := hdr.Size; left > 0; {
		room, err := u.to.room(left)
		if err != nil {
			return err
		}
		n, err := io.ReadFull(u.tr, room)
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if sum != nil {
			_, _ = sum.Write(room) // a checksum: never fails
		}
		left -= int64(n)
		s.last = left == 0
		if err := u.put(*s, n); err != nil {
			return err
		}
	}
	if u.o.Split != nil {
		return u.o.Split.End(hdr.Name, hdr.Size)
	}
	return nil
}

// write writes all of b, at offset or where the file is when that is negative.
func write(fd int, b []byte, offset int64) error {
	for len(b) > 0 {
		var n int
		var err error
		if offset < 0 {
			n, err = unix.Write(fd, b)
		} else {
			n, err = unix.Pwrite(fd, b, offset)
			offset += int64(max(n, 0))
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		b = b[n:]
	}
	return nil
}

// isSparse tells whether a header is of one of the GNU sparse formats; the content the tar reader
// gives is then not what stands in the tar.
func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// sparse copies a sparse file, leaving holes. Its bytes in the tar go to the splitter as they are.
func (u *unpacking) sparse(fd int, hdr *tar.Header) error {
	if hdr.Size > maxSparseBytes {
		return refused("a sparse file of %d bytes", hdr.Size)
	}
	var offset int64
	for {
		n, err := io.ReadFull(u.tr, u.buf)
		if n > 0 && len(bytes.Trim(u.buf[:n], "\x00")) > 0 {
			if werr := write(fd, u.buf[:n], offset); werr != nil {
				return werr
			}
		}
		offset += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if offset != hdr.Size {
		return io.ErrUnexpectedEOF
	}
	return unix.Ftruncate(fd, offset)
}

// finish gives a file that is in place its owner, mode, xattrs and times. open is the descriptor of
// a regular file, else -1.
func (u *unpacking) finish(f file, open int) error {
	if !f.attr.IsDevice() { // Mknod has set it
		var err error
		if open >= 0 {
			err = u.o.Tree.SetOpen(open, f.rel, f.attr)
		} else {
			err = u.o.Tree.Set(f.at, f.name, f.rel, f.attr)
		}
		if err != nil {
			return ownerError(err, f.attr)
		}
	}
	for key, value := range f.hdr.PAXRecords {
		name, ok := strings.CutPrefix(key, paxXattrPrefix)
		if !ok || !portable(name) {
			continue
		}
		data := []byte(value)
		if name == capabilityXattr {
			if open < 0 {
				continue // only regular files can be executed
			}
			data = tree.PortableCapability(data)
		}
		if err := u.setXattr(f, open, name, data); err != nil {
			return err
		}
	}
	if f.attr.Mode&unix.S_IFMT == unix.S_IFDIR {
		// What comes after may change it again: last of all.
		u.dirTimes = append(u.dirTimes, dirTime{strings.Clone(f.rel), f.hdr.ModTime}) // see kept
		return nil
	}
	if open >= 0 {
		ts := timespec(f.hdr.ModTime)
		return unix.UtimesNanoAt(open, "", []unix.Timespec{ts, ts}, unix.AT_EMPTY_PATH)
	}
	return setTime(f.at, f.name, f.hdr.ModTime)
}

// setXattr sets an xattr of a file that is open, or that f names when open is -1.
func (u *unpacking) setXattr(f file, open int, name string, value []byte) error {
	p := "/proc/self/fd/" + strconv.Itoa(f.at) + "/" + f.name
	var err error
	switch {
	case open >= 0:
		err = unix.Fsetxattr(open, name, value, 0)
	case f.name == "":
		err = unix.Setxattr(p+".", name, value, 0)
	default:
		err = unix.Lsetxattr(p, name, value, 0)
	}
	// user.* exists on files and directories only, and not on every filesystem.
	if (err == unix.EPERM || err == unix.ENOTSUP) && strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.") {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "setting xattr " + name, Path: f.rel, Err: err}
	}
	return nil
}

// The range of times every filesystem and both tar formats take; the kernel clamps to what the
// filesystem can hold, but not what overflows 64 bits on the way.
const maxTimeSeconds = 1 << 40

func timespec(t time.Time) unix.Timespec {
	seconds := min(max(t.Unix(), -maxTimeSeconds), maxTimeSeconds)
	return unix.Timespec{Sec: seconds, Nsec: int64(t.Nanosecond())}
}

func setTime(at int, name string, mod time.Time) error {
	ts := timespec(mod)
	return unix.UtimesNanoAt(at, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// setDirTimes sets the times of the directories, deepest last entries first. One that has gone
// meanwhile is no matter.
func (u *unpacking) setDirTimes() error {
	u.root.implied = nil
	for i := len(u.dirTimes) - 1; i >= 0; i-- {
		d := u.dirTimes[i]
		if d.rel == "" {
			ts := timespec(d.mod)
			if err := unix.UtimesNanoAt(u.root.fd, ".", []unix.Timespec{ts, ts}, 0); err != nil {
				return &os.PathError{Op: "setting time", Path: "/", Err: err}
			}
			continue
		}
		at, err := u.root.parent(d.rel)
		if err == nil {
			err = setTime(at, baseName(d.rel), d.mod)
		}
		if err != nil && !os.IsNotExist(err) {
			return &os.PathError{Op: "setting time", Path: d.rel, Err: err}
		}
	}
	return nil
}

func baseName(rel string) string { return rel[strings.LastIndexByte(rel, '/')+1:] }
