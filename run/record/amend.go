package record

import (
	"fmt"
	"path/filepath"

	"github.com/dhow-containers/dhow/storage/journal"
)

// Amend changes the record of a container, whether it runs or not: change gets what it says now, and
// its error leaves everything as it is. The id and the name stay.
func (b Book) Amend(id string, change func(*Container) error) (err error) {
	lock, err := journal.TakeLock(filepath.Join(b.Dir, "names", ".lock"), true)
	if err != nil {
		return fmt.Errorf("changing container %s: %w", id, err)
	}
	defer func() { _ = lock.Unlock() }()
	path := filepath.Join(b.Dir, id, "config.json")
	c, err := read[Container](path)
	if err != nil {
		return fmt.Errorf("changing container %s: %w", id, err)
	}
	if c.ID != id {
		return fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	name := c.Name
	if err := change(&c); err != nil {
		return err
	}
	c.ID, c.Name = id, name
	return write(path, c)
}
