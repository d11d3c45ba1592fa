package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/spec"
)

// showProcesses mounts the /proc of a container that has a user namespace of its own and another's
// processes. To mount one takes CAP_SYS_ADMIN in the user namespace that owns the processes' namespace
// (fs/proc/root.c), which this process has and nobody in the container; so it is mounted here and bound
// in there. That a mount may show another namespace than the mounter's own came with Linux 6.17 (the
// option pidns).
func (c *container) showProcesses(h *spec.Host) error {
	if c.shift().IsZero() || c.w.Join.PID == "" {
		return nil
	}
	dir := filepath.Join(c.entry.Dir(), "proc")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("showing the processes of container %s: %w", c.w.Join.PID[:12], err)
	}
	if err := mountProc(dir, h.Joined.PID, c.w.ProcOptions); err != nil {
		return fmt.Errorf("showing the processes of container %s: %w", c.w.Join.PID[:12], err)
	}
	c.proc, h.ProcPath = dir, dir
	return nil
}

var errNoPidns = errors.New("--userns keep-id and the PID mode of another container together need Linux 6.17")

// mountProc mounts a procfs of the process namespace pidns, a path, at dir.
func mountProc(dir, pidns string, options []string) error {
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "pidns", pidns); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return errNoPidns
		}
		return fmt.Errorf("choosing their namespace: %w", err)
	}
	for _, o := range append([]string{"source=proc"}, options...) {
		if key, value, ok := strings.Cut(o, "="); ok {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return fmt.Errorf("setting %s: %w", o, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return err
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(mnt)
	return unix.MoveMount(mnt, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH)
}
