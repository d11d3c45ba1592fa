package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzApply gives arbitrary bytes to Apply. Whatever they are: nothing outside of the root changes,
// what archive/tar can not read is an error, and an accepted stream is put together again byte for
// byte.
func FuzzApply(f *testing.F) {
	f.Add(archiveOf(f, sampleTree()...))
	for _, c := range hostile {
		f.Add(archiveLoose(f, c.members...))
	}
	f.Add([]byte{})
	f.Add(sparseArchive(f))
	f.Fuzz(func(t *testing.T, in []byte) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		if len(in) > 1<<20 || tooBig(in) {
			t.Skip("too big for a fast test")
		}
		top, root := playground(t)
		var split, out bytes.Buffer
		o := kinds()["recorded"]
		o.Split = NewSplitter(&split)
		_, err := Apply(bytes.NewReader(in), root, o)
		unharmed(t, top)
		if readable := readAll(in); err == nil && readable != nil {
			t.Fatalf("accepted what archive/tar refuses: %v", readable)
		}
		if err != nil {
			return
		}
		if err := Join(&out, &split, root); err != nil {
			// A later entry may have removed the file of an earlier one: such a layer can be used but
			// not sent on, and Join says so.
			if !strings.Contains(err.Error(), "no such file") && !strings.Contains(err.Error(), "not a directory") &&
				!strings.Contains(err.Error(), "checksum failed") && !strings.Contains(err.Error(), "regular file") &&
				!strings.Contains(err.Error(), "too many levels") {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(out.Bytes(), in) {
			t.Fatal("tar-split gives other bytes")
		}
	})
}

func readAll(in []byte) error {
	r := tar.NewReader(bytes.NewReader(in))
	for {
		_, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
	}
}

// tooBig keeps sparse files of gigabytes out of the fuzzing.
func tooBig(in []byte) bool {
	r := tar.NewReader(bytes.NewReader(in))
	for {
		h, err := r.Next()
		if err != nil {
			return false
		}
		if h.Size > 8<<20 {
			return true
		}
	}
}

// sparseArchive has one old-GNU sparse file of 1 MiB with 512 bytes of data in its middle.
func sparseArchive(t testing.TB) []byte {
	h := make([]byte, 512)
	copy(h, "sparse")
	copy(h[100:], "0000644\x000000000\x000000000\x0000000001000\x0000000000000\x00")
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "00001000000\x0000000001000\x00") // 512 bytes at 256 KiB
	copy(h[386+24:], "00004000000\x0000000000000\x00")
	copy(h[483:], "00004000000\x00") // real size
	checksum(h)
	b := append(h, bytes.Repeat([]byte("S"), 512)...)
	return append(b, make([]byte, 1024)...)
}

func TestSparse(t *testing.T) {
	needRoot(t)
	in := sparseArchive(t)
	dir := t.TempDir()
	var split, out bytes.Buffer
	o := kinds()["recorded"]
	o.Split = NewSplitter(&split)
	if _, err := Apply(bytes.NewReader(in), dir, o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "sparse"))
	if err != nil || len(data) != 1<<20 || bytes.Count(data, []byte("S")) != 512 || data[256<<10] != 'S' {
		t.Errorf("content is wrong: %d bytes, %v", len(data), err)
	}
	var st unix.Stat_t
	if unix.Lstat(filepath.Join(dir, "sparse"), &st) == nil && st.Blocks*512 >= 1<<20 {
		t.Errorf("no hole was left: %d blocks", st.Blocks)
	}
	if err := Join(&out, &split, dir); err != nil || !bytes.Equal(out.Bytes(), in) {
		t.Errorf("put together again: %v", err)
	}
}

// TestSparseBomb: a header may claim any size at no cost.
func TestSparseBomb(t *testing.T) {
	needRoot(t)
	in := sparseArchive(t)
	copy(in[386+24:], "77777777777\x0000000000000\x00")
	copy(in[483:], "77777777777\x00") // 8 GiB - 1
	copy(in[483:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")
	copy(in[386+24:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff00000000000\x00")
	checksum(in[:512])
	if _, err := Apply(bytes.NewReader(in), t.TempDir(), kinds()["recorded"]); err == nil {
		t.Error("accepted a file of 2^63-1 bytes")
	}
}

// FuzzPack makes trees of files from the input and asks that packing and unpacking is the identity.
func FuzzPack(f *testing.F) {
	f.Add("a\nb/c\nb/.wh.d\ne/.wh..wh..opq\nlong/"+strings.Repeat("n", 200), []byte("content"), uint32(0o755), int64(1e9))
	f.Fuzz(func(t *testing.T, names string, content []byte, mode uint32, seconds int64) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		dir := t.TempDir()
		for i, name := range strings.Split(names, "\n") {
			rel := path.Clean("/" + name)[1:]
			if rel == "" || strings.Contains(rel, ".wh.") || len(rel) > 1000 {
				continue
			}
			full := filepath.Join(dir, rel)
			if os.MkdirAll(filepath.Dir(full), 0o755) != nil {
				continue
			}
			switch i % 3 {
			case 0:
				_ = os.WriteFile(full, content, 0o600)
			case 1:
				_ = os.Symlink(string(bytes.ReplaceAll(append(content, 'x'), []byte{0}, nil)), full)
			default:
				_ = os.Mkdir(full, 0o700)
			}
			_ = os.Chmod(full, os.FileMode(mode&0o777))
			ts := []unix.Timespec{{Sec: seconds % (1 << 33)}, {Sec: seconds % (1 << 33)}}
			_ = unix.UtimesNanoAt(unix.AT_FDCWD, full, ts, unix.AT_SYMLINK_NOFOLLOW)
		}
		o := kinds()["recorded"]
		var first, second bytes.Buffer
		if err := WriteTar(&first, dir, tarOptions(o)); err != nil {
			t.Fatal(err)
		}
		again := t.TempDir()
		if _, err := Apply(bytes.NewReader(first.Bytes()), again, o); err != nil {
			t.Fatal(err)
		}
		if err := WriteTar(&second, again, tarOptions(o)); err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(first.Bytes()) != sha256.Sum256(second.Bytes()) {
			t.Fatalf("not the identity:\n%s\n%s", listing(t, first.Bytes()), listing(t, second.Bytes()))
		}
	})
}
