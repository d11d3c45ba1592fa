// Package given reads the files that people and their machines' owners name: variables, accounts,
// settings. What lies there may be anything – a pipe nobody writes to, a device without end, a huge file –
// and a command that was told to read it must end all the same, in bounded memory, and say why.
//
// What belongs to a build's context is the affair of build/source, what belongs to a container's
// filesystem that of storage/tree.
package given

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a named pipe may stay silent. Tests shorten it.
var patience = 5 * time.Second

// Read gives the content of the file name, which may be a pipe, as of a shell's <(…); more than limit bytes
// are an error. The errors say which file it is.
func Read(name string, limit int64) ([]byte, error) {
	f, named, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if named {
		r = waiting{f}
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = tooLarge(name, limit)
	}
	return data, err
}

// Open opens a file that is too large to be read as a whole, an archive. A pipe must have a writer by then,
// who may take as long as it likes. The caller closes it.
func Open(name string) (*os.File, error) {
	f, _, err := open(name)
	return f, err
}

// open opens a file, and tells whether it is a pipe with a name. Such a one has been written to.
func open(name string) (f *os.File, named bool, err error) {
	// Without O_NONBLOCK the opening of a pipe waits for somebody who writes to it.
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, false, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	named, err = namedPipe(fd)
	if err == nil && !named {
		err = unix.SetNonblock(fd, false)
	}
	if err == nil && named {
		err = written(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, false, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), named, nil
}

func tooLarge(name string, limit int64) error {
	return fmt.Errorf("%s is larger than %d bytes", name, limit)
}

// namedPipe tells whether fd is a pipe with a name. The others have somebody at their other end, or an end.
func namedPipe(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false, nil
	}
	var at unix.Statfs_t
	err := unix.Fstatfs(fd, &at)
	return at.Type != unix.PIPEFS_MAGIC, err
}

// silent is a pipe with a name that says nothing.
type silent struct{}

func (silent) Error() string { return fmt.Sprintf("nobody has written to this pipe for %v", patience) }

// written waits until something has been written to the pipe fd, or its writer has gone.
func written(fd int) error {
	for until := time.Now().Add(patience); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(0, time.Until(until)).Milliseconds())) //nolint:gosec // a descriptor
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return silent{}
		}
		return nil
	}
}

// waiting reads from a pipe that may fall silent.
type waiting struct{ f *os.File }

func (w waiting) Read(b []byte) (int, error) {
	if err := w.f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	n, err := w.f.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &fs.PathError{Op: "read", Path: w.f.Name(), Err: silent{}}
	}
	return n, err
}

// Check says what is wrong with a file that a library is about to read as a whole: it is neither a file nor
// /dev/null, or larger than limit bytes. What is not there, or can not be looked at, is left to the library.
func Check(name string, limit int64) error {
	st, err := os.Stat(name)
	if err != nil {
		return nil //nolint:nilerr // the library's to tell
	}
	switch {
	case st.Mode().IsRegular() && st.Size() > limit:
		return tooLarge(name, limit)
	case st.Mode().IsRegular() || isNull(st):
		return nil
	case st.IsDir():
		return fmt.Errorf("%s is a directory, not a file", name)
	}
	return fmt.Errorf("%s is not a file", name)
}

// isNull recognises /dev/null, which stands for an empty file.
func isNull(st fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(st, null)
}
