package journal

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Lock is a held lock file. The lock belongs to its open file description: two Locks of one process
// exclude each other like those of two processes, and children do not inherit it.
type Lock struct {
	file  *os.File
	ended func() // or nil: to be told of Unlock
}

// File gives the locked file, for content that belongs to the holder. It is closed by Unlock.
func (l *Lock) File() *os.File { return l.file }

// Unlock ends the lock. The file stays.
func (l *Lock) Unlock() error {
	if l == nil || l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if l.ended != nil {
		l.ended()
	}
	return err
}

// TakeLock waits for the lock at path, creating the file; shared locks do not exclude each other.
// The lock ends with the process at the latest.
func TakeLock(path string, exclusive bool) (*Lock, error) {
	return take(path, exclusive, 0)
}

// TryLock is TakeLock without waiting: nil, nil when somebody holds it.
func TryLock(path string, exclusive bool) (*Lock, error) {
	return take(path, exclusive, unix.LOCK_NB)
}

// TakeOpened waits for the exclusive lock of the file that is at path now, creating it. The file is
// locked even when its holder has removed its name meanwhile: what it holds is what the caller wants.
func TakeOpened(path string) (*Lock, error) {
	fd, err := openLock(path)
	if err != nil {
		return nil, err
	}
	if err := flock(fd, unix.LOCK_EX); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Lock{file: os.NewFile(uintptr(fd), path)}, nil
}

func openLock(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return -1, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return fd, nil
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}

func take(path string, exclusive bool, flags int) (*Lock, error) {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	for {
		fd, err := openLock(path)
		if err != nil {
			return nil, err
		}
		err = flock(fd, how|flags)
		if err == unix.EWOULDBLOCK {
			unix.Close(fd)
			return nil, nil
		}
		if err != nil {
			unix.Close(fd)
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		// While we waited, the holder may have removed the file: then this lock guards nothing.
		var held, named unix.Stat_t
		if unix.Fstat(fd, &held) == nil && unix.Stat(path, &named) == nil && held.Ino == named.Ino && held.Dev == named.Dev {
			return &Lock{file: os.NewFile(uintptr(fd), path)}, nil
		}
		unix.Close(fd)
	}
}
