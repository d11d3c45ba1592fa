package layer

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"unicode/utf8"

	"github.com/vbatts/tar-split/tar/asm"
	split "github.com/vbatts/tar-split/tar/storage"
)

// Splitter writes the tar-split form of a tar: everything but the content of its files, so that the
// tar can be put together again byte for byte from that and the files. The format is that of
// vbatts/tar-split (one JSON object a line), which the storage library keeps for each layer.
//
// Files without content are not named, so that a path may come twice as long as at most one of them
// has content; the library's own splitter refuses such tars.
type Splitter struct {
	w       *bufio.Writer
	pos     int
	segment []byte
	seen    map[string]struct{}
	line    []byte
	crc     crc
}

// maxSegment bounds what a Splitter holds back.
const maxSegment = 1 << 20

// NewSplitter writes to w; end with Flush.
func NewSplitter(w io.Writer) *Splitter {
	return &Splitter{w: bufio.NewWriterSize(w, 64<<10), seen: map[string]struct{}{}}
}

// Raw adds bytes of the tar that are not content of a file: headers and padding.
func (s *Splitter) Raw(b []byte) error {
	s.segment = append(s.segment, b...)
	if len(s.segment) >= maxSegment {
		return s.flushSegment()
	}
	return nil
}

// Content begins the content of a file and gives the writer it goes to as well; End closes it.
func (s *Splitter) Content() io.Writer {
	s.crc.Reset()
	return &s.crc
}

// End names the file whose size bytes of content were just written to Content.
func (s *Splitter) End(name string, size int64) error {
	if size == 0 {
		return nil
	}
	clean := path.Clean("/" + name)
	if _, twice := s.seen[clean]; twice {
		return fmt.Errorf("%w: file %q comes twice with content, so the layer could not be put together again", ErrRefused, name)
	}
	s.seen[clean] = struct{}{}
	if err := s.flushSegment(); err != nil {
		return err
	}
	b := append(s.line[:0], `{"type":1,"name`...)
	if utf8.ValidString(name) {
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		b = append(append(b, `":`...), quoted...)
	} else {
		b = append(b, `_raw":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, []byte(name)), '"')
	}
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, size, 10)
	b = append(b, `,"payload":"`...)
	var sum [8]byte
	b = base64.StdEncoding.AppendEncode(b, s.crc.append(sum[:0]))
	return s.endLine(b)
}

// Flush writes what is held back.
func (s *Splitter) Flush() error {
	if err := s.flushSegment(); err != nil {
		return err
	}
	return s.w.Flush()
}

func (s *Splitter) flushSegment() error {
	if len(s.segment) == 0 {
		return nil
	}
	b := append(s.line[:0], `{"type":2,"payload":"`...)
	b = base64.StdEncoding.AppendEncode(b, s.segment)
	s.segment = s.segment[:0]
	return s.endLine(b)
}

func (s *Splitter) endLine(b []byte) error {
	b = append(b, `","position":`...)
	b = strconv.AppendInt(b, int64(s.pos), 10)
	b = append(b, "}\n"...)
	s.pos++
	s.line = b
	_, err := s.w.Write(b)
	return err
}

// Join writes the tar that tarSplit (uncompressed) and the files under dir make up.
func Join(w io.Writer, tarSplit io.Reader, dir string) error {
	if err := join(w, tarSplit, dir); err != nil {
		return fmt.Errorf("putting together the tar of layer %s: %w", dir, err)
	}
	return nil
}

func join(w io.Writer, tarSplit io.Reader, dir string) error {
	root, err := openRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	out := bufio.NewWriterSize(w, 256<<10)
	err = asm.WriteOutputTarStream(files{root}, &unpacker{json.NewDecoder(tarSplit)}, out)
	if err != nil {
		return err
	}
	return out.Flush()
}

// unpacker reads tar-split lines.
type unpacker struct{ dec *json.Decoder }

func (u *unpacker) Next() (*split.Entry, error) {
	var e split.Entry
	if err := u.dec.Decode(&e); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, err
	}
	return &e, nil
}

// files opens the content of files for asm.
type files struct{ root *root }

func (f files) Get(name string) (io.ReadCloser, error) { return f.root.openFile(name) }
