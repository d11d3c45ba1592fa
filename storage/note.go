package storage

import (
	"slices"
	"strconv"

	"github.com/dhow-containers/dhow/storage/reference"
)

// note tells what became of an image, once for each of its names; nothing when it failed.
func (s *Store) note(err error, action, id string, names ...string) {
	if s.opts.Note == nil || err != nil {
		return
	}
	if len(names) == 0 {
		names = []string{id}
	}
	for _, n := range names {
		s.opts.Note(action, id, "name", reference.Familiar(n))
	}
}

// noteRemoval tells what of a removal was an image's.
func (s *Store) noteRemoval(id string, rep Removal) {
	id = "sha256:" + id
	for _, n := range rep.Untagged {
		s.note(nil, "untag", id, n)
	}
	if slices.Contains(rep.Deleted, id) {
		s.note(nil, "delete", id)
	}
}

// notePrune tells of a clean-up.
func (s *Store) notePrune(err error, bytes int64) {
	if s.opts.Note != nil && err == nil {
		s.opts.Note("prune", "", "reclaimed", strconv.FormatInt(bytes, 10))
	}
}
