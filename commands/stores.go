package commands

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/storage"
)

// otherStore is a store of this user that belongs to another id mapping.
type otherStore struct {
	Kind   string
	Dir    string
	Images int
}

// otherStores looks beside this store. What can not be read is left out: it is advice.
func (c *call) otherStores() []otherStore {
	p, err := c.here()
	if err != nil {
		return nil
	}
	dirs, _ := filepath.Glob(filepath.Join(p.dirs.Data, "store-*-*"))
	var out []otherStore
	for _, dir := range dirs {
		if dir == p.store {
			continue
		}
		if st, err := os.Lstat(dir); err != nil || !st.IsDir() {
			continue
		}
		n, err := storage.Count(dir)
		if err != nil {
			continue
		}
		name := filepath.Base(dir)
		out = append(out, otherStore{Kind: name[strings.LastIndexByte(name, '-')+1:], Dir: dir, Images: n})
	}
	return out
}

func (c *call) kind() string { return string(enter.Current().Kind) }
