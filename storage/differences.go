package storage

import (
	"errors"
	"maps"
	"os"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/diff"
	"github.com/dhow-containers/dhow/storage/working"
)

// Differences gives what layers, base first, show otherwise than those of old.
func (s *Store) Differences(old, now []Layer) (_ []diff.Change, err error) {
	was, done, err := s.look(old)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	is, done2, err := s.look(now)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done2()) }()
	return diff.Trees(was, is)
}

// look mounts layers read-only in the mount namespace of this process until done is called.
func (s *Store) look(layers []Layer) (side diff.Side, done func() error, err error) {
	dir, err := s.tempDir("look-")
	if err != nil {
		return side, nil, err
	}
	w := working.Work{Dir: dir, ReadOnly: true}
	side = diff.Side{Dir: w.Merged(), Links: ownership.Links{}}
	for _, l := range layers {
		w.Lowers = append(w.Lowers, l.Dir)
		maps.Copy(side.Links, l.Links)
	}
	if err := w.Mount(); err != nil {
		return side, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return side, func() error {
		if err := w.Unmount(); err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}, nil
}
