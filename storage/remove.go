package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	cstorage "go.podman.io/storage"

	"github.com/dhow-containers/dhow/storage/reference"
)

// ErrInUse is wrapped by the errors of Remove about what forbids it.
var ErrInUse = errors.New("image is in use")

// ErrMounted is wrapped by the error of Remove about an image that MountImage has mounted.
var ErrMounted = fmt.Errorf("%w: it is mounted", ErrInUse)

// conflictError says in docker's words why Remove refused.
type conflictError struct {
	text  string
	cause error
}

func (e conflictError) Error() string { return "conflict: " + e.text }
func (e conflictError) Unwrap() error { return e.cause }

func conflict(format string, args ...any) error {
	return conflictError{fmt.Sprintf(format, args...), ErrInUse}
}

// User is a container that uses an image.
type User struct {
	Container string // id or name, for the message
	Running   bool
	// Layers are the layer ids the container stands on; they survive a forced removal until they are
	// unpinned from "container:" + Container.
	Layers []string
}

// RemoveOptions guide Remove.
type RemoveOptions struct {
	Force bool
	// Users tells which containers use an image; nil means none does. It is called under the lock
	// that keeps new containers from being made.
	Users func(Image) ([]User, error)
}

// Removal reports what Remove did; docker prints "Untagged: x" and "Deleted: x".
type Removal struct {
	Untagged []string // full names, and repo@digest references
	Deleted  []string // "sha256:…" of the image, then of the layers' chain ids, topmost first
}

