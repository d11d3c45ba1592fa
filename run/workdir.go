package run

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/tree"
)

// makeWorkingDir makes the directory that a missing working directory leads to by symlinks, as docker does
// (moby: container.SetupWorkingDirectory): the sandbox makes one only where its path is as it stands. What
// lies on a mount is left to it.
func (c *container) makeWorkingDir(dir string, mounts []spec.Mount) error {
	if dir == "/" || dir == "" {
		return nil
	}
	for _, m := range mounts {
		if t := path.Clean(m.Target); dir == t || strings.HasPrefix(dir, t+"/") {
			return nil
		}
	}
	root, err := unix.Open(c.work.Merged(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making the working directory: %w", err)
	}
	defer unix.Close(root)
	fd, err := tree.OpenIn(root, dir, unix.O_PATH)
	if err == nil {
		unix.Close(fd)
	}
	if err != unix.ENOENT {
		return nil // it is there, or the sandbox says what is wrong with it
	}
	real, err := tree.Resolve(root, dir, false)
	if err != nil || "/"+real == dir {
		return nil
	}
	made, at := "", root
	defer func() {
		if at != root {
			unix.Close(at)
		}
	}()
	for _, name := range strings.Split(real, "/") {
		made = path.Join(made, name)
		err := unix.Mkdirat(at, name, 0o755)
		fresh := err == nil
		if err == nil || err == unix.EEXIST {
			var next int
			if next, err = tree.OpenBeneath(at, name, unix.O_RDONLY|unix.O_DIRECTORY); err == nil {
				if at != root {
					unix.Close(at)
				}
				at = next
				if fresh { // whatever the caller's umask
					err = errors.Join(unix.Fchmod(at, 0o755), rootOwned(at, c.shift()))
				}
			}
		}
		if err != nil {
			return fmt.Errorf("making the working directory: /%s: %w", made, err)
		}
	}
	return nil
}
