package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Scratch is a folder for work in progress on the cache's filesystem, so that what was made in it
// can be renamed to its place. It goes with Close; when the process dies before that, the next
// Open removes it.
type Scratch struct {
	Dir  string
	lock *Lock
}

// Scratch makes a new scratch folder, private to the caller.
func (c *Cache) Scratch() (*Scratch, error) {
	for {
		var id [8]byte
		if _, err := rand.Read(id[:]); err != nil {
			return nil, fmt.Errorf("naming a scratch folder: %w", err)
		}
		dir := filepath.Join(c.dir, "tmp", hex.EncodeToString(id[:]))
		lock, err := TryLock(dir+".lock", true)
		if errors.Is(err, os.ErrNotExist) { // see Open
			if err = os.MkdirAll(filepath.Dir(dir), 0o700); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, fmt.Errorf("making a scratch folder: %w", err)
		}
		if lock == nil {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			lock.Remove()
			if errors.Is(err, os.ErrExist) {
				continue
			}
			return nil, fmt.Errorf("making a scratch folder: %w", err)
		}
		return &Scratch{Dir: dir, lock: lock}, nil
	}
}

// Close removes the folder with everything left in it.
func (s *Scratch) Close() error {
	if s == nil || s.lock == nil {
		return nil
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		s.lock.Close() // swept by a later command
		s.lock = nil
		return fmt.Errorf("removing a scratch folder: %w", err)
	}
	err := s.lock.Remove()
	s.lock = nil
	return err
}

// sweep removes the scratch folders whose processes are gone. What can not be removed now is left
// for the next command: a build must not fail because of an old one.
func (c *Cache) sweep() error {
	tmp := filepath.Join(c.dir, "tmp")
	entries, err := os.ReadDir(tmp)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("opening the build cache: %w", err)
	}
	for _, e := range entries {
		id := strings.TrimSuffix(e.Name(), ".lock")
		lock, err := TryLock(filepath.Join(tmp, id+".lock"), true)
		if err != nil || lock == nil {
			continue
		}
		if os.RemoveAll(filepath.Join(tmp, id)) != nil {
			lock.Close()
			continue
		}
		lock.Remove()
	}
	return nil
}
