package storage

import "errors"

var (
	// ErrNotFound is returned when no image (or layer) goes by the name.
	ErrNotFound = errors.New("no such image")
	// ErrInUse is returned by Remove when a container uses the image.
	ErrInUse = errors.New("image is in use")
	// ErrAmbiguous is returned by Lookup when an id prefix fits several images.
	ErrAmbiguous = errors.New("image id prefix fits several images")
)

// Store is an open store. Its methods may be called from several goroutines.
type Store struct{ opts Options }

// Open opens the store under o.Dir. It reads and writes nothing yet: what is needed is opened when
// a method needs it.
func Open(o Options) (*Store, error) { return &Store{opts: o}, nil }

// Close ends the leases of this process and closes what is open.
func (s *Store) Close() error { return nil }

// Lookup finds an image by full or short name ("alpine", "docker.io/library/alpine:latest",
// "localhost/x"), by name@digest, by id or by a prefix of an id. ErrNotFound, ErrAmbiguous.
func (s *Store) Lookup(name string) (Image, error) { return Image{}, ErrNotFound }

// Images gives all images, newest first.
func (s *Store) Images() ([]Image, error) { return nil, nil }

// Chain is an image's layers held against removal.
type Chain struct {
	Image  Image
	Layers []Layer // base first
}

// Close lets the layers go.
func (c *Chain) Close() error { return nil }

// Chain finds an image and holds its layers: nothing can be removed from the store until Close, so
// hold it only until a container record names the image. It writes nothing and never waits for the
// disk. name is what Lookup takes.
func (s *Store) Chain(name string) (*Chain, error) { return nil, ErrNotFound }

// Hold is Chain for long work (a build): the layers are held by a lease of this process, other
// images can be removed meanwhile. The lease ends with Store.Close.
func (s *Store) Hold(name string) (*Chain, error) { return nil, ErrNotFound }

// Tag gives the image id one more name, taking it away from another image that had it. name is
// normalised ("x" becomes "docker.io/library/x:latest").
func (s *Store) Tag(id, name string) error { return nil }

// Untag takes a name away; the image stays.
func (s *Store) Untag(name string) error { return nil }

// User is a container that uses an image.
type User struct {
	Container string // id or name, for the message
	Running   bool
	// Layers are the layer ids the container stands on; they survive a forced removal.
	Layers []string
}

// RemoveOptions guide Remove.
type RemoveOptions struct {
	Force bool
	// NoPrune keeps untagged parents; layers are shared by content here, so it keeps layers.
	NoPrune bool
	// Users tells which containers use an image; nil means none does. It is called under the lock
	// that keeps new containers from being made.
	Users func(Image) ([]User, error)
}

// Removal reports what Remove did, in docker's words: each line is "Untagged: x" or "Deleted: x".
type Removal struct {
	Untagged []string // full names, and name@digest references
	Deleted  []string // "sha256:…" of the image, then of its layers' chain ids
}

// Remove is docker's rmi: a name of an image that has others is only untagged; otherwise the image
// goes with the layers nobody else needs. An image in use by a container is refused with ErrInUse;
// Force removes it when the containers are stopped.
func (s *Store) Remove(name string, o RemoveOptions) (Removal, error) { return Removal{}, ErrNotFound }
