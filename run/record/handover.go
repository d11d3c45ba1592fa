package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
)

// LockFile is the descriptor that holds the container's lock, to be handed to the process that will
// run the container. That process calls Book.Inherit, this one Close; the lock is held all the time.
func (e *Entry) LockFile() *os.File { return e.lock.File() }

// Inherit is the entry of a container whose lock another process took and handed over as f.
func (b Book) Inherit(id string, f *os.File) (*Entry, error) {
	if !isID(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	e := &Entry{dir: filepath.Join(b.Dir, id), book: b, lock: journal.Inherit(f)}
	var err error
	e.Container, err = read[Container](filepath.Join(e.dir, "config.json"))
	if err == nil && e.ID != id {
		err = fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return e, err
}

// Reread reads the record once more: Amend and Rename may have changed it.
func (e *Entry) Reread() (Container, error) {
	return read[Container](filepath.Join(e.dir, "config.json"))
}

// State reads the state back.
func (e *Entry) State() (State, error) { return read[State](filepath.Join(e.dir, "state.json")) }

// Announce leaves the exit status for those who wait: they hold the lock's file open and find it there
// even when the container has been removed meanwhile. It is withdrawn by Begin.
func (e *Entry) Announce(status int) error {
	f := e.lock.File()
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("announcing the exit status: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(status)+"\n"), 0); err != nil {
		return fmt.Errorf("announcing the exit status: %w", err)
	}
	return nil
}

// Begin withdraws the exit status of an earlier run.
func (e *Entry) Begin() error { return e.lock.File().Truncate(0) }

// Wait waits until the container does not run and gives its exit status; 137 when its monitor was
// killed. The container may be removed meanwhile.
func (b Book) Wait(ctx context.Context, f Found) (int, error) {
	if !f.State.Active() {
		return f.State.ExitCode, nil
	}
	w, err := b.Watch(f)
	if err != nil {
		return 0, err
	}
	return w.Wait(ctx)
}

// Watch is a look at a container that lasts beyond its removal.
type Watch struct {
	book Book
	f    Found
	lock *os.File
}

// Watch prepares to wait for a container that runs or is about to: what ends soon after, and is removed
// then, is still found by Wait. Of one that is started again it is the present run, or the first.
func (b Book) Watch(f Found) (*Watch, error) {
	if !f.State.Active() {
		f.State.Restarts = 0
	}
	lock, err := os.Open(filepath.Join(f.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, f.ID)
	}
	return &Watch{b, f, lock}, nil
}

// Close gives a watch up. It is not for one that was waited for.
func (w *Watch) Close() error { return w.lock.Close() }

// Wait waits until the container does not run and gives its exit status, as Book.Wait.
func (w *Watch) Wait(ctx context.Context) (int, error) {
	lock := w.lock
	if status, over := w.book.passed(w.f); over {
		return status, lock.Close()
	}
	turn, err := os.Open(filepath.Join(w.f.Dir, turnName(w.f.State.Restarts)))
	switch {
	case err == nil:
		lock.Close()
		lock = turn
	case !errors.Is(err, os.ErrNotExist):
		return 0, errors.Join(fmt.Errorf("waiting for container %s: %w", w.f.ID, err), lock.Close())
	}
	type end struct {
		status int
		err    error
	}
	ended := make(chan end, 1)
	go func() { // it ends with the container, whoever still waits for it
		status, err := announced(lock)
		lock.Close()
		ended <- end{status, err}
	}()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case e := <-ended:
		if e.err != nil {
			return 0, fmt.Errorf("waiting for container %s: %w", w.f.ID, e.err)
		}
		return e.status, nil
	}
}

// announced waits for the lock and reads what Announce has left.
func announced(lock *os.File) (int, error) {
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_SH)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		break
	}
	said, err := io.ReadAll(io.NewSectionReader(lock, 0, 16))
	if err != nil {
		return 0, err
	}
	status, err := strconv.Atoi(strings.TrimSpace(string(said)))
	if err != nil {
		return 137, nil
	}
	return status, nil
}

// Rename gives a container another name, whether it runs or not. The error is ErrNameTaken when
// another one has it.
func (b Book) Rename(f Found, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if name == f.Name {
		return errors.New("Renaming a container with the same name as its current name")
	}
	lock, err := b.lockNames()
	if err != nil {
		return fmt.Errorf("renaming container %s: %w", f.Name, err)
	}
	defer lock.Unlock()
	now, err := read[Container](filepath.Join(f.Dir, "config.json")) // it may have been amended
	if err != nil {
		return fmt.Errorf("renaming container %s: %w", f.Name, err)
	}
	e := &Entry{Container: now, dir: f.Dir, book: b}
	e.Name = name
	if err := e.takeName(filepath.Join(b.Dir, "names"), true); err != nil {
		return err
	}
	if err := write(filepath.Join(f.Dir, "config.json"), e.Container); err != nil {
		return errors.Join(err, b.freeName(f.ID, name))
	}
	b.Tell(e.Container, "rename", "oldName", "/"+f.Name)
	return b.freeName(f.ID, f.Name)
}

// freeName removes the link of a name if it is the container's. The caller has the lock of the names.
func (b Book) freeName(id, name string) error {
	if name == "" {
		return nil
	}
	link := filepath.Join(b.Dir, "names", name)
	if target, err := os.Readlink(link); err != nil || target != id {
		return nil
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("freeing the name %q: %w", name, err)
	}
	return nil
}

// settle is how long Take lets others finish looking: whoever asks whether a container runs holds its
// lock for an instant.
const settle = 300 * time.Millisecond
