package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

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
	dir := filepath.Join(c.entry.Dir(), "init")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("preparing --init: %w", err)
	}
	// The layers of an overlay must not lie in each other; on a filesystem of its own this one does
	// not, wherever the binary is.
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700,size=64k"); err != nil {
		return "", fmt.Errorf("preparing --init: %w", err)
	}
	c.initDir = dir
	view := working.Work{Lowers: []string{filepath.Dir(exe)}, Dir: dir, ReadOnly: true}
	if err := view.Mount(); err != nil {
		return "", fmt.Errorf("preparing --init: %w", err)
	}
	return filepath.Join(view.Merged(), filepath.Base(exe)), nil
}
