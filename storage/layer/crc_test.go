package layer

import (
	"bytes"
	"hash/crc64"
	"math/rand/v2"
	"testing"

	split "github.com/vbatts/tar-split/tar/storage"
)

// TestCRC: it is the standard library's, whatever the lengths that are written.
func TestCRC(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 3000)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	for n := range len(data) {
		want := crc64.New(split.CRCTable)
		var got crc
		got.Write([]byte("what was there before"))
		got.Reset()
		for rest := data[:n]; len(rest) > 0; {
			k := min(len(rest), 1+r.IntN(700))
			want.Write(rest[:k])
			got.Write(rest[:k])
			rest = rest[k:]
		}
		if !bytes.Equal(got.append(nil), want.Sum(nil)) {
			t.Fatalf("%d bytes: %x, not %x", n, got.append(nil), want.Sum(nil))
		}
	}
}

func FuzzCRC(f *testing.F) {
	f.Add([]byte("content"), 3)
	f.Add(bytes.Repeat([]byte{0xff, 0}, 100), 70)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		at = max(0, min(at, len(data)))
		var got crc
		got.Write(data[:at])
		got.Write(data[at:])
		if want := crc64.Checksum(data, split.CRCTable); got.sum != want {
			t.Fatalf("%x, not %x", got.sum, want)
		}
	})
}

func BenchmarkCRC(b *testing.B) {
	data := make([]byte, 256<<10)
	b.Run("own", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for range b.N {
			var c crc
			c.Write(data)
		}
	})
	b.Run("library", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for range b.N {
			crc64.Checksum(data, split.CRCTable)
		}
	})
}
