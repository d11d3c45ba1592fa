package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
)

// Wished gives what was asked of a container beside its record, for people who look at it: empty for
// one that was run with --rm in the foreground, which keeps no wishes.
func Wished(f record.Found) (spec.Wishes, error) {
	var s saved
	data, err := os.ReadFile(savedFile(f.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s.Wishes, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s.Wishes, fmt.Errorf("reading the wishes of container %s: %w", f.Name, err)
	}
	return s.Wishes, nil
}
