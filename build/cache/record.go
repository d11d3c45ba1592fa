package cache

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/journal"
)

// recordVersion is the form of a record on disk. A record of another version is not understood
// and not used; prune removes it.
const recordVersion = 1

// Record is what the cache knows of one layer.
type Record struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
	// Serial tells this making of the layer from any other of the same key. Below is the identity of
	// the filesystem it was made on, as the caller names it: on another one it does not count.
	Serial string `json:"serial"`
	Below  string `json:"below,omitempty"`
	// Name is what a person reads: the step as the progress showed it.
	Name string `json:"name"`
	// Created is when the step that made the layer ended; image history repeats it, so that an
	// image built from cached layers is the same image again.
	Created time.Time `json:"created"`
	// StoreLayer is the layer of the image store that the tree became, on top of StoreParent; both
	// are empty while it is in the cache.
	StoreLayer  string `json:"storeLayer,omitempty"`
	StoreParent string `json:"storeParent,omitempty"`
	// Links are the owners of the layer's symlinks, for single-id maps.
	Links ownership.Links `json:"links,omitempty"`
	// Boot and Uptime are when the record was written; see boot.go.
	Boot   string `json:"boot"`
	Uptime int64  `json:"uptime"`
	// Size is the sum of the sizes of the layer's files in bytes.
	Size int64 `json:"size"`
	// Note holds what a step found out besides its tree, in the step's own form.
	Note json.RawMessage `json:"note,omitempty"`
	// Once marks a layer that nobody can ask for again; it goes when its build ends.
	Once bool `json:"once,omitempty"`
}

var keyForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

func checkKey(key string) error {
	if !keyForm.MatchString(key) {
		return fmt.Errorf("cache key %q is not 64 hexadecimal digits", key)
	}
	return nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// read gives the record of key; nil when there is none or it is not to be used.
func (c *Cache) read(key string) (*Record, error) {
	data, err := os.ReadFile(c.recordPath(key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a cache record: %w", err)
	}
	var r Record
	if json.Unmarshal(data, &r) != nil || r.Version != recordVersion || r.Key != key {
		return nil, nil
	}
	return &r, nil
}

// write puts the record in place in one step, without waiting for the disk; see boot.go for what a
// power cut does.
func (c *Cache) write(r Record) error {
	r.Version = recordVersion
	data, err := json.Marshal(r)
	if err == nil {
		err = journal.Replace(c.recordPath(r.Key), data, 0o600, false)
	}
	if err != nil {
		return fmt.Errorf("recording a cached layer: %w", err)
	}
	return nil
}

// used counts a use of the record and stamps its time.
func (c *Cache) used(key string) {
	f, err := os.OpenFile(c.usesPath(key), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return // a full disk must not keep a cached layer from being used
	}
	_, _ = f.Write([]byte{'.'})
	f.Close()
}
