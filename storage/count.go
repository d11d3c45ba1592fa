package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Count gives the number of images in the store under dir without opening it: for telling that a
// store of another mapping has some. A store that was never used has none.
func Count(dir string) (int, error) {
	f, err := os.Open(filepath.Join(dir, "storage", "overlay-images", "images.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("counting images: %w", err)
	}
	defer f.Close()
	var records []struct{}
	if err := json.NewDecoder(io.LimitReader(f, 64<<20)).Decode(&records); err != nil {
		return 0, fmt.Errorf("counting images in %q: %w", dir, err)
	}
	return len(records), nil
}
