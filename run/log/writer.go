// Package log keeps what a container writes, in docker's json-file format: one JSON object a line,
// {"log":"text\n","stream":"stdout","time":"RFC 3339 with nanoseconds"}, in files that are rotated by
// size (moby: daemon/logger/jsonfilelog). A line of the payload that is longer than 16 KiB is kept in
// pieces, of which only the last ends with a line feed.
//
// The writer belongs to the container's monitor; readers need only the files.
package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	units "github.com/docker/go-units"
)

// The drivers.
const (
	JSONFile = "json-file"
	None     = "none"
)

// longestPiece is docker's bound of one entry's text, in bytes.
const longestPiece = 16 << 10

// Options are the limits of a log.
type Options struct {
	MaxSizeBytes int64 // of one file; -1 is without limit
	MaxFiles     int   // kept, the current one included; at least 1
}

// Path is the log of container id in its directory.
func Path(dir, id string) string { return filepath.Join(dir, id+"-json.log") }

// ParseOptions reads --log-driver and --log-opt. An unknown driver or option is an error, as is what can
// not be kept.
func ParseOptions(driver string, options map[string]string) (Options, error) {
	o := Options{MaxSizeBytes: -1, MaxFiles: 1}
	switch driver {
	case "", JSONFile, None:
	default:
		return o, fmt.Errorf("logger: no log driver named '%s' is registered: there are json-file and none", driver)
	}
	for key, value := range options {
		switch key {
		case "max-size":
			n, err := units.FromHumanSize(value)
			if err == nil && n <= 0 {
				err = errors.New("it must be positive")
			}
			if err != nil {
				return o, fmt.Errorf("invalid value for log-opt max-size: %q", value)
			}
			o.MaxSizeBytes = n
		case "max-file":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 1000 {
				return o, fmt.Errorf("invalid value for log-opt max-file: %q: want a number from 1 to 1000", value)
			}
			o.MaxFiles = n
		default:
			return o, fmt.Errorf("unknown log opt '%s' for json-file log driver", key)
		}
	}
	if o.MaxFiles > 1 && o.MaxSizeBytes < 0 {
		return o, errors.New("max-file set without max-size")
	}
	return o, nil
}

// Writer appends to a log. Its methods may be called from many goroutines.
type Writer struct {
	mu      sync.Mutex
	path    string
	o       Options
	file    *os.File
	size    int64
	partial map[string][]byte // by stream: what is not a whole line yet
	failed  error
}

// Create opens the log at path for appending; it is made when it is missing.
func Create(path string, o Options) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening the container's log: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the container's log: %w", err), f.Close())
	}
	w := &Writer{path: path, o: o, file: f, size: st.Size(), partial: map[string][]byte{}}
	w.mend()
	return w, nil
}

// mend ends a line that a killed monitor has left unfinished.
func (w *Writer) mend() {
	if w.size == 0 {
		return
	}
	r, err := os.Open(w.path)
	if err != nil {
		return
	}
	defer r.Close()
	var last [1]byte
	if _, err := r.ReadAt(last[:], w.size-1); err == nil && last[0] != '\n' {
		n, _ := w.file.Write([]byte{'\n'})
		w.size += int64(n)
	}
}

// Write keeps what was read from a stream ("stdout", "stderr"). A failure does not stop the container:
// it is given by Close, and later writes are tried again.
func (w *Writer) Write(stream string, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	part := w.partial[stream]
	for len(data) > 0 {
		reach := data[:min(len(data), longestPiece-len(part))]
		n := bytes.IndexByte(reach, '\n') + 1
		if n == 0 {
			n = len(reach)
		}
		whole := data[n-1] == '\n' || len(part)+n == longestPiece
		switch {
		case whole && len(part) == 0:
			w.entry(stream, data[:n], now)
		case whole:
			w.entry(stream, append(part, data[:n]...), now)
			part = part[:0]
		default:
			part = append(part, data[:n]...)
		}
		data = data[n:]
	}
	w.partial[stream] = part
}

// entry writes one line of the file.
func (w *Writer) entry(stream string, text []byte, now time.Time) {
	line, err := json.Marshal(Entry{Log: string(text), Stream: stream, Time: now.UTC()})
	if err != nil {
		w.failed = err
		return
	}
	line = append(line, '\n')
	if w.o.MaxSizeBytes > 0 && w.size > 0 && w.size+int64(len(line)) > w.o.MaxSizeBytes {
		if err := w.rotate(); err != nil {
			w.failed = err
		}
	}
	n, err := w.file.Write(line)
	w.size += int64(n)
	if err != nil {
		w.failed = err
		if n > 0 { // a full disk: half a line would spoil the next one
			if w.file.Truncate(w.size-int64(n)) == nil {
				w.size -= int64(n)
			}
		}
	}
}

// rotate moves the files on by one number, the oldest away, and begins a new one.
func (w *Writer) rotate() error {
	if w.o.MaxFiles > 1 {
		for i := w.o.MaxFiles - 1; i > 1; i-- {
			err := os.Rename(rotated(w.path, i-1), rotated(w.path, i))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("rotating the container's log: %w", err)
			}
		}
		if err := os.Rename(w.path, rotated(w.path, 1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotating the container's log: %w", err)
		}
	} else if err := os.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotating the container's log: %w", err)
	}
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("rotating the container's log: %w", err)
	}
	w.file.Close()
	w.file, w.size = f, 0
	return nil
}

// rotated is the name of an older file; docker's ".1" is the newest of them.
func rotated(path string, n int) string { return path + "." + strconv.Itoa(n) }

// Close writes what was not ended by a line feed and closes the log. The error is the last failure of
// any write.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for stream, part := range w.partial {
		if len(part) > 0 {
			w.entry(stream, part, time.Now())
		}
	}
	w.partial = map[string][]byte{}
	err := w.failed
	if err != nil {
		err = fmt.Errorf("writing the container's log: %w", err)
	}
	return errors.Join(err, w.file.Close())
}
