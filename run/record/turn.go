package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/storage/journal"
)

// A container may have several runs under one monitor (--restart), which holds the container's lock
// through all of them. Whoever waits for the end of one run waits for that run's own lock: the file
// turn.N, N being State.Restarts, which takes the status as the container's lock does.

const turnPrefix = "turn."

func turnName(n int) string { return turnPrefix + strconv.Itoa(n) }

// Turn is the lock of one run.
type Turn struct{ lock *journal.Lock }

// NewTurn makes run n known before it can be waited for; the first one puts away what earlier monitors
// left.
func (e *Entry) NewTurn(n int) (*Turn, error) {
	old := []string{turnName(n - 2)} // the one before may still be asked for
	if n == 0 {
		old, _ = filepath.Glob(filepath.Join(e.dir, turnPrefix+"*"))
		for i := range old {
			old[i] = filepath.Base(old[i])
		}
	}
	for _, name := range old {
		if err := os.Remove(filepath.Join(e.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("recording the start: %w", err)
		}
	}
	lock, err := journal.TakeLock(filepath.Join(e.dir, turnName(n)), true)
	if err != nil {
		return nil, fmt.Errorf("recording the start: %w", err)
	}
	return &Turn{lock}, nil
}

// End lets those go who wait for the run, with its exit status.
func (t *Turn) End(status int) error {
	if t == nil {
		return nil
	}
	_, err := t.lock.File().WriteAt([]byte(strconv.Itoa(status)+"\n"), 0)
	if err != nil {
		err = fmt.Errorf("announcing the exit status: %w", err)
	}
	return errors.Join(err, t.lock.Unlock())
}

// passed gives the status of a run that is over for so long that its own file has gone.
func (b Book) passed(f Found) (int, bool) {
	now, err := b.load(f.ID)
	if err != nil || strings.TrimSpace(now.Name) == "" {
		return 0, false
	}
	return now.State.ExitCode, now.State.Restarts > f.State.Restarts+1
}
