package event

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Journal is the events of the store at Dir (paths.Store).
type Journal struct{ Dir string }

// maxBytes is the size at which the journal's file is moved away; one such file is kept beside it.
const maxBytes = 1 << 20

// path is the file, with the number of its format.
func (j Journal) path() string { return filepath.Join(j.Dir, "events", "journal.v1") }

// Add appends events, in one write. It returns nothing: what can not be noted is forgotten.
//
// Writers exclude each other only from the moment in which the file is moved away, so none waits for
// another: a write with O_APPEND is whole and in nobody's way (write(2)).
func (j Journal) Add(events ...Event) {
	var lines []byte
	for _, e := range events {
		lines = append(lines, e.line()...)
	}
	if j.Dir == "" || len(lines) == 0 {
		return
	}
	fd, size, err := j.open()
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if size > 0 {
		// A disk that was full may have cut the last line short.
		var last [1]byte
		if n, err := unix.Pread(fd, last[:], size-1); n == 1 && err == nil && last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
	}
	_, _ = unix.Write(fd, lines)
	if size+int64(len(lines)) > maxBytes {
		j.rotate(fd)
	}
}

// open gives the journal's file, locked against being moved away unless that takes too long, and its
// size.
func (j Journal) open() (fd int, size int64, err error) {
	for try := 0; ; try++ {
		fd, err = unix.Open(j.path(), unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err == unix.EINTR || err == unix.ENOENT && try == 0 {
			if err == unix.ENOENT {
				_ = os.Mkdir(filepath.Dir(j.path()), 0o700)
			}
			continue
		}
		if err != nil {
			return -1, 0, err
		}
		locked := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) == nil
		var opened, named unix.Stat_t
		err = unix.Fstat(fd, &opened)
		if err == nil && opened.Mode&unix.S_IFMT != unix.S_IFREG {
			err = errors.New("not a file")
		}
		if err != nil {
			unix.Close(fd)
			return -1, 0, err
		}
		if try > 10 || locked && unix.Stat(j.path(), &named) == nil && opened.Ino == named.Ino {
			return fd, opened.Size, nil
		}
		unix.Close(fd)
		time.Sleep(time.Millisecond)
	}
}

// rotate moves the file away, unless somebody is just writing to it: the next one does it then.
func (j Journal) rotate(fd int) {
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	var opened, named unix.Stat_t
	if unix.Fstat(fd, &opened) == nil && unix.Stat(j.path(), &named) == nil && opened.Ino == named.Ino {
		_ = os.Rename(j.path(), j.path()+".1")
	}
}
