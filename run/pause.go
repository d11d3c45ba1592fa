package run

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/record"
)

// ErrPaused is returned for what a paused container can not do.
var ErrPaused = errors.New("is paused")

// Pause stops all processes of a running container where they are, without their noticing: its control
// group is frozen. A container without one can not be paused: signals, the only other way, are seen by
// who waits for a process, and miss one that is just being made.
func Pause(f record.Found) error {
	switch {
	case f.State.Status == record.Restarting:
		return fmt.Errorf("container %s is restarting, wait until the container is running", f.Name)
	case f.State.Status != record.Running:
		return fmt.Errorf("container %s %w", f.Name, ErrNotRunning)
	case f.State.Paused:
		return fmt.Errorf("container %s is already paused", f.Name)
	case f.State.Cgroup == "":
		return noGroup(f, "cannot pause container "+f.Name)
	}
	if err := cgroup.Freeze(f.State.Cgroup); err != nil {
		return ended(f, fmt.Errorf("pausing container %s: %w", f.Name, err))
	}
	return nil
}

// Unpause lets a paused container go on.
func Unpause(f record.Found) error {
	switch {
	case f.State.Status != record.Running:
		return fmt.Errorf("container %s %w", f.Name, ErrNotRunning)
	case !f.State.Paused:
		return fmt.Errorf("container %s is not paused", f.Name)
	}
	if err := cgroup.Thaw(f.State.Cgroup); err != nil {
		return ended(f, fmt.Errorf("unpausing container %s: %w", f.Name, err))
	}
	return nil
}

// resume lets a paused container go on so that it can end.
func resume(f record.Found) {
	if f.State.Paused {
		_ = cgroup.Thaw(f.State.Cgroup) // gone: it has ended
	}
}

// noGroup tells why a container has no control group of its own.
func noGroup(f record.Found, what string) error {
	_, err := cgroup.Look()
	var missing *cgroup.Missing
	if errors.As(err, &missing) {
		return &unlimited{what + ": it has no control group of its own", missing}
	}
	return &unlimited{what, &cgroup.Missing{
		Reason: "it was started where it could have no control group of its own",
		Cure:   fmt.Sprintf("dhow restart %s here, where it can", f.Name),
	}}
}

// ended makes err the clearer one when the container has ended meanwhile.
func ended(f record.Found, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("container %s %w", f.Name, ErrNotRunning)
	}
	return err
}
