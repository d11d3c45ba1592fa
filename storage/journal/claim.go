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
func ClaimDir(parent, prefix string) (*Claim, error) {
	return claimNew(parent, prefix, func(path string) (*os.File, error) {
		if err := os.Mkdir(path, 0o700); err != nil {
			return nil, err
		}
		return openClaim(path)
	})
}

// ClaimFile is ClaimDir for a file of mode 0600.
func ClaimFile(parent, prefix string) (*Claim, error) {
	return claimNew(parent, prefix, func(path string) (*os.File, error) {
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
	})
}

func claimNew(parent, prefix string, create func(path string) (*os.File, error)) (*Claim, error) {
	for try := 0; ; try++ {
		path := filepath.Join(parent, prefix+strings.ToLower(rand.Text()[:10]))
		f, err := create(path)
		if err == nil {
			// Between making and locking it, another process may take it for left over.
			if claimed(f, path) {
				return &Claim{Path: path, file: f}, nil
			}
			f.Close()
		} else if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) || try > 100 {
			return nil, err
		} else if _, perr := os.Lstat(parent); perr != nil {
			return nil, err
		}
	}
}

// ClaimNamed claims a directory that is there, while it is renamed and removed; nil when another
// process does that.
func ClaimNamed(path string) (*Claim, error) {
	f, err := openClaim(path)
	if err != nil {
		return nil, err
	}
	if !claimed(f, path) {
		f.Close()
		return nil, nil
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
func (c *Claim) Place(to string) error {
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

// claimed locks f without waiting, and tells whether it has the lock and path is still its name.
func claimed(f *os.File, path string) bool {
	var held, named unix.Stat_t
	return flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && unix.Fstat(int(f.Fd()), &held) == nil &&
		unix.Lstat(path, &named) == nil && held.Ino == named.Ino && held.Dev == named.Dev
}

// Beside claims a new file beside path, to be written and moved there: in a directory of somebody's
// own, where nothing but what an earlier Beside left is cleared away.
func Beside(path string) (*Claim, error) {
	dir, prefix := filepath.Dir(path), besidePrefix(path)
	if err := ClearUnclaimed(dir, prefix); err != nil {
		return nil, err
	}
	return ClaimFile(dir, prefix)
}

// BesideDir is Beside for a directory.
func BesideDir(path string) (*Claim, error) {
	dir, prefix := filepath.Dir(path), besidePrefix(path)
	if err := ClearUnclaimed(dir, prefix); err != nil {
		return nil, err
	}
	return ClaimDir(dir, prefix)
}

func besidePrefix(path string) string { return "." + filepath.Base(path) + ".dhow-" }
