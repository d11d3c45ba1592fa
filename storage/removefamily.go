package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	cstorage "go.podman.io/storage"

	"github.com/dhow-containers/dhow/storage/manifest"
)

// losing is what goes with an image or with one of its names: the images that stand behind it and
// behind nobody else, and the indexes that are left without a name.
type losing struct {
	behind  []Image
	indexes []digest.Digest
}

// losing finds what goes when img, or with untag only its name ref, goes.
func (s *Store) losing(img Image, ref string, untag bool) (losing, error) {
	all, err := s.Images()
	if err != nil {
		return losing{}, err
	}
	return losingOf(all, img, ref, untag), nil
}

func losingOf(all []Image, img Image, ref string, untag bool) (l losing) {
	after := make([]Image, 0, len(all))
	for _, one := range all {
		if one.ID == img.ID {
			if !untag {
				continue
			}
			one.Names = slices.DeleteFunc(slices.Clone(one.Names), func(n string) bool { return n == ref })
			one.Targets = maps.Clone(one.Targets)
			delete(one.Targets, ref)
		}
		after = append(after, one)
	}
	targets := func(images []Image) map[digest.Digest]bool {
		found := map[digest.Digest]bool{}
		for _, one := range images {
			for _, x := range one.Targets {
				found[x] = true
			}
		}
		return found
	}
	kept := targets(after)
	for x := range targets(all) {
		if !kept[x] {
			l.indexes = append(l.indexes, x)
		}
	}
	headBefore, headAfter := Behind(all), Behind(after)
	named := map[string]bool{}
	for _, one := range after {
		named[one.ID] = len(one.Names) > 0
	}
	for _, one := range all {
		if headBefore[one.ID] == img.ID && !named[headAfter[one.ID]] {
			l.behind = append(l.behind, one)
		}
	}
	return l
}

// spareUsed leaves images that containers use, or that are mounted, out of what goes with a name.
func (s *Store) spareUsed(l *losing, o RemoveOptions) error {
	var unused []Image
	for _, img := range l.behind {
		used, err := s.used(img, o.Users)
		if err != nil {
			return err
		}
		if !used {
			unused = append(unused, img)
		}
	}
	l.behind = unused
	return nil
}

// used reports whether an image is mounted or a container uses it.
func (s *Store) used(img Image, ask func(Image) ([]User, error)) (bool, error) {
	if at, err := s.mountedAt(img.ID); at != "" || err != nil || ask == nil {
		return at != "", err
	}
	users, err := ask(img)
	if err != nil {
		return false, fmt.Errorf("asking who uses image %s: %w", short(img.ID), err)
	}
	return len(users) > 0, nil
}

// dropFamily removes the records of images behind another, and lets go of indexes without a name:
// their blobs go with the next sweep.
func (s *Store) dropFamily(lib cstorage.Store, l losing, rep *Removal) error {
	for _, img := range l.behind {
		if err := lib.Delete(img.ID); err != nil {
			return fmt.Errorf("deleting image %s: %w", short(img.ID), err)
		}
		rep.Deleted = append(rep.Deleted, "sha256:"+img.ID)
	}
	for _, x := range l.indexes {
		records, err := s.family(x)
		if err != nil {
			return err
		}
		for _, r := range records {
			err := s.updateMetadata(lib, r.ID, func(m *imageMetadata) {
				m.Indexes = slices.DeleteFunc(m.Indexes, func(d digest.Digest) bool { return d == x })
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// RemovePlatform removes the images of one platform, "os/arch[/variant]", of the index name stands
// for, unpacked and not. The name stays with the platforms that are left; with the last one it goes
// too, as Remove removes it.
func (s *Store) RemovePlatform(ctx context.Context, name, platform string, o RemoveOptions) (rep Removal, err error) {
	img, err := s.LookupFor(name, platform)
	if err != nil {
		return Removal{}, err
	}
	all, err := s.Images()
	if err != nil {
		return Removal{}, err
	}
	head, err := s.Lookup(name)
	if err != nil {
		return Removal{}, err
	}
	variants, err := s.Variants(head, all)
	if err != nil {
		return Removal{}, err
	}
	rest := slices.DeleteFunc(variants, func(v Variant) bool { return v.ID == img.ID })
	if len(rest) == 0 {
		return s.Remove(name, o)
	}
	if !img.Packed && len(img.Names) > 0 && rest[0].Packed {
		// The names go to an image that is unpacked.
		if _, err := s.Unpack(ctx, rest[0].Image); err != nil {
			return Removal{}, err
		}
	}
	lock, err := s.exclusive()
	if err != nil {
		return Removal{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	lib, err := s.library()
	if err != nil {
		return Removal{}, err
	}
	if !img.Packed {
		if err := s.checkUsers(img, "", o); err != nil {
			return Removal{}, err
		}
		if err := s.moveNames(img, rest[0].ID); err != nil {
			return Removal{}, err
		}
		if err := lib.Delete(img.ID); err != nil {
			return rep, fmt.Errorf("deleting image %s: %w", short(img.ID), err)
		}
		rep.Deleted = append(rep.Deleted, "sha256:"+img.ID)
	}
	// Without its manifest nothing leads to the blobs of a platform.
	list, err := s.packedIn(img.Index)
	if err != nil {
		return rep, err
	}
	for _, p := range list {
		if p.manifest == nil || !manifest.Image(p.Descriptor) || p.blobs[0].Digest.Encoded() != img.ID {
			continue
		}
		if err := os.Remove(s.vaultFile(p.Digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return rep, fmt.Errorf("removing blob %s: %w", shortDigest(p.Digest), err)
		}
		if img.Packed {
			rep.Deleted = append(rep.Deleted, p.Digest.String())
		}
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

// moveNames gives the names of an image to another one of its index.
func (s *Store) moveNames(from Image, to string) error {
	for _, n := range from.Names {
		r, err := s.findID(to, n)
		if err != nil {
			return err
		}
		if err := s.tagAs(r, []string{n}, from.Targets[n]); err != nil {
			return err
		}
	}
	return nil
}
