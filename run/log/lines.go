package log

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// LineOptions says which lines of a file that is rotated are wanted.
type LineOptions struct {
	Tail int // the last lines only; negative is all
	// Follow goes on with what is written until Ended reports true and everything was read, Until has
	// passed, or the context ends.
	Follow bool
	Until  time.Time   // zero is without bound
	Ended  func() bool // nil is never
	// Wait returns when it is time to look again; nil looks after a moment.
	Wait func(context.Context)
}

// longestLine bounds a line of the file, in bytes: an entry with every byte escaped.
const longestLine = 6*longestPiece + 4096

// poll is how often a followed file is looked at.
const poll = 50 * time.Millisecond

// Lines calls do for every wanted line, line feed included, of the file at path and of those that were
// moved away from it (path.1 is the newest), oldest first, until do wants no more. Of an overlong line
// only the beginning is given. A file that does not exist is empty.
func Lines(ctx context.Context, path string, o LineOptions, do func(line []byte) (more bool, err error)) error {
	files, err := open(path)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if o.Wait == nil {
		o.Wait = func(ctx context.Context) {
			select {
			case <-ctx.Done():
			case <-time.After(poll):
			}
		}
	}
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
	o    LineOptions
	do   func([]byte) (bool, error)
	rest []byte // of a line that is not whole yet
	past bool   // no more is wanted
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
		more, err := r.do(r.rest)
		if err != nil {
			return err
		}
		r.rest = r.rest[:0]
		if !more {
			r.past = true
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// follow reads on in f, and in the file that takes its place. It gives the file it ended in.
func (r *reader) follow(ctx context.Context, path string, f *os.File) (*os.File, error) {
	for {
		ended := r.o.Ended != nil && r.o.Ended()
		if f != nil {
			r.rewind(f)
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
		if r.o.Wait(ctx); ctx.Err() != nil {
			return f, ctx.Err()
		}
	}
}

// rewind goes back to the beginning of a file that somebody has emptied to make room.
func (r *reader) rewind(f *os.File) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return
	}
	if st, err := f.Stat(); err == nil && st.Size() < at {
		r.rest = nil
		_, _ = f.Seek(0, io.SeekStart)
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
