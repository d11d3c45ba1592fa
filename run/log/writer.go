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
	"strings"
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
	case "", JSONFile, None, "k8s-file", "local":
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
	partial map[string]*bytes.Buffer // by stream: what is not a whole line yet
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
	w := &Writer{path: path, o: o, file: f, size: st.Size(), partial: map[string]*bytes.Buffer{}}
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
		i := bytes.IndexByte(data, '\n') + 1
		if i == 0 || i > longestPiece {
			i = min(len(data), longestPiece)
		}
		piece := data[:i]
		data = data[i:]
		whole := piece[len(piece)-1] == '\n'
		if part != nil && part.Len() > 0 {
			room := longestPiece - part.Len()
			if room < len(piece) {
				data = data[:0:0]
				rest := append(append([]byte(nil), piece[room:]...), dataAfter(piece, room, data)...)
				part.Write(piece[:room])
				w.entry(stream, part.Bytes(), now)
				part.Reset()
				data = rest
				continue
			}
			part.Write(piece)
			if whole || part.Len() == longestPiece {
				w.entry(stream, part.Bytes(), now)
				part.Reset()
			}
			continue
		}
		if whole || len(piece) == longestPiece {
			w.entry(stream, piece, now)
			continue
		}
		if part == nil {
			part = new(bytes.Buffer)
			w.partial[stream] = part
		}
		part.Write(piece)
	}
}
