// Package volume keeps named volumes: directories that outlive containers.
package volume

import (
	"errors"
	"time"
)

// ErrNotFound is returned when no volume has the name.
var ErrNotFound = errors.New("no such volume")

// ErrInUse is returned by Remove when a container uses the volume.
var ErrInUse = errors.New("volume is in use")

// Volume is one volume.
type Volume struct {
	Name      string            `json:"name"`
	Dir       string            `json:"-"` // what is mounted into containers
	Labels    map[string]string `json:"labels,omitempty"`
	Options   map[string]string `json:"options,omitempty"`
	Created   time.Time         `json:"created"`
	Anonymous bool              `json:"anonymous,omitempty"`
	// Filled tells that the first container's image content was copied in.
	Filled bool `json:"filled,omitempty"`
}

// Store is the directory of all volumes of one mapping (volumes/ under the store's directory).
type Store struct{ Dir string }

// Create makes a volume, or gives the one that has the name. An empty name makes an anonymous one
// with 64 hex digits.
func (s Store) Create(name string, labels, options map[string]string) (Volume, error) {
	return Volume{}, nil
}

// Get finds a volume. ErrNotFound.
func (s Store) Get(name string) (Volume, error) { return Volume{}, ErrNotFound }

// List gives all volumes by name.
func (s Store) List() ([]Volume, error) { return nil, nil }

// Remove deletes a volume with its content. inUse names the containers that use it; nil means none.
func (s Store) Remove(name string, inUse func(name string) ([]string, error)) error {
	return ErrNotFound
}

// MarkFilled records that the volume got its first content.
func (s Store) MarkFilled(name string) error { return nil }
