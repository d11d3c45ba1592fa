package log

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// Entry is one line of a log file.
type Entry struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// ReadOptions says which entries are wanted.
type ReadOptions struct {
	Since, Until time.Time // zero is without bound
	Tail         int       // the last entries only; negative is all
	// Follow goes on with what is written until Ended reports true and everything was read, Until has
	// passed, or the context ends.
	Follow bool
	// Ended reports whether nothing more will be written.
	Ended func() bool
}

// Read calls do for every wanted entry of the log at path, oldest first; rotated files come before the
// current one. A line that can not be read is left out: it is of a write that was cut short. A log that
// does not exist is empty.
func Read(ctx context.Context, path string, o ReadOptions, do func(Entry) error) error {
	lines := LineOptions{Tail: o.Tail, Follow: o.Follow, Until: o.Until, Ended: o.Ended}
	return Lines(ctx, path, lines, func(b []byte) (bool, error) {
		var e Entry
		if len(bytes.TrimSpace(b)) == 0 || json.Unmarshal(b, &e) != nil {
			return true, nil
		}
		if !o.Until.IsZero() && e.Time.After(o.Until) {
			return false, nil
		}
		if !o.Since.IsZero() && e.Time.Before(o.Since) {
			return true, nil
		}
		return true, do(e)
	})
}
