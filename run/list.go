package run

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
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

// ImageUsers gives the containers that use an image, for storage.RemoveOptions.Users.
func ImageUsers(dir string) func(storage.Image) ([]storage.User, error) {
	return func(img storage.Image) ([]storage.User, error) {
		all, err := List(dir)
		var users []storage.User
		for _, c := range all {
			if c.ImageID == img.ID {
				users = append(users, storage.User{Container: c.ID[:12], Running: c.State.Status == record.Running, Layers: c.Layers})
			}
		}
		return users, err
	}
}

// VolumeUsers gives the containers that use a volume, for volume.Store.Remove.
func VolumeUsers(dir string) func(name string) ([]string, error) {
	return func(name string) ([]string, error) {
		all, err := List(dir)
		var users []string
		for _, c := range all {
			for _, m := range c.Mounts {
				if m.Name == name {
					users = append(users, c.ID)
					break
				}
			}
		}
		return users, err
	}
}
