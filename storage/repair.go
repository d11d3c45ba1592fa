package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	cstorage "go.podman.io/storage"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/progress"
)

// RepairOptions guide Repair.
type RepairOptions struct {
	// Users gives the layers of containers by layer id: what they stand on is not taken from under
	// them.
	Users    func() (map[string]string, error)
	Progress progress.Func
}

// Repaired is what became of one thing.
type Repaired struct {
	Text string
	Err  error // nil when it is whole again, or gone without loss
}

// lostImage is an image that is taken away to be fetched again.
type lostImage struct {
	id, platform   string
	names, digests []string
	indexes        []digest.Digest
	targets        map[string]digest.Digest
}

// Repair cures what Check found. Damaged layers go, with the images that have them; what of these
// came from a registry is fetched again by its digest, and gets its names back. The layers that are
// whole are not fetched.
func (s *Store) Repair(ctx context.Context, found []Problem, o RepairOptions) (done []Repaired, err error) {
	lost, done, err := s.takeAway(found, o)
	if err != nil {
		return done, err
	}
	for _, img := range lost {
		done = append(done, s.fetchAgain(ctx, img, o))
	}
	done = append(done, s.repairVault(ctx, found, o)...)
	_, err = s.Sweep()
	return done, err
}

func (s *Store) takeAway(found []Problem, o RepairOptions) (lost []lostImage, done []Repaired, err error) {
	lock, err := s.exclusive()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	lib, err := s.library()
	if err != nil {
		return nil, nil, err
	}
	layers, err := s.layerRecords()
	if err != nil {
		return nil, nil, err
	}
	bad, badImages := map[string]bool{}, map[string]bool{}
	for _, p := range found {
		switch {
		case p.Layer != "":
			bad[p.Layer] = true
		case p.Image != "":
			badImages[p.Image] = true
		}
	}
	used := map[string]string{}
	if o.Users != nil {
		if used, err = o.Users(); err != nil {
			return nil, nil, err
		}
	}
	leased, err := s.leased()
	if err != nil {
		return nil, nil, err
	}
	if err := leased.release(); err != nil {
		return nil, nil, err
	}
	// A layer on a damaged one goes with it, unless somebody uses it.
	var going []string
	for _, id := range baseFirst(layers) {
		if bad[id] || bad[layers[id].Parent] {
			bad[id] = true
			going = append(going, id)
		}
	}
	slices.Reverse(going)
	for _, id := range going {
		who := ""
		if c, ok := used[id]; ok {
			who = "container " + short(c)
		} else if leased.kept[id] {
			who = "a running command"
		}
		if who == "" {
			continue
		}
		for at := id; at != ""; at = layers[at].Parent {
			if bad[at] {
				done = append(done, Repaired{Text: "layer " + short(at), Err: fmt.Errorf("layer %s is damaged and stays: %s uses it", short(at), who)})
				delete(bad, at)
			}
		}
	}
	records, err := s.imageRecords(nil)
	if err != nil {
		return nil, done, err
	}
	var keep []string
	for _, r := range records {
		m, whole := r.metadata()
		if !whole {
			continue
		}
		hit := badImages[r.ID]
		for at := r.TopLayer; at != "" && !hit; at = layers[at].Parent {
			hit = bad[at]
		}
		if !hit {
			continue
		}
		for at := r.TopLayer; at != ""; at = layers[at].Parent {
			if !bad[at] {
				keep = append(keep, at)
			}
		}
		lost = append(lost, lostImage{id: r.ID, platform: s.platformOf(r, m), names: r.Names, digests: m.Digests, indexes: m.Indexes, targets: m.Targets})
		for _, x := range m.Indexes {
			reached := map[digest.Digest]bool{}
			s.reach(x, reached)
			for d := range reached {
				keep = append(keep, leasedBlob(d))
			}
		}
		if err := lib.Delete(r.ID); err != nil {
			return lost, done, fmt.Errorf("removing damaged image %s: %w", short(r.ID), err)
		}
	}
	if err := s.keep(keep...); err != nil {
		return lost, done, err
	}
	err = s.pins().Update(func(p *pinned) error {
		for id := range bad {
			delete(*p, id)
		}
		return nil
	})
	if err != nil {
		return lost, done, err
	}
	for _, id := range going {
		if !bad[id] {
			continue
		}
		if err := lib.DeleteLayer(id); err != nil && !errors.Is(err, cstorage.ErrLayerUnknown) && !errors.Is(err, cstorage.ErrNotALayer) {
			return lost, done, fmt.Errorf("removing damaged layer %s: %w", short(id), err)
		}
		done = append(done, Repaired{Text: "layer " + short(id) + ": removed"})
	}
	for _, p := range found {
		if p.Path == "" {
			continue
		}
		if c, ok := used[p.Mapped]; ok {
			done = append(done, Repaired{Text: p.Text, Err: fmt.Errorf("mapped files of layer %s are damaged and stay: container %s uses it", short(p.Mapped), short(c))})
			continue
		}
		err := s.removeFound(p.Path)
		done = append(done, Repaired{Text: p.Text + ": removed", Err: err})
	}
	return lost, done, nil
}

// platformOf is the platform of a record's image, "" when its config can not be read.
func (s *Store) platformOf(r imageRecord, m imageMetadata) string {
	raw, err := os.ReadFile(s.imageDataFile(r.ID, m.Config.String()))
	if err != nil {
		return ""
	}
	c, err := image.Parse(raw)
	if err != nil || c.OS == "" || c.Architecture == "" {
		return ""
	}
	platform := c.OS + "/" + c.Architecture
	if c.Variant != "" {
		platform += "/" + c.Variant
	}
	return platform
}

func (s *Store) fetchAgain(ctx context.Context, img lostImage, o RepairOptions) Repaired {
	text := "image " + short(img.id) + inBrackets(img.names)
	if s.unpackAgain(ctx, img) {
		if err := s.nameAgain(img); err != nil {
			return Repaired{Text: text, Err: err}
		}
		return Repaired{Text: text + ": unpacked again"}
	}
	if len(img.digests) == 0 {
		return Repaired{Text: text, Err: fmt.Errorf("%s is removed: it was damaged and came from no registry", text)}
	}
	var errs []error
	for _, at := range img.digests {
		got, err := s.Pull(ctx, at, PullOptions{Platform: img.platform, Progress: o.Progress})
		if err == nil && got.ID != img.id {
			err = fmt.Errorf("%s is another image now", at)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := s.nameAgain(img); err != nil {
			return Repaired{Text: text, Err: err}
		}
		return Repaired{Text: text + ": fetched again"}
	}
	return Repaired{Text: text, Err: fmt.Errorf("%s is removed: it was damaged and can not be fetched again: %w", text, errors.Join(errs...))}
}

func idOf(element []byte) (string, error) {
	var r struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(element, &r)
	return r.ID, err
}
