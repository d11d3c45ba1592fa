package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/storage/journal"
)

// A note is a small fact that is costly to find out again, such as the digest of some files of a
// layer: the file notes/KEY, which holds the key, a line feed and the fact. It is true for ever or of no
// use, so it is written without a lock and forgotten without harm. It is not flushed: after a power cut
// the file may be empty, zeros, or what another file held before, so it is believed only with its key.

// noteAge is how long a note that nobody reads is kept.
const noteAge = 30 * 24 * time.Hour

func (c *Cache) notePath(key string) string { return filepath.Join(c.dir, "notes", key) }

// Note gives the note of key, 64 hexadecimal digits; ok is false when there is none.
func (c *Cache) Note(key string) (value string, ok bool) {
	if checkKey(key) != nil {
		return "", false
	}
	data, err := os.ReadFile(c.notePath(key))
	value, ok = strings.CutPrefix(string(data), key+"\n")
	if err != nil || !ok || value == "" || strings.Contains(value, "\x00") {
		return "", false
	}
	now := time.Now()
	_ = os.Chtimes(c.notePath(key), now, now) // a note that looks unused goes a little early
	return value, true
}

// SetNote keeps a note.
func (c *Cache) SetNote(key, value string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "notes"), 0o700); err != nil {
		return fmt.Errorf("keeping a note: %w", err)
	}
	return journal.Replace(c.notePath(key), []byte(key+"\n"+value), 0o600, false)
}

// forget removes the notes nobody has read for long.
func (c *Cache) forget() error {
	list, err := os.ReadDir(filepath.Join(c.dir, "notes"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the build cache: %w", err)
	}
	for _, e := range list {
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > noteAge {
			os.Remove(c.notePath(e.Name()))
		}
	}
	return nil
}
