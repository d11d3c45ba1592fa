package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// arrival puts the layers of an image that is on its way in place, each as soon as those below it
// are: layers come in any order. A pin keeps them when the pull breaks off, so that the next one goes
// on from there.
type arrival struct {
	s     *Store
	diffs []digest.Digest // base first
	chain []string        // the layers' ids

	placing sync.Mutex // one at a time, in order
	pin     string

	mu     sync.Mutex
	placed int // so many
	trees  map[int]*staged
	here   []bool                // arrived, or to be had from the store
	had    []bool                // was there without anything being fetched
	kept   map[int]digest.Digest // the blobs whose bytes stay until the layer is placed
}

// keepArrived is how long the layers of a pull that broke off wait for the next one.
const keepArrived = 24 * time.Hour

const arrivalPin = "pull:"

func (s *Store) newArrival(diffs []digest.Digest) *arrival {
	a := &arrival{s: s, diffs: diffs, trees: map[int]*staged{}, kept: map[int]digest.Digest{}, here: make([]bool, len(diffs)), had: make([]bool, len(diffs)),
		pin: arrivalPin + strconv.FormatInt(time.Now().Unix(), 10)}
	parent := ""
	for _, d := range diffs {
		parent = chainID(parent, d)
		a.chain = append(a.chain, parent)
	}
	return a
}

// present tells whether layer i need not be fetched: the store has it in its place, or has its content
// elsewhere.
func (a *arrival) present(i int) (bool, error) {
	_, ok, err := a.s.holdBlob(a.diffs[i], a.diffs[i])
	if err != nil || !ok {
		return false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.here[i], a.had[i] = true, true
	return true, nil
}

// twice notes that layer i has the content of one that is on its way.
func (a *arrival) twice(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.here[i] = true
}

// take gives the tree of layer i to the arrival.
func (a *arrival) take(i int, t *staged) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trees[i], a.here[i] = t, true
}

// place puts in place what can be.
func (a *arrival) place(ctx context.Context) error {
	a.placing.Lock()
	defer a.placing.Unlock()
	for i := a.placed; i < len(a.diffs); i++ {
		a.mu.Lock()
		here, t := a.here[i], a.trees[i]
		delete(a.trees, i)
		a.mu.Unlock()
		if !here {
			return nil
		}
		parent := ""
		if i > 0 {
			parent = a.chain[i-1]
		}
		if err := a.s.putInPlace(ctx, parent, a.diffs[i], t, a.pin); err != nil {
			return err
		}
		a.mu.Lock()
		a.placed = i + 1
		kept, ok := a.kept[i]
		a.mu.Unlock()
		if ok {
			if err := a.s.dropBytes(kept); err != nil {
				return err
			}
		}
	}
	return nil
}

// isPlaced tells whether layer i is where every command finds it.
func (a *arrival) isPlaced(i int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.placed > i
}

// isNext tells whether layer i goes into its place as soon as it is here.
func (a *arrival) isNext(i int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.placed == i
}

// keep has the bytes of a blob go as soon as layer i is placed. They are not locked any more.
func (a *arrival) keep(i int, blob digest.Digest) error {
	a.mu.Lock()
	a.kept[i] = blob
	placed := a.placed > i
	a.mu.Unlock()
	if !placed {
		return nil
	}
	return a.s.dropBytes(blob)
}

// putInPlace makes a layer on parent, from the tree or from what the store has of that content.
func (s *Store) putInPlace(ctx context.Context, parent string, diff digest.Digest, t *staged, pin string) (err error) {
	lock, err := s.shared()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	made, err := s.layerOn(ctx, parent, diff, t)
	if err != nil || !made {
		return err
	}
	return s.pins().Update(func(p *pinned) error {
		if *p == nil {
			*p = pinned{}
		}
		id := chainID(parent, diff)
		(*p)[id] = append((*p)[id], pin)
		return nil
	})
}

// layerOn makes the layer diff on parent out of a staged tree, or of what the store has of the
// content when t is nil; false when the layer is there. The tree is used up. The caller holds the
// shared lock.
func (s *Store) layerOn(ctx context.Context, parent string, diff digest.Digest, t *staged) (made bool, err error) {
	records, err := s.layerRecords()
	if err != nil {
		return false, err
	}
	id := chainID(parent, diff)
	if _, have := records[id]; have {
		if t != nil {
			err = t.drop()
		}
		return false, errors.Join(err, s.keep(id))
	}
	if t == nil {
		if t, err = s.restage(ctx, diff); err != nil {
			return false, err
		}
	}
	_, err = s.adopt(parent, *t)
	t.tarSplit = nil // adopt has closed it
	if err != nil {
		return false, errors.Join(err, t.drop())
	}
	return true, nil
}

// close drops what was not put in place. Where the next pull can go on, the bytes of the layers stay.
func (a *arrival) close(failed error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	if failed == nil && a.placed < len(a.diffs) {
		errs = append(errs, fmt.Errorf("layer %d did not arrive", a.placed+1))
	}
	for i, t := range a.trees {
		errs = append(errs, t.drop())
		delete(a.trees, i)
	}
	if failed != nil && !errors.Is(failed, context.Canceled) && !continuable(failed) {
		for _, blob := range a.kept {
			errs = append(errs, a.s.dropBytes(blob))
		}
	}
	return errors.Join(errs...)
}

// settled ends the pins of this pull, and those that killed ones left on its layers: an image has them now.
// Pulls that are still at work on one of them have it by their leases.
func (a *arrival) settled() error {
	return a.s.unpin(a.chain, func(owner string) bool { return strings.HasPrefix(owner, arrivalPin) })
}

// dropArrivals ends the pins of pulls nobody came back to; of all with all.
func (s *Store) dropArrivals(all bool) error {
	pins, err := s.pins().Read()
	if err != nil {
		return err
	}
	void := func(o string) bool { return voidPin(o, all) }
	found := false
	for _, owners := range pins {
		found = found || slices.ContainsFunc(owners, void)
	}
	if !found {
		return nil
	}
	return s.pins().Update(func(p *pinned) error {
		for id, owners := range *p {
			owners = slices.DeleteFunc(owners, void)
			if len(owners) == 0 {
				delete(*p, id)
			} else {
				(*p)[id] = owners
			}
		}
		return nil
	})
}

// voidPin tells whether owner is a pull that is long over, or any pull with all.
func voidPin(owner string, all bool) bool {
	at, ok := strings.CutPrefix(owner, arrivalPin)
	if !ok || all {
		return ok
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	return err != nil || time.Since(time.Unix(seconds, 0)) > keepArrived
}
