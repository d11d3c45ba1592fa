package inflate

import (
	"encoding/binary"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// What reading zstd may take of memory: a frame says how much of what it gives has to be kept. `zstd --long`
// asks for 128 MB, which is what its own reader takes without being told to; level 19 asks for 8 MB.
const (
	maxWindow   = 128 << 20
	smallWindow = 16 << 20
)

// large is held by the one stream of this process that reads a frame with a window beyond smallWindow.
// Nobody may read such a stream through another such stream.
var large sync.Mutex

// openZstd gives what a zstd stream holds.
func openZstd(stream io.Reader) (io.ReadCloser, error) {
	w := &windows{r: stream}
	d, err := zstd.NewReader(w, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return &unzstd{d, w}, nil
}

type unzstd struct {
	decoder *zstd.Decoder // nil when it is closed
	windows *windows
}

func (u *unzstd) Read(p []byte) (int, error) {
	if u.decoder == nil {
		return 0, zstd.ErrDecoderClosed
	}
	return u.decoder.Read(p)
}

// WriteTo is for io.Copy.
func (u *unzstd) WriteTo(w io.Writer) (int64, error) {
	if u.decoder == nil {
		return 0, zstd.ErrDecoderClosed
	}
	return u.decoder.WriteTo(w)
}

func (u *unzstd) Close() error {
	if u.decoder != nil {
		u.decoder.Close()
		u.decoder = nil // it has the window, which is to be gone before the next one is made
		u.windows.close()
	}
	return nil
}

// windows gives the bytes of a zstd stream, and takes large before it gives the header of a frame that needs
// it. What is no frame goes through as it is: the decoder refuses it.
//
// The format is RFC 8878, 3.1.
type windows struct {
	r      io.Reader
	holds  bool
	lost   bool // no frame began where one should
	skip   uint64
	want   int    // bytes of head that are needed to go on
	head   []byte // of a frame, a block or a skippable frame
	in     part
	check  bool // the frame ends with a checksum
	closed bool
	mu     sync.Mutex
}

// part is what head holds.
type part int

const (
	frame part = iota
	block
)

func (w *windows) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.needs(p[:n]) {
		w.take()
	}
	return n, err
}

func (w *windows) take() {
	w.mu.Lock()
	had := w.holds || w.closed
	w.mu.Unlock()
	if had {
		return
	}
	large.Lock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		large.Unlock()
		return
	}
	w.holds = true
}

// close may come while Read waits: the decoder reads in a goroutine of its own.
func (w *windows) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed = true; w.holds {
		w.holds = false
		runtime.GC() // before the next one takes as much
		large.Unlock()
	}
}

// needs tells whether a frame with a large window begins among the bytes.
func (w *windows) needs(b []byte) (found bool) {
	for len(b) > 0 && !w.lost {
		if w.skip > 0 {
			n := min(w.skip, uint64(len(b)))
			w.skip -= n
			b = b[n:]
			continue
		}
		if w.want == 0 {
			w.want = 5
			if w.in == block {
				w.want = 3
			}
		}
		n := min(w.want-len(w.head), len(b))
		w.head = append(w.head, b[:n]...)
		if b = b[n:]; len(w.head) < w.want {
			break
		}
		if w.in == block {
			w.block()
		} else if window, ok := w.frame(); ok {
			found = found || window > smallWindow
		}
	}
	return found
}

// frame looks at the beginning of a frame: false when more of it is needed, or there is none.
func (w *windows) frame() (window uint64, ok bool) {
	h := w.head
	magic := binary.LittleEndian.Uint32(h)
	if magic&^0xf == 0x184d2a50 {
		if len(h) < 8 {
			w.want = 8
			return 0, false
		}
		w.skip = uint64(binary.LittleEndian.Uint32(h[4:]))
		w.next(frame)
		return 0, false
	}
	if magic != 0xfd2fb528 {
		w.lost = true
		return 0, false
	}
	flags := h[4]
	single := flags>>5&1 == 1
	size := [...]int{0, 2, 4, 8}[flags>>6]
	at := 5
	if single {
		size = max(size, 1)
	} else {
		at++
	}
	at += [...]int{0, 1, 2, 4}[flags&3]
	if w.want = at + size; len(h) < w.want {
		return 0, false
	}
	if single {
		var content [8]byte
		copy(content[:], h[at:at+size])
		if window = binary.LittleEndian.Uint64(content[:]); size == 2 {
			window += 256
		}
	} else {
		base := uint64(1) << (10 + h[5]>>3)
		window = base + base/8*uint64(h[5]&7)
	}
	w.check = flags>>2&1 == 1
	w.next(block)
	return window, true
}

// block looks at the beginning of a block.
func (w *windows) block() {
	h := uint32(w.head[0]) | uint32(w.head[1])<<8 | uint32(w.head[2])<<16
	w.skip = uint64(h >> 3)
	switch h >> 1 & 3 {
	case 1:
		w.skip = 1 // to be repeated
	case 3:
		w.lost = true
	}
	if h&1 == 0 {
		w.next(block)
		return
	}
	if w.check {
		w.skip += 4
	}
	w.next(frame)
}

func (w *windows) next(in part) { w.in, w.want, w.head = in, 0, w.head[:0] }
