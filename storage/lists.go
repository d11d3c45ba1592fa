package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/reference"
)

// ErrNoList is returned when no list of images goes by the name.
var ErrNoList = errors.New("no such manifest list")

// List is a list of images that was made here (docker manifest create), to be pushed as an index. It
// is kept apart from the images and names no layers: an image of it that is removed is missed when
// the list is pushed.
type List struct {
	Name        string // full
	Entries     []ListEntry
	Annotations map[string]string `json:",omitempty"`
}

// ListEntry is one image of a List.
type ListEntry struct {
	// Ref is the full name it was added by, with the digest when a registry has it.
	Ref string
	// Image is the ID of an image of the store, "" for one at a registry.
	Image string `json:",omitempty"`
	// Descriptor is the entry of the index to be. Digest and size of an image of the store are those
	// of its manifest here: what is pushed has compressed layers and may have others.
	Descriptor v1.Descriptor
	Manifest   []byte // that of the digest
}

func (s *Store) listsDir() string { return filepath.Join(s.opts.Dir, "manifests") }

func (s *Store) listFile(name string) journal.File[List] {
	return journal.File[List]{Path: filepath.Join(s.listsDir(), digest.FromString(name).Encoded()+".json"), Version: 1, Durable: true}
}

// listName is the full name of a list.
func listName(name string) (string, error) {
	n, err := reference.Parse(name)
	if err != nil {
		return "", err
	}
	if n.Digest != "" {
		return "", fmt.Errorf("invalid reference %q: a manifest list can not be named by digest", name)
	}
	return n.Tagged(), nil
}

// List gives a list by name. ErrNoList.
func (s *Store) List(name string) (List, error) {
	full, err := listName(name)
	if err != nil {
		return List{}, err
	}
	l, err := s.listFile(full).Read()
	if err == nil && l.Name == "" {
		err = fmt.Errorf("%w: %s", ErrNoList, name)
	}
	return l, err
}

// CreateList makes a list, or with amend adds to the one there is; without amend it is an error that
// there is one. Of entries the store has by the same reference the new one counts. It survives a
// power cut.
func (s *Store) CreateList(name string, amend bool, entries []ListEntry, annotations map[string]string) (string, error) {
	full, err := listName(name)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.listsDir(), 0o700); err != nil {
		return "", fmt.Errorf("making manifest list %s: %w", name, err)
	}
	return full, s.listFile(full).Update(func(l *List) error {
		if l.Name != "" && !amend {
			return errors.New("refusing to amend an existing manifest list with no --amend flag")
		}
		l.Name = full
		l.add(entries)
		for k, v := range annotations {
			if l.Annotations == nil {
				l.Annotations = map[string]string{}
			}
			l.Annotations[k] = v
		}
		return nil
	})
}

func (l *List) add(entries []ListEntry) {
	for _, e := range entries {
		i := slices.IndexFunc(l.Entries, func(old ListEntry) bool {
			return old.Ref == e.Ref || old.Descriptor.Digest == e.Descriptor.Digest
		})
		if i < 0 {
			l.Entries = append(l.Entries, e)
		} else {
			l.Entries[i] = e
		}
	}
}

// ChangeList changes a list that is there. ErrNoList. It survives a power cut.
func (s *Store) ChangeList(name string, change func(*List) error) error {
	full, err := listName(name)
	if err != nil {
		return err
	}
	if _, err := s.List(name); err != nil {
		return err
	}
	return s.listFile(full).Update(func(l *List) error {
		if l.Name == "" {
			return fmt.Errorf("%w: %s", ErrNoList, name)
		}
		return change(l)
	})
}

// AddToList adds entries to a list.
func (s *Store) AddToList(name string, entries []ListEntry) error {
	return s.ChangeList(name, func(l *List) error {
		l.add(entries)
		return nil
	})
}

// Entry finds an entry by digest or by the reference it was added by; nil when there is none.
func (l *List) Entry(ref string) *ListEntry {
	full, at := "", digest.Digest(ref)
	if n, err := reference.Parse(ref); err == nil {
		full = n.String()
		if n.Digest != "" {
			at = n.Digest
		}
	}
	for i, e := range l.Entries {
		if e.Ref == full || e.Descriptor.Digest == at || full != "" && withoutDigest(e.Ref) == full {
			return &l.Entries[i]
		}
	}
	return nil
}

func withoutDigest(ref string) string {
	n, err := reference.ParseBare(ref)
	if err != nil {
		return ref
	}
	return n.Tagged()
}

// RemoveFromList takes one entry out of a list.
func (s *Store) RemoveFromList(name, ref string) error {
	return s.ChangeList(name, func(l *List) error {
		e := l.Entry(ref)
		if e == nil {
			return fmt.Errorf("manifest for image %s does not exist in %s", ref, name)
		}
		gone := e.Descriptor.Digest
		l.Entries = slices.DeleteFunc(l.Entries, func(e ListEntry) bool { return e.Descriptor.Digest == gone })
		return nil
	})
}

// RemoveList removes a list; its images stay. ErrNoList.
func (s *Store) RemoveList(name string) error {
	l, err := s.List(name)
	if err != nil {
		return err
	}
	return s.listFile(l.Name).Remove()
}
