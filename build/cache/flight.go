package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// Flight is the right to make the layer of a key: nobody else makes it until Keep or Close. Its
// holder must not ask for another key's flight meanwhile.
type Flight struct {
	cache *Cache
	key   string
	below string
	lock  *Lock
	fresh bool
}

// waitNotice is after how long a wait for another process is worth a word.
const waitNotice = 2 * time.Second

// Make gives the right to make the layer of key on a filesystem with the identity below, or the
// layer when it came in the meantime: exactly one result is not nil when the error is nil. While
// another process makes the layer, Make waits for it; waiting is called once when that takes more
// than two seconds.
//
// With fresh set a layer that is there does not count, nor does one ever that was made on another
// layer than below. Keep then replaces it, or, when somebody uses it, leaves it alone and keeps the
// new one for this build only. Waiting for the users could be for ever: they may be waiting for a
// layer of this build.
func (c *Cache) Make(ctx context.Context, key, below string, fresh bool, waiting func()) (*Flight, *Layer, error) {
	if err := checkKey(key); err != nil {
		return nil, nil, err
	}
	apart := &Flight{cache: c, key: key, below: below, fresh: true}
	if fresh {
		return apart, nil, nil
	}
	start, pause := time.Now(), 2*time.Millisecond
	for {
		l, err := c.Find(key, below)
		if l != nil || err != nil {
			return nil, l, err
		}
		lock, err := TryLock(c.lockPath(key), true)
		if err != nil {
			return nil, nil, err
		}
		r, err := c.usable(key)
		switch {
		case err != nil:
			lock.Close()
			return nil, nil, err
		case lock != nil && (r == nil || r.Below != below):
			return &Flight{cache: c, key: key, below: below, lock: lock}, nil, nil
		case lock != nil: // it came between the two locks
			lock.Close()
			if ctx.Err() == nil {
				continue
			}
		case r != nil && r.Below != below:
			// In the way is somebody who uses the old one, or who makes a new one.
			users, err := TryLock(c.lockPath(key), false)
			if err != nil {
				return nil, nil, err
			}
			if users != nil {
				users.Close()
				return apart, nil, nil
			}
		}
		if waiting != nil && time.Since(start) > waitNotice {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(pause*2, 200*time.Millisecond)
	}
}

// Made is a finished layer on its way into the cache.
type Made struct {
	Dir   string // the tree; it is renamed away
	Links ownership.Links
	Name  string
	Size  int64
	Note  json.RawMessage
	// Created is when the step ended; zero is now.
	Created time.Time
	// Once says that the tree may be other than its key tells: it serves this build and no other.
	Once bool
}

// Keep puts a finished layer in place and gives it, held. The flight ends in every case. The tree
// is renamed first and the record written last: a crash in between leaves a tree without a record,
// which the next flight of the key or a prune removes.
func (f *Flight) Keep(m Made) (*Layer, error) {
	l, err := f.keep(m)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("keeping the layer of %s: %w", m.Name, err)
	}
	return l, nil
}

func (f *Flight) keep(m Made) (*Layer, error) {
	c := f.cache
	once := m.Once
	if f.fresh && !once {
		var err error
		if f.lock, err = TryLock(c.lockPath(f.key), true); err != nil {
			return nil, err
		}
		once = f.lock == nil
	}
	if once {
		f.lock.Close()
		f.key = randomHex(32)
		var err error
		if f.lock, err = TryLock(c.lockPath(f.key), true); err != nil {
			return nil, err
		}
	}
	if err := c.drop(f.key); err != nil {
		return nil, err
	}
	if err := os.Rename(m.Dir, c.layerPath(f.key)); err != nil {
		return nil, err
	}
	if m.Created.IsZero() {
		m.Created = time.Now()
	}
	r := Record{Key: f.key, Serial: randomHex(16), Below: f.below, Name: m.Name, Created: m.Created.UTC(), Links: m.Links, Size: m.Size,
		Note: m.Note, Once: once}
	r.Boot, r.Uptime = now()
	if err := c.write(r); err != nil {
		os.RemoveAll(c.layerPath(f.key))
		return nil, err
	}
	l, err := c.open(f.key, f.lock)
	if err == nil && l == nil {
		err = fmt.Errorf("it vanished")
	}
	if err != nil {
		return nil, err
	}
	// From here on the open directory keeps the tree reachable for this process.
	f.lock = nil
	if ok, err := l.lock.Share(); err != nil || !ok {
		l.Release()
		if err == nil {
			err = fmt.Errorf("it was pruned at once")
		}
		return nil, err
	}
	c.used(l.Key)
	return l, nil
}

// Close gives the right back without a layer. It may be called after Keep.
func (f *Flight) Close() {
	if f != nil {
		f.lock.Close()
		f.lock = nil
	}
}
