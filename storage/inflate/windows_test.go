package inflate

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
)

// frameOf is a frame of n bytes, not compressed, with a window of 1<<log.
func frameOf(n, log int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, byte(log-10) << 3}
	for content := bytes.Repeat([]byte("0123456789abcdef"), 4096); ; {
		size := min(n, len(content))
		n -= size
		head := size << 3
		if n == 0 {
			head |= 1
		}
		frame = append(append(frame, byte(head), byte(head>>8), byte(head>>16)), content[:size]...)
		if n == 0 {
			return frame
		}
	}
}

var skippable = []byte{0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}

func TestWindows(t *testing.T) {
	small, big := frameOf(300_000, 23), frameOf(300_000, 27)
	for _, c := range []struct {
		name   string
		stream []byte
		found  bool
	}{
		{"nothing", nil, false},
		{"small", small, false},
		{"large", big, true},
		{"small ones", bytes.Repeat(small, 3), false},
		{"large after small", bytes.Join([][]byte{small, big}, nil), true},
		{"large after one to skip", bytes.Join([][]byte{skippable, small, skippable, big}, nil), true},
		{"large after no frame", bytes.Join([][]byte{[]byte("no frame"), big}, nil), false},
		{"header alone", big[:6], true},
	} {
		for step := range 3 {
			step = []int{1, 7, max(len(c.stream), 1)}[step]
			w, found := &windows{}, false
			for rest := c.stream; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				found = w.needs(rest[:min(step, len(rest))]) || found
			}
			if found != c.found {
				t.Errorf("%s in steps of %d: %v", c.name, step, found)
			}
		}
		if c.name == "header alone" || c.name == "large after no frame" {
			continue
		}
		plain, _, err := Open(iotest.HalfReader(bytes.NewReader(c.stream)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := io.Copy(io.Discard, plain); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		plain.Close()
		if !large.TryLock() {
			t.Fatalf("%s: the lock is held", c.name)
		}
		large.Unlock()
	}
}

// One stream with a large window waits for another, even when that is closed in the middle; a small one
// does not.
func TestWindowsInTurn(t *testing.T) {
	big := frameOf(8<<20, 27)
	first, _, err := Open(bytes.NewReader(big))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if got, _, err := all(bytes.NewReader(frameOf(100_000, 23))); len(got) != 100_000 || err != nil {
		t.Errorf("small: %d bytes, %v", len(got), err)
	}
	done := make(chan error)
	go func() {
		got, _, err := all(bytes.NewReader(big))
		if err == nil && len(got) != 8<<20 {
			err = io.ErrUnexpectedEOF
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Error("it did not wait: ", err)
	case <-time.After(100 * time.Millisecond):
	}
	first.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWindowTooLarge(t *testing.T) {
	if _, _, err := all(bytes.NewReader(frameOf(300_000, 28))); !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Error(err)
	}
}

// Whatever takes a large window is found before the decoder makes it. It says the same of a block that is
// larger than its frame's window, which has nothing to do with that.
func FuzzWindows(f *testing.F) {
	small, big := frameOf(3000, 23), frameOf(3000, 27)
	f.Add(small)
	f.Add(big)
	f.Add(bytes.Join([][]byte{skippable, small, big}, nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		exceeds := func(window uint64) bool {
			d, err := zstd.NewReader(bytes.NewReader(in), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderConcurrency(1))
			if err != nil {
				return false
			}
			defer d.Close()
			_, err = io.Copy(io.Discard, d)
			return errors.Is(err, zstd.ErrWindowSizeExceeded)
		}
		if w := (&windows{}); exceeds(smallWindow) && !w.needs(in) && !exceeds(maxWindow) {
			t.Errorf("%x", in)
		}
	})
}
