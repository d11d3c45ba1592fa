package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/storage/journal"
)

// Remove takes the container out of the book with all its files, and gives the lock back. Nothing may
// be mounted in its directory. Cut short, it is completed by the next List.
func (e *Entry) Remove() error {
	err := e.book.erase(e.ID, e.Name)
	if err == nil && e.Name != "" && !e.Silent {
		e.book.Tell(e.Container, "destroy")
	}
	return errors.Join(err, e.lock.Unlock())
}

// gone is the prefix of directories that are being removed.
const gone = ".gone-"

func (b Book) erase(id, name string) error {
	if s, err := read[State](filepath.Join(b.Dir, id, "state.json")); err == nil { // of a monitor that was killed
		if s.Cgroup != "" {
			_ = cgroup.Remove(s.Cgroup)
		}
		if c, err := read[Container](filepath.Join(b.Dir, id, "config.json")); err == nil && s.Pid != 0 {
			KillLeft(c, s)
		}
	}
	away := filepath.Join(b.Dir, gone+id)
	err := b.putAway(id, name, away)
	if err == nil {
		err = os.RemoveAll(away)
	}
	if err != nil {
		return fmt.Errorf("removing container %s: %w", id, err)
	}
	return nil
}

// putAway renames the container's directory and frees its names. From the one to the other it has the
// lock of the names: whoever wants a name takes the link for stale once the directory is gone, and puts
// his own there.
func (b Book) putAway(id, name, away string) error {
	lock, err := b.lockNames()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there may be no names
		return err
	}
	defer lock.Unlock()
	names := []string{name}
	if now, err := read[Container](filepath.Join(b.Dir, id, "config.json")); err == nil && now.Name != name {
		names = append(names, now.Name) // renamed while it ran
	}
	if err := os.Rename(filepath.Join(b.Dir, id), away); err != nil {
		return err
	}
	// Only now the names: while the container is there, it can be called by them.
	for _, n := range names {
		if err := b.freeName(id, n); err != nil {
			return err
		}
	}
	return nil
}

// complete ends a removal that was cut short: away is the directory it was renamed to.
func (b Book) complete(away string) error {
	id := strings.TrimPrefix(filepath.Base(away), gone)
	dir := filepath.Join(b.Dir, "names")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && target == id {
			if err := b.dropGone(id, e.Name()); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(away)
}

// dropGone frees a name that was seen to lead to a container if that is gone. It may be back: makeDir
// makes a directory again that sweep took away, and then takes a name, always in that order.
func (b Book) dropGone(id, name string) error {
	if _, err := os.Lstat(filepath.Join(b.Dir, id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lock, err := b.lockNames()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return b.freeName(id, name)
}

// sweep removes what a Create that was killed has left: a directory whose lock is free and that has no
// record.
func (b Book) sweep(id string) {
	if _, err := os.Lstat(filepath.Join(b.Dir, id)); err != nil {
		return
	}
	lock, err := journal.TryLock(filepath.Join(b.Dir, id, "lock"), true)
	if err != nil || lock == nil {
		return
	}
	defer lock.Unlock()
	if c, err := read[Container](filepath.Join(b.Dir, id, "config.json")); err != nil || c.ID == id {
		return // it came meanwhile
	}
	away := filepath.Join(b.Dir, gone+id)
	if os.Rename(filepath.Join(b.Dir, id), away) == nil {
		_ = b.complete(away)
	}
}
