package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Append makes a layer tar, compressed or not, a layer on top of parent ("" for none). The layer is kept
// by a lease of this process until an image refers to it.
func (s *Store) Append(ctx context.Context, parent string, r io.Reader) (l Layer, err error) {
	if _, err := s.library(); err != nil { // see Adopt
		return Layer{}, err
	}
	t, _, err := s.stage(ctx, r, "")
	if err != nil {
		return Layer{}, fmt.Errorf("appending a layer: %w", explainTransfer(ctx, err))
	}
	t.compressed = "" // that was a stream, not a blob a registry may have
	lock, err := s.shared()
	if err != nil {
		return Layer{}, errors.Join(err, t.drop())
	}
	l, err = s.adopt(parent, *t)
	t.tarSplit = nil
	if err = errors.Join(err, lock.Unlock()); err != nil {
		return Layer{}, errors.Join(fmt.Errorf("appending a layer: %w", err), t.drop())
	}
	return l, nil
}
