package carry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"

	"golang.org/x/sys/unix"
)

// replacing calls make with a name in f's directory and the path of that name for Owners. Where nothing
// stands that is f's own name. Otherwise it is one nobody uses, and what was made there then takes f's
// place in one step (rename(2)): killed at any moment, either the old file is there or the new one.
func (w *writing) replacing(f target, there bool, make func(name, rel string) error) error {
	if !there {
		err := make(f.name, path.Join(w.p.Path, f.rel))
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		// Somebody has made one meanwhile.
	}
	return w.exchanged(f, make)
}

func (w *writing) exchanged(f target, make func(name, rel string) error) error {
	rel := path.Join(w.p.Path, f.rel)
	name := fmt.Sprintf(".dhow-%016x", rand.Uint64())
	made := path.Join(path.Dir(rel), name)
	err := make(name, made)
	if errors.Is(err, unix.EEXIST) {
		return err // not ours to remove
	}
	if err == nil {
		err = unix.Renameat(f.at, name, f.at, f.name)
	}
	if err != nil || f.Same != "" { // of two names of one file rename(2) leaves both
		if uerr := unix.Unlinkat(f.at, name, 0); uerr != nil && uerr != unix.ENOENT {
			err = errors.Join(err, uerr)
		}
	}
	if w.p.Owners == nil {
		return err
	}
	if err != nil {
		w.p.Owners.Forget(made)
	} else {
		w.p.Owners.Renamed(made, rel)
	}
	return err
}
