package inflate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"testing"

	gzip2 "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func zipped(t testing.TB, texts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// all reads a stream to its end, and asks once more as io.Copy does.
func all(stream io.Reader) (string, string, error) {
	plain, algorithm, err := Open(stream)
	if err != nil {
		return "", algorithm, err
	}
	defer plain.Close()
	b, err := io.ReadAll(plain)
	if err == nil {
		var n int64
		if n, err = io.Copy(io.Discard, plain); n != 0 {
			err = errors.New("something stands behind the end")
		}
	}
	return string(b), algorithm, err
}

func TestOpen(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long ", 1<<20)
	whole := zipped(t, "content")
	cases := []struct {
		name      string
		in        []byte
		want      string
		algorithm string
		err       error
	}{
		{"nothing", nil, "", Uncompressed, nil},
		{"shorter than a magic number", []byte{0x1f}, "\x1f", Uncompressed, nil},
		{"plain", []byte("plain text"), "plain text", Uncompressed, nil},
		{"gzip", whole, "content", "gzip", nil},
		{"empty gzip", zipped(t, ""), "", "gzip", nil},
		{"several members", zipped(t, "a", "", "b", ""), "ab", "gzip", nil},
		{"long", zipped(t, long), long, "gzip", nil},
		{"zstd", z.EncodeAll([]byte("content"), nil), "content", "zstd", nil},
		{"garbage behind gzip", append(whole[:len(whole):len(whole)], "garbage behind"...), "content", "gzip", gzip2.ErrHeader},
		{"garbage behind empty gzip", append(zipped(t, ""), "garbage behind"...), "", "gzip", gzip2.ErrHeader},
		{"wrong sum", append(whole[:len(whole)-8:len(whole)-8], "12345678"...), "content", "gzip", gzip2.ErrChecksum},
	}
	for n := 10; n < len(whole); n++ {
		cases = append(cases, struct {
			name      string
			in        []byte
			want      string
			algorithm string
			err       error
		}{"truncated", whole[:n], "", "gzip", io.ErrUnexpectedEOF})
	}
	for _, c := range cases {
		got, algorithm, err := all(bytes.NewReader(c.in))
		if c.name == "truncated" {
			got = ""
		}
		if got != c.want || algorithm != c.algorithm || !errors.Is(err, c.err) {
			t.Errorf("%s (%d bytes): %.20q, %s, %v; want %.20q, %s, %v", c.name, len(c.in), got, algorithm, err, c.want, c.algorithm, c.err)
		}
	}
}

// A stream of empty members is read without a stack that grows with it.
func TestManyMembers(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(8 << 20))
	got, _, err := all(bytes.NewReader(bytes.Repeat(zipped(t, ""), 200_000)))
	if got != "" || err != nil {
		t.Errorf("%.20q, %v", got, err)
	}
}

// Whatever comes, it is read or refused.
func FuzzOpen(f *testing.F) {
	f.Add(zipped(f, "a", "b"))
	f.Add([]byte("BZh91AY&SY"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x04"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		plain, _, err := Open(bytes.NewReader(in))
		if err != nil {
			return
		}
		defer plain.Close()
		if n, err := io.CopyN(io.Discard, plain, 1<<20); err == nil && n != 1<<20 {
			t.Errorf("%d bytes without an end", n)
		}
		_, _ = io.CopyN(io.Discard, plain, 1<<20)
	})
}
