package run

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/volume"
)

// List gives all containers of the store at dir (paths.Store), newest first. It first puts in order
// what a killed monitor has left: a payload that outlived it is killed, and a container that was to be
// removed at its exit is removed.
func List(dir string) ([]record.Found, error) {
	book := record.Book{Dir: filepath.Join(dir, "containers")}
	all, err := book.List()
	kept := all[:0]
	for _, f := range all {
		if f.State.Status == record.Exited && f.State.Alive() {
			_ = unix.Kill(f.State.Pid, unix.SIGKILL)
		}
		if f.AutoRemove && f.State.Status != record.Running {
			if e, terr := book.Take(f.ID); terr == nil {
				if rerr := errors.Join(e.Remove(), removeAnonymous(volume.Store{Dir: filepath.Join(dir, "volumes")}, f.Container)); rerr == nil {
					continue
				}
			} else if errors.Is(terr, record.ErrNotFound) {
				continue
			}
		}
		kept = append(kept, f)
	}
	return kept, err
}
