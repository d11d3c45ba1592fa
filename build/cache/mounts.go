package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// MountRecord is what is known of the contents of a cache mount. It lies beside them as HASH.json
// and its modification time is that of the last use.
type MountRecord struct {
	Version int       `json:"version"`
	ID      string    `json:"id"` // as the Dockerfile names it
	Created time.Time `json:"created"`
}

// mounts lists the contents of cache mounts.
func (c *Cache) mounts() ([]Entry, error) {
	names, err := os.ReadDir(c.MountsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the build cache: %w", err)
	}
	var out []Entry
	for _, n := range names {
		id := n.Name()
		if !n.IsDir() || strings.Contains(id, ".") {
			continue
		}
		dir := filepath.Join(c.MountsDir(), id)
		e := Entry{ID: id, Type: mountType, Size: treeSize(dir), InUse: inUse(dir + ".lock")}
		var r MountRecord
		if data, err := os.ReadFile(dir + ".json"); err == nil && json.Unmarshal(data, &r) == nil {
			e.Name, e.Created = r.ID, r.Created
		}
		if st, err := os.Stat(dir + ".json"); err == nil {
			e.LastUsed = st.ModTime()
		}
		out = append(out, e)
	}
	return out, nil
}

// treeSize sums the sizes of the files below dir. What can not be read counts nothing.
func treeSize(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// TreeSize is the sum of the sizes of the regular files below dir, in bytes.
func TreeSize(dir string) int64 { return treeSize(dir) }
