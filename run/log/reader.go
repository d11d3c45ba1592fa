package log

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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

// longestLine bounds a line of the file, in bytes: an entry with every byte escaped.
const longestLine = 6*longestPiece + 4096

// poll is how often a followed log is looked at.
const poll = 50 * time.Millisecond

// Read calls do for every wanted entry of the log at path, oldest first; rotated files come before the
// current one. A line that can not be read is left out: it is of a write that was cut short. A log that
// does not exist is empty.
func Read(ctx context.Context, path string, o ReadOptions, do func(Entry) error) error {
	files, err := open(path)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	r := reader{o: o, do: do}
	if o.Tail >= 0 {
		if err := skip(files, o.Tail); err != nil {
			return fmt.Errorf("reading the container's log: %w", err)
		}
	}
	for i, f := range files {
		if err := r.drain(ctx, f); err != nil || r.past {
			return err
		}
		if i == len(files)-1 && o.Follow {
			files[i] = nil
			last, err := r.follow(ctx, path, f)
			files[i] = last
			return err
		}
	}
	if o.Follow && len(files) == 0 {
		f, err := r.follow(ctx, path, nil)
		if f != nil {
			f.Close()
		}
		return err
	}
	return nil
}

// open opens the files of a log, oldest first.
func open(path string) ([]*os.File, error) {
	var files []*os.File
	for i := 0; ; i++ {
		name := path
		if i > 0 {
			name = rotated(path, i)
		}
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			if i == 0 {
				continue // just being rotated, or never written
			}
			break
		}
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			return nil, fmt.Errorf("reading the container's log: %w", err)
		}
		files = append([]*os.File{f}, files...)
	}
	return files, nil
}

// skip sets the files' positions so that the last n lines of all are ahead.
func skip(files []*os.File, n int) error {
	for i := len(files) - 1; i >= 0; i-- {
		at, found, err := tail(files[i], n)
		if err != nil {
			return err
		}
		if _, err := files[i].Seek(at, io.SeekStart); err != nil {
			return err
		}
		n -= found
	}
	return nil
}

// tail gives the place where the last n lines of f begin, and how many there are.
func tail(f *os.File, n int) (at int64, found int, err error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return end, 0, err
	}
	buf := make([]byte, 64<<10)
	for pos := end; pos > 0; {
		size := min(int64(len(buf)), pos)
		pos -= size
		if _, err := f.ReadAt(buf[:size], pos); err != nil {
			return 0, 0, err
		}
		for i := size - 1; i >= 0; i-- {
			if buf[i] != '\n' || pos+i == end-1 {
				continue
			}
			if found++; found == n {
				return pos + i + 1, n, nil
			}
		}
	}
	if end > 0 {
		found++
	}
	return 0, found, nil
}

type reader struct {
	o    ReadOptions
	do   func(Entry) error
	rest []byte // of a line that is not whole yet
	past bool   // Until was reached
}

// drain reads to the file's end.
func (r *reader) drain(ctx context.Context, f *os.File) error {
	b := bufio.NewReaderSize(f, 32<<10)
	for {
		part, err := b.ReadSlice('\n')
		if len(r.rest)+len(part) <= longestLine {
			r.rest = append(r.rest, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the container's log: %w", err)
		}
		if err := r.line(r.rest); err != nil {
			return err
		}
		r.rest = r.rest[:0]
		if r.past {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (r *reader) line(b []byte) error {
	var e Entry
	if len(bytes.TrimSpace(b)) == 0 || json.Unmarshal(b, &e) != nil {
		return nil
	}
	if !r.o.Until.IsZero() && e.Time.After(r.o.Until) {
		r.past = true
		return nil
	}
	if !r.o.Since.IsZero() && e.Time.Before(r.o.Since) {
		return nil
	}
	return r.do(e)
}

// follow reads on in f, and in the file that takes its place. It gives the file it ended in.
func (r *reader) follow(ctx context.Context, path string, f *os.File) (*os.File, error) {
	for {
		ended := r.o.Ended == nil || r.o.Ended()
		if f != nil {
			if err := r.drain(ctx, f); err != nil || r.past {
				return f, err
			}
		}
		if next := newer(path, f); next != nil {
			if f != nil {
				err := r.drain(ctx, f) // what was written before it was moved away
				f.Close()
				if err != nil {
					return next, err
				}
			}
			f = next
			continue
		}
		if ended || !r.o.Until.IsZero() && time.Now().After(r.o.Until) {
			return f, nil
		}
		select {
		case <-ctx.Done():
			return f, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// newer opens the file that was begun after f: the rotated ones come first, so that several rotations
// between two looks lose nothing that is still there. It gives nil while f is the newest.
func newer(path string, f *os.File) *os.File {
	files, err := open(path)
	if err != nil {
		return nil
	}
	at := 0
	for i, g := range files {
		if same(f, g) { // a rotation meanwhile can show it twice
			at = i + 1
		}
	}
	var next *os.File
	for i, g := range files {
		if i == at {
			next = g
			continue
		}
		g.Close()
	}
	return next
}

func same(f, g *os.File) bool {
	if f == nil {
		return false
	}
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := g.Stat()
	return err == nil && os.SameFile(a, b)
}
