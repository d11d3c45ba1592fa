package step

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/storage/tree"
)

func singleMapping() idmap.Mapping { return idmap.Mapping{Kind: idmap.Single} }

func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			w.Write([]byte(h.Name))
		}
	}
	w.Close()
	return b.Bytes()
}

func packed(t *testing.T, kind string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	switch kind {
	case "gzip":
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
	case "xz":
		w, err := xz.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
	case "zstd":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
	default:
		return data
	}
	return b.Bytes()
}

// add does ADD of one file on an empty filesystem.
func add(t *testing.T, name string, content []byte, dest, chown string, unpack bool) ([]string, error) {
	t.Helper()
	ctx, upper := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(ctx, name), content, 0o640); err != nil {
		t.Fatal(err)
	}
	src, err := openDir(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	up, err := openDir(upper)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	owners := single()
	c := &copying{b: &Bench{}, t: &Task{Node: &plan.Node{}}, op: &plan.CopyOp{Dest: dest, Add: true},
		u: newUnion(int(up.Fd()), -1, owners, single()), content: &tree.Content{}}
	if chown != "" {
		o, err := parseOwner(chown, -1, singleMapping())
		if err != nil {
			t.Fatal(err)
		}
		c.owner = &o
	}
	sels, err := source.Select(src, pat("/"+name), source.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.put(context.Background(), sels[0], src, false, unpack); err != nil {
		return nil, err
	}
	var out []string
	for _, l := range show(t, upper, owners) {
		out = append(out, strings.TrimSuffix(l, " @"))
	}
	return out, nil
}

func TestAddUnpacksByContent(t *testing.T) {
	data := tarOf(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 9, Gid: 9},
		tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o750, Uid: 1, Gid: 2},
		tar.Header{Name: "d/f", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 3, Gid: 4},
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc", Uid: 5, Gid: 6},
		tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "d/f"})
	// The directory it is unpacked into keeps owner and mode, whatever "./" says.
	want := []string{"to/ 755 0:0", "to/d/ 750 1:2", "to/d/f 4755 3:4 =d/f", "to/h == to/d/f", "to/l -> /etc 5:6"}
	for _, kind := range []string{"plain", "gzip", "xz", "zstd"} {
		got, err := add(t, "misleading.txt", packed(t, kind, data), "/to", "", true)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
	owned := []string{"to/ 755 7:8", "to/d/ 750 7:8", "to/d/f 4755 7:8 =d/f", "to/h == to/d/f", "to/l -> /etc 7:8"}
	if got, err := add(t, "x.tar", data, "/to", "7:8", true); err != nil || !slices.Equal(got, owned) {
		t.Errorf("--chown: %q, %v", got, err)
	}
	if got, err := add(t, "x.tar", data, "/to/", "", false); err != nil || len(got) != 2 || !strings.HasPrefix(got[1], "to/x.tar 640 0:0") {
		t.Errorf("--unpack=false: %q, %v", got, err)
	}
	// What only looks like an archive is copied.
	for name, content := range map[string]string{"x.tar": "no tar", "x.tar.gz": string(packed(t, "gzip", []byte("no tar"))), "empty.tar": ""} {
		if got, err := add(t, name, []byte(content), "/to/", "", true); err != nil || len(got) != 2 || !strings.HasPrefix(got[1], "to/"+name) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAddStaysInside(t *testing.T) {
	for name, h := range map[string]tar.Header{
		"up":        {Name: "../up", Typeflag: tar.TypeReg, Mode: 0o644},
		"link up":   {Name: "h", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"},
		"bad owner": {Name: "f", Typeflag: tar.TypeReg, Uid: 1<<32 - 1},
	} {
		if got, err := add(t, "x.tar", tarOf(t, h), "/to", "", true); err == nil {
			t.Errorf("%s was unpacked: %q", name, got)
		}
	}
	// Through a symlink of the archive itself: it leads inside.
	got, err := add(t, "x.tar", tarOf(t,
		tar.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/../../tmp"},
		tar.Header{Name: "out/f", Typeflag: tar.TypeReg, Mode: 0o644}), "/to", "", true)
	if err != nil || !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "to/tmp/f ") }) {
		t.Errorf("%q, %v", got, err)
	}
}
