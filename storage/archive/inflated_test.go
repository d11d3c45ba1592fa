package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"
)

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// saved is a docker archive of one image with one layer, which the archive has as file.
func saved(t testing.TB, layer, file []byte) *bytes.Buffer {
	t.Helper()
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer))
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, f := range []struct {
		name, content string
	}{
		{"config.json", config}, {"manifest.json", `[{"Config":"config.json","RepoTags":["x:1"],"Layers":["one/layer.tar"]}]`}, {"one/layer.tar", string(file)},
	} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// read gives the layer's bytes as the library has them.
func read(t testing.TB, in io.Reader) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	r, err := NewReader(&types.SystemContext{BigFilesTemporaryDir: dir}, in, dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	src, err := r.Images()[0].Ref.NewImage(t.Context(), nil)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	raw, err := r.Images()[0].Ref.NewImageSource(t.Context(), nil)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	blob, _, err := raw.GetBlob(t.Context(), src.LayerInfos()[0], none.NoCache)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	b, err := io.ReadAll(blob)
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left %v", names)
	}
	return b, err
}

// TestCompressedLayers: layers may be compressed in a docker archive, whatever is done to that.
func TestCompressedLayers(t *testing.T) {
	layer := bytes.Repeat([]byte("layer"), 300_000)
	for name, file := range map[string][]byte{
		"plain": layer, "gzip": gzipped(t, layer), "members": append(gzipped(t, layer[:1000]), gzipped(t, layer[1000:])...),
	} {
		if got, err := read(t, saved(t, layer, file)); err != nil || !bytes.Equal(got, layer) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := read(t, saved(t, layer, gzipped(t, gzipped(t, layer)))); err == nil || !strings.Contains(err.Error(), "compressed twice") {
		t.Errorf("compressed twice: %v", err)
	}
}

// TestEmptyMembersInALayer: the library's reader calls itself for each of them. Where it is used, this
// ends the test with a stack overflow.
func TestEmptyMembersInALayer(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(2 << 20))
	layer := []byte("layer")
	file := append(bytes.Repeat(gzipped(t, nil), 100_000), gzipped(t, layer)...)
	if got, err := read(t, saved(t, layer, file)); err != nil || !bytes.Equal(got, layer) {
		t.Errorf("%q, %v", got, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type ones struct{}

func (ones) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte{1}, len(b))), nil }

// What has no end is left alone as soon as it is clear that it is no archive, or none any more.
func TestEndless(t *testing.T) {
	layer := []byte("layer")
	for want, in := range map[string]io.Reader{
		"it is empty": zeros{}, "it is no tar": ones{}, "follow its end": io.MultiReader(saved(t, layer, layer), zeros{}),
	} {
		dir := t.TempDir()
		if _, err := NewReader(&types.SystemContext{BigFilesTemporaryDir: dir}, in, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := read(t, io.MultiReader(saved(t, layer, layer), io.LimitReader(zeros{}, 10<<10))); err != nil {
		t.Error("the last block is filled up: ", err)
	}
}

// TestFileInPlace: a file is read where it lies, unless it is compressed, or in part read already.
func TestFileInPlace(t *testing.T) {
	layer := bytes.Repeat([]byte("layer"), 1000)
	whole := saved(t, layer, layer).Bytes()
	for _, c := range []struct {
		name    string
		content []byte
		at      int64
		others  bool // may write to it
		place   bool
		trouble string
		left    int // entries of the directory for files on the way
	}{
		{name: "tar", content: whole, place: true},
		{name: "compressed layer", content: saved(t, layer, gzipped(t, layer)).Bytes(), place: true, left: 1},
		{name: "compressed", content: gzipped(t, whole)},
		{name: "read from", content: whole, at: 512},
		{name: "others may write to it", content: whole, others: true},
		{name: "empty", trouble: "it is empty"},
		{name: "no tar", content: bytes.Repeat([]byte{1}, 4096), trouble: "it is no tar"},
		{name: "cut off", content: whole[:len(whole)-3000], trouble: "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, dir := filepath.Join(t.TempDir(), "file"), t.TempDir()
			if err := os.WriteFile(file, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.others {
				if err := os.Chmod(file, 0o622); err != nil {
					t.Fatal(err)
				}
			}
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Seek(c.at, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			r, err := NewFileReader(&types.SystemContext{BigFilesTemporaryDir: dir}, f, dir)
			if c.trouble != "" {
				if err == nil || !strings.Contains(err.Error(), c.trouble) {
					t.Errorf("%v, not %s", err, c.trouble)
				}
				return
			}
			if err != nil || (r != nil) != c.place {
				t.Fatalf("%v, %v", r, err)
			}
			if r != nil {
				if len(r.Images()) != 1 {
					t.Errorf("images %v", r.Images())
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			if names, _ := os.ReadDir(dir); len(names) != c.left {
				t.Errorf("left %v", names)
			}
			if at, err := f.Seek(0, io.SeekCurrent); at != c.at || err != nil {
				t.Errorf("the file stands at %d, %v", at, err)
			}
			if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, c.content) {
				t.Error("the file is another one afterwards")
			}
		})
	}
}
