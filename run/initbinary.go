package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dhow-containers/dhow/storage/working"
)

// mountInit gives the path of a copy of this binary that a container can be shown: seen through an
// overlay without an upper directory it can not be written to whatever the container does
// (CVE-2019-5736).
func (c *container) mountInit() (string, error) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("finding this program for --init: %w", err)
	}
	if strings.HasSuffix(exe, " (deleted)") {
		return "", fmt.Errorf("finding this program for --init: %s was replaced or removed meanwhile: try again", strings.TrimSuffix(exe, " (deleted)"))
	}
	c.init = &working.Work{Lowers: []string{filepath.Dir(exe)}, Dir: filepath.Join(c.entry.Dir(), "init"), ReadOnly: true}
	if err := os.Mkdir(c.init.Dir, 0o700); err != nil {
		return "", fmt.Errorf("preparing --init: %w", err)
	}
	if err := c.init.Mount(); err != nil {
		c.init = nil
		return "", fmt.Errorf("preparing --init: %w", err)
	}
	return filepath.Join(c.init.Merged(), filepath.Base(exe)), nil
}
