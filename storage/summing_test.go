package storage

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestSumming(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef-"), 300_000)
	for _, n := range []int{0, 1, summedAtOnce / 8, summedAtOnce/8 + 1, summedAtOnce, 3*summedAtOnce + 7, len(data)} {
		for _, piece := range []int{512, 70_001, len(data)} {
			s := newSumming()
			for rest := data[:n]; len(rest) > 0; {
				k := min(piece, len(rest))
				if m, err := s.Write(rest[:k]); m != k || err != nil {
					t.Fatal(m, err)
				}
				rest = rest[k:]
			}
			if d, size := s.end(); d != digest.FromBytes(data[:n]) || size != int64(n) {
				t.Errorf("%d bytes in pieces of %d: %s, %d", n, piece, d, size)
			}
		}
	}
}

// What becomes too much for the memory goes to the disk, and nothing of it is lost.
func TestSpool(t *testing.T) {
	s := openStore(t)
	read := func(p *spool) string {
		t.Helper()
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p.file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	onDisk := func(p *spool) bool {
		t.Helper()
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(p.file.Fd())))
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(name, s.Dir())
	}
	first, err := s.newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { first.file.Close() }()
	io.WriteString(first, "one ")
	if onDisk(first) {
		t.Skip("no memory files here")
	}
	s.spooled.Store(spooledInMemory)
	io.WriteString(first, "two ")
	io.WriteString(first, "three")
	if got := read(first); got != "one two three" || !onDisk(first) {
		t.Errorf("it holds %q", got)
	}
	second, err := s.newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { second.file.Close() }()
	io.WriteString(second, "four")
	if got := read(second); got != "four" || !onDisk(second) {
		t.Errorf("the second holds %q", got)
	}
}
