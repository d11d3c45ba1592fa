package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/volume"
)

// RemoveOptions guide Remove.
type RemoveOptions struct {
	Force   bool // kill the container first when it runs
	Volumes bool // remove its anonymous volumes too
}

// killGrace is how long a killed container's monitor has to put its things away.
const killGrace = 10 * time.Second

// Remove removes a container with its files and its name. record.ErrNotFound, record.ErrRunning.
func Remove(dir, nameOrID string, o RemoveOptions) error {
	book := record.Book{Dir: filepath.Join(dir, "containers")}
	f, err := book.Find(nameOrID)
	if err != nil {
		return err
	}
	e, err := book.Take(f.ID)
	if errors.Is(err, record.ErrRunning) {
		if !o.Force {
			return fmt.Errorf("cannot remove container %q: %w: stop the container before removing or force remove", nameOrID, record.ErrRunning)
		}
		e, err = kill(book, f)
		if errors.Is(err, record.ErrNotFound) { // it removed itself
			return nil
		}
	}
	if err != nil {
		return err
	}
	if f.State.Alive() {
		_ = unix.Kill(f.State.Pid, unix.SIGKILL)
	}
	err = e.Remove()
	if o.Volumes || f.AutoRemove {
		err = errors.Join(err, removeAnonymous(volume.Store{Dir: filepath.Join(dir, "volumes")}, f.Container))
	}
	return err
}

// kill ends a running container and waits until its monitor lets go of it. A user namespace beside
// ours can not be signalled from here, but its processes are the caller's too: the monitor, which is
// outside of the container, is told to end it.
func kill(book record.Book, f record.Found) (*record.Entry, error) {
	deadline := time.Now().Add(killGrace)
	for {
		if f.State.Alive() {
			if err := unix.Kill(f.State.Pid, unix.SIGKILL); err == unix.EPERM {
				return nil, fmt.Errorf("killing container %s: it belongs to another user namespace: end process %d", f.ID[:12], f.State.Monitor)
			}
		}
		e, err := book.Take(f.ID)
		if !errors.Is(err, record.ErrRunning) {
			return e, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("killing container %s: it did not end within %s", f.ID[:12], killGrace)
		}
		time.Sleep(20 * time.Millisecond)
		if again, err := book.Find(f.ID); err == nil {
			f = again
		}
	}
}
