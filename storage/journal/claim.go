package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Claim is a temporary directory or file that carries a lock of its maker. However that ends, the lock
// is gone then, and ClearUnclaimed takes the rest away.
type Claim struct {
	Path string
	file *os.File
}

// File is the claimed file, open for writing; or the directory.
func (c *Claim) File() *os.File { return c.file }

// Keep ends the claim and leaves what was claimed, which has another name by now.
func (c *Claim) Keep() error {
	if c == nil || c.file == nil {
		return nil
	}
	err := c.file.Close()
	c.file = nil
	return err
}

// Close removes what was claimed; nothing after Keep.
func (c *Claim) Close() error {
	if c == nil || c.file == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(c.Path), c.Keep())
}

// ClaimDir makes a directory of mode 0700 whose name is prefix and something random.
func ClaimDir(parent, prefix string) (*Claim, error) { return claimNew(parent, prefix, createDir) }

// ClaimFile is ClaimDir for a file of mode 0600.
func ClaimFile(parent, prefix string) (*Claim, error) { return claimNew(parent, prefix, createFile) }

func createDir(path string) (*os.File, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	return openClaim(path)
}

func createFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
}

// maxClaimTries bounds how often another process that clears away may be faster.
const maxClaimTries = 100

// errNoLocks is the cause where the filesystem has no locks (NFS without its lock service).
var errNoLocks = errors.New("can not be locked")

func claimNew(parent, prefix string, create func(path string) (*os.File, error)) (*Claim, error) {
	for try := 0; ; try++ {
		path := newClaimPath(parent, prefix)
		f, err := create(path)
		if err == nil {
			// Between making and locking it, another process may take it for left over.
			ours, err := claimed(f, path)
			if ours {
				return &Claim{Path: path, file: f}, nil
			}
			f.Close()
			_ = os.RemoveAll(path)
			if err != nil {
				return nil, err
			}
			if try >= maxClaimTries {
				return nil, fmt.Errorf("making a temporary name in %s: other processes take each away", parent)
			}
		} else if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) || try >= maxClaimTries {
			return nil, err
		} else if _, perr := os.Lstat(parent); perr != nil {
			return nil, err
		}
	}
}

func newClaimPath(parent, prefix string) string {
	return filepath.Join(parent, prefix+strings.ToLower(rand.Text()[:10]))
}

// ClaimNamed claims a directory that is there, while it is renamed and removed; nil when another
// process does that.
func ClaimNamed(path string) (*Claim, error) {
	f, err := openClaim(path)
	if err != nil {
		return nil, err
	}
	if ours, err := claimed(f, path); !ours {
		f.Close()
		return nil, err
	}
	return &Claim{Path: path, file: f}, nil
}

// Move renames what is claimed.
func (c *Claim) Move(to string) error {
	if err := os.Rename(c.Path, to); err != nil {
		return err
	}
	c.Path = to
	return nil
}

// Place renames what is claimed to where it belongs and ends the claim; after a failure it is for Close.
// Some filesystems tell at close(2) only that there is no room (NFS), so that comes before the rename.
func (c *Claim) Place(to string) error {
	copied, err := unix.FcntlInt(c.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = closeCopy(copied)
	}
	if err != nil {
		return &fs.PathError{Op: "close", Path: c.Path, Err: err}
	}
	if err := c.Move(to); err != nil {
		return err
	}
	return c.Keep()
}

// ClearUnclaimed removes what lies in dir under one of the prefixes and nobody claims.
func ClearUnclaimed(dir string, prefixes ...string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clearing away what a killed command left: %w", err)
	}
	var errs []error
	for _, e := range entries {
		for _, p := range prefixes {
			if !strings.HasPrefix(e.Name(), p) || !e.IsDir() && !e.Type().IsRegular() {
				continue
			}
			c, err := ClaimNamed(filepath.Join(dir, e.Name()))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err == nil {
				err = c.Close()
			}
			errs = append(errs, err)
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clearing away what a killed command left: %w", err)
	}
	return nil
}

func openClaim(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// lockClaim and closeCopy are variables for the tests: they have no filesystem without locks, nor one
// that fails so late.
var (
	lockClaim = flock
	closeCopy = unix.Close
)

// claimed locks f without waiting, and tells whether it has the lock and path is still its name. The
// error is errNoLocks.
func claimed(f *os.File, path string) (bool, error) {
	if err := lockClaim(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return false, nil
	} else if err != nil {
		return false, &fs.PathError{Op: "lock", Path: path, Err: fmt.Errorf("%w: %w", errNoLocks, err)}
	}
	var held, named unix.Stat_t
	return unix.Fstat(int(f.Fd()), &held) == nil && unix.Lstat(path, &named) == nil && held.Ino == named.Ino && held.Dev == named.Dev, nil
}

// Beside claims a new file beside path, to be written and moved there: in a directory of somebody's
// own, where nothing but what an earlier Beside left is cleared away, if it can be. Where there are no
// locks it goes without: nobody clears away there either.
func Beside(path string) (*Claim, error) { return beside(path, createFile) }

// BesideDir is Beside for a directory.
func BesideDir(path string) (*Claim, error) { return beside(path, createDir) }

func beside(path string, create func(path string) (*os.File, error)) (*Claim, error) {
	dir, prefix := filepath.Dir(path), besidePrefix(path)
	// In /tmp they may be anybody's, and the directory need not be readable.
	_ = ClearUnclaimed(dir, prefix)
	claim, err := claimNew(dir, prefix, create)
	if errors.Is(err, errNoLocks) {
		bare := newClaimPath(dir, prefix)
		f, err := create(bare)
		if err != nil {
			return nil, err
		}
		return &Claim{Path: bare, file: f}, nil
	}
	return claim, err
}

func besidePrefix(path string) string { return "." + filepath.Base(path) + ".dhow-" }