// Remove is docker's rmi: a name of an image that has others is only untagged; otherwise the image
// goes with the layers nobody else needs. By id, an image with names in several repositories is
// refused unless forced. An image in use by a container is refused with ErrInUse; Force removes it
// when its containers are stopped, and leaves them their layers.
func (s *Store) Remove(name string, o RemoveOptions) (rep Removal, err error) {
	lock, err := s.exclusive()
	if err != nil {
		return Removal{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	lib, err := s.library()
	if err != nil {
		return Removal{}, err
	}
	r, err := s.find(name)
	if err != nil {
		return Removal{}, err
	}
	img, whole, err := s.imageOf(r)
	if err == nil && !whole {
		err = notFound(name)
	}
	if err != nil {
		return Removal{}, err
	}
	defer func() { s.noteRemoval(img.ID, rep) }()
	byName, ref := nameUsed(img, name)
	if !byName {
		ref = ""
		if repos := repositories(img); len(repos) > 1 && !o.Force {
			return Removal{}, conflict("unable to delete %s (must be forced) - image is referenced in multiple repositories", short(img.ID))
		}
	}
	untag := byName && keepsImage(img, ref)
	family, err := s.losing(img, ref, untag)
	if err != nil {
		return Removal{}, err
	}
	if untag {
		if err := s.spareUsed(&family, o); err != nil {
			return rep, err
		}
		if err := s.untagOnly(lib, img, ref, &rep); err != nil {
			return rep, err
		}
	} else {
		for _, one := range append([]Image{img}, family.behind...) {
			if err := s.checkUsers(one, ref, o); err != nil {
				return rep, err
			}
		}
	}
	if err := s.dropFamily(lib, family, &rep); err != nil {
		return rep, err
	}
	if !untag {
		// The record alone; which layers go is sweep's matter.
		if err := lib.Delete(img.ID); err != nil {
			return rep, fmt.Errorf("deleting image %s: %w", short(img.ID), err)
		}
		rep.Untagged = append(append(rep.Untagged, img.Names...), img.Digests...)
		rep.Deleted = append([]string{"sha256:" + img.ID}, rep.Deleted...)
	} else if len(family.indexes) == 0 {
		return rep, nil
	}
	removed, err := s.sweepBesides()
	for _, id := range removed {
		rep.Deleted = append(rep.Deleted, "sha256:"+id)
	}
	if err != nil {
		return rep, err
	}
	return rep, s.flush("")
}

// nameUsed tells whether name called the image by a name rather than an id, and by which.
func nameUsed(img Image, name string) (bool, string) {
	if hex, whole, ok := reference.ID(name); ok && whole && hex == img.ID {
		return false, ""
	}
	candidates, err := reference.Candidates(name)
	if err == nil {
		for _, c := range candidates {
			if c.Digest == "" && slices.Contains(img.Names, c.Tagged()) {
				return true, c.Tagged()
			}
			if at := c.Repository() + "@" + c.Digest.String(); c.Digest != "" && slices.Contains(img.Digests, at) {
				return true, at
			}
		}
	}
	if hex, _, ok := reference.ID(name); ok && strings.HasPrefix(img.ID, hex) {
		return false, ""
	}
	// registries.conf gave the name another host.
	for _, full := range img.Names {
		if strings.HasSuffix(full, "/"+name) || strings.HasSuffix(full, "/"+name+":latest") {
			return true, full
		}
	}
	return false, ""
}

// keepsImage reports whether an image stays when it loses a name or digest reference.
func keepsImage(img Image, ref string) bool {
	repo := repositoryOf(ref)
	if !strings.Contains(ref, "@") {
		return len(img.Names) > 1
	}
	if len(img.Names) > 0 {
		// docker: name@digest removes the tags of that repository with it.
		return slices.ContainsFunc(img.Names, func(n string) bool { return repositoryOf(n) != repo })
	}
	// The digests of its manifest and of the index it came in are one reference to who uses them.
	return slices.ContainsFunc(img.Digests, func(d string) bool {
		return repositoryOf(d) != repo || d != ref && digestOfReference(d) != img.Digest && !slices.Contains(img.Indexes, digestOfReference(d))
	})
}

// untagOnly takes a name or digest reference away.
func (s *Store) untagOnly(lib cstorage.Store, img Image, ref string, rep *Removal) error {
	if strings.Contains(ref, "@") {
		if err := s.dropDigests(lib, img, func(d string) bool { return d == ref }); err != nil {
			return err
		}
		rep.Untagged = append(rep.Untagged, ref)
		return s.flush("")
	}
	if err := lib.RemoveNames(img.ID, []string{ref}); err != nil {
		return fmt.Errorf("untagging %s: %w", ref, err)
	}
	rep.Untagged = append(rep.Untagged, ref)
	// With its last tag a repository loses its digests too.
	repo := repositoryOf(ref)
	if !slices.ContainsFunc(img.Names, func(n string) bool { return n != ref && repositoryOf(n) == repo }) {
		gone := func(d string) bool { return repositoryOf(d) == repo }
		for _, d := range img.Digests {
			if gone(d) {
				rep.Untagged = append(rep.Untagged, d)
			}
		}
		if err := s.dropDigests(lib, img, gone); err != nil {
			return err
		}
	}
	return s.flush("")
}

func (s *Store) dropDigests(lib cstorage.Store, img Image, gone func(string) bool) error {
	return s.updateMetadata(lib, img.ID, func(m *imageMetadata) {
		m.Digests = slices.DeleteFunc(m.Digests, gone)
	})
}

// repositoryOf is a full reference without tag and digest.
func repositoryOf(full string) string {
	full, _, _ = strings.Cut(full, "@")
	if i := strings.LastIndexByte(full, ':'); i > strings.LastIndexByte(full, '/') {
		full = full[:i]
	}
	return full
}

func repositories(img Image) []string {
	var repos []string
	for _, n := range img.Names {
		if r := repositoryOf(n); !slices.Contains(repos, r) {
			repos = append(repos, r)
		}
	}
	return repos
}

// checkUsers refuses when a container needs the image, and keeps the layers of stopped containers
// that lose it.
func (s *Store) checkUsers(img Image, ref string, o RemoveOptions) error {
	if at, err := s.mountedAt(img.ID); err != nil {
		return err
	} else if at != "" {
		return conflictError{fmt.Sprintf("unable to delete %s (cannot be forced) - image is mounted at %s", short(img.ID), at), ErrMounted}
	}
	if o.Users == nil {
		return nil
	}
	users, err := o.Users(img)
	if err != nil {
		return fmt.Errorf("asking who uses image %s: %w", short(img.ID), err)
	}
	for _, u := range users {
		switch {
		case u.Running:
			return conflict("unable to delete %s (cannot be forced) - image is being used by running container %s", short(img.ID), short(u.Container))
		case !o.Force && ref != "":
			return conflict("unable to remove repository reference %q (must force) - container %s is using its referenced image %s", reference.Familiar(ref), short(u.Container), short(img.ID))
		case !o.Force:
			return conflict("unable to delete %s (must be forced) - image is being used by stopped container %s", short(img.ID), short(u.Container))
		}
	}
	for _, u := range users {
		if len(u.Layers) == 0 {
			continue
		}
		err := s.pins().Update(func(p *pinned) error {
			if *p == nil {
				*p = pinned{}
			}
			top := u.Layers[len(u.Layers)-1]
			(*p)[top] = append((*p)[top], containerPin+u.Container)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
