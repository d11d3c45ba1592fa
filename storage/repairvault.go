package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
)

// unpackAgain makes an image that was taken away again from its index, when that is kept whole.
func (s *Store) unpackAgain(ctx context.Context, img lostImage) bool {
	for _, x := range slices.Backward(img.indexes) {
		list, err := s.packedIn(x)
		if err != nil {
			continue
		}
		for _, p := range list {
			if !p.whole || p.blobs[0].Digest.Encoded() != img.id {
				continue
			}
			t := &target{local: local{name: img.id}, s: s, digests: img.digests}
			if got, err := s.unpackEntry(ctx, x, p.Descriptor, t); err == nil && got.ID == img.id {
				return true
			}
		}
	}
	return false
}

// nameAgain gives an image that is back the names it had, for the indexes they stood for.
func (s *Store) nameAgain(img lostImage) (err error) {
	lib, err := s.library()
	if err != nil {
		return err
	}
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	err = s.updateMetadata(lib, img.id, func(m *imageMetadata) {
		for _, x := range img.indexes {
			if !slices.Contains(m.Indexes, x) {
				m.Indexes = append(m.Indexes, x)
			}
		}
	})
	if err != nil {
		return err
	}
	r, err := s.findID(img.id, img.id)
	if err != nil {
		return err
	}
	for _, name := range img.names {
		if err := s.tagAs(r, []string{name}, img.targets[name]); err != nil {
			return err
		}
	}
	return s.flush("")
}

// damagedIndex is an index some of whose blobs are not what they are to be.
type damagedIndex struct {
	digest  digest.Digest
	digests []string // references to it at registries
}

// repairVault fetches the damaged and missing blobs of indexes again. What can not be fetched is
// taken away: the platform is not kept any more, images made of it stay.
func (s *Store) repairVault(ctx context.Context, found []Problem, o RepairOptions) (done []Repaired) {
	damaged := map[digest.Digest]bool{}
	for _, p := range found {
		if p.Blob != "" {
			damaged[p.Blob] = true
		}
	}
	if len(damaged) == 0 {
		return nil
	}
	indexes, err := s.dropDamaged(ctx, damaged)
	if err != nil {
		return []Repaired{{Text: "blobs of indexes", Err: err}}
	}
	for _, x := range indexes {
		text := "index " + shortDigest(x.digest)
		errs := []error{errors.New("it came from no registry")}
		for _, at := range x.digests {
			_, err := s.PullAll(ctx, at, PullOptions{Progress: o.Progress})
			if err == nil {
				errs = nil
				break
			}
			errs = append(errs, err)
		}
		if errs == nil {
			done = append(done, Repaired{Text: text + ": fetched again"})
			continue
		}
		if err := s.dropPartial(x.digest); err != nil {
			errs = append(errs, err)
		}
		done = append(done, Repaired{Text: text, Err: fmt.Errorf("%s lost platforms that were damaged and can not be fetched again: %w", text, errors.Join(errs...))})
	}
	return done
}

// dropDamaged removes blobs whose content is wrong and gives the indexes that lead to damaged ones.
func (s *Store) dropDamaged(ctx context.Context, damaged map[digest.Digest]bool) (list []damagedIndex, err error) {
	lock, err := s.exclusive()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	records, err := s.imageRecords(nil)
	if err != nil {
		return nil, err
	}
	at := map[digest.Digest]int{}
	for _, r := range records {
		m, _ := r.metadata()
		for _, x := range m.Indexes {
			reached := map[digest.Digest]bool{}
			s.reach(x, reached)
			hit := false
			for d := range reached {
				hit = hit || damaged[d]
			}
			if !hit {
				continue
			}
			i, known := at[x]
			if !known {
				i = len(list)
				at[x] = i
				list = append(list, damagedIndex{digest: x})
			}
			for _, d := range atIndex(m.Digests, x) {
				if !slices.Contains(list[i].digests, d) {
					list[i].digests = append(list[i].digests, d)
				}
			}
		}
	}
	for d := range damaged {
		ok, err := s.verifyBlob(ctx, d)
		if err != nil {
			return list, err
		}
		if ok {
			continue // a manifest that misses a blob
		}
		if err := os.Remove(s.vaultFile(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return list, err
		}
	}
	return list, nil
}

// dropPartial removes the manifests of an index whose blobs are not all here: what is left of these
// goes with the next sweep.
func (s *Store) dropPartial(index digest.Digest) (err error) {
	lock, err := s.exclusive()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	list, err := s.packedIn(index)
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.whole {
			continue
		}
		if err := os.Remove(s.vaultFile(p.Digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
