package carry

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}
}

func link(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}

func packed(t testing.TB, headers ...tar.Header) io.Reader {
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
			_, _ = w.Write([]byte(h.Name))
		}
	}
	w.Close()
	return &b
}

var hostile = map[string]tar.Header{
	"a path out":              file("../x"),
	"a path out, hidden":      file("a/b/../../../x"),
	"an absolute path out":    file("/../x"),
	"the place as a file":     file("."),
	"the place as a symlink":  link("./", "/etc"),
	"a hard link out":         {Typeflag: tar.TypeLink, Name: "x", Linkname: "../../etc/passwd"},
	"a hard link to itself":   {Typeflag: tar.TypeLink, Name: "x", Linkname: "./x"},
	"a hard link to the root": {Typeflag: tar.TypeLink, Name: "x", Linkname: "/"},
	"a symlink to nothing":    link("x", ""),
	"a whiteout":              {Typeflag: tar.TypeChar, Name: "x"},
	"a device that is none":   {Typeflag: tar.TypeBlock, Name: "x", Devmajor: 1 << 13},
	"an unknown type":         {Typeflag: 'q', Name: "x"},
	"an owner that is none":   {Typeflag: tar.TypeDir, Name: "x", Uid: 1<<32 - 1},
}

// TestRound: a tree, as a tar, as a tree again is the same.
func TestRound(t *testing.T) {
	closed := os.FileMode(0o500) // dhow copies as root of its user namespace
	if os.Geteuid() != 0 {
		closed = 0o700
	}
	from, to := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(from, "d", "sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(from, "d", "f"), []byte("content"), 0o751))
	must(t, os.Chmod(filepath.Join(from, "d", "f"), 0o751|os.ModeSetuid))
	must(t, os.Link(filepath.Join(from, "d", "f"), filepath.Join(from, "d", "sub", "same")))
	must(t, os.Symlink("/nowhere", filepath.Join(from, "d", ".link")))
	must(t, os.Chmod(filepath.Join(from, "d", "sub"), closed))
	var b bytes.Buffer
	must(t, ToTar(&b, Tree{Dir: open(t, from), Name: "d"}, "e"))
	fd := open(t, to)
	var size int64
	p := Place{Root: fd, Dir: fd, Path: "/", Loose: true, Carried: func(n int64) { size += n }}
	want := int64(b.Len())
	must(t, ToTree(p, Tar{R: bytes.NewReader(b.Bytes())}))
	if size != want {
		t.Errorf("told of %d bytes, the tar has %d", size, want)
	}
	a, _ := os.Stat(filepath.Join(to, "e", "f"))
	c, _ := os.Stat(filepath.Join(to, "e", "sub", "same"))
	if !os.SameFile(a, c) || a.Mode() != 0o751|os.ModeSetuid {
		t.Errorf("%v %v", a.Mode(), c)
	}
	if l, _ := os.Readlink(filepath.Join(to, "e", ".link")); l != "/nowhere" {
		t.Error(l)
	}
	if st, _ := os.Stat(filepath.Join(to, "e", "sub")); st.Mode().Perm() != closed {
		t.Error(st.Mode())
	}
	// And straight, over what is there.
	size = 0
	p.Loose, p.Name = false, "e"
	must(t, ToTree(p, Tree{Dir: open(t, from), Name: "d"}))
	if size != want {
		t.Errorf("told of %d bytes, the tar has %d", size, want)
	}
	_ = os.Chmod(filepath.Join(from, "d", "sub"), 0o700)
	_ = os.Chmod(filepath.Join(to, "e", "sub"), 0o700)
}

// FuzzTar: whatever the bytes, nothing is made outside the place's root.
func FuzzTar(f *testing.F) {
	for _, h := range hostile {
		b, _ := io.ReadAll(packed(f, h, file("a/b")))
		f.Add(b)
	}
	b, _ := io.ReadAll(packed(f, link("a", "/.."), file("a/x"), link("b", "../.."), file("b/y")))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		top := t.TempDir()
		root := filepath.Join(top, "root")
		must(t, os.MkdirAll(filepath.Join(root, "place"), 0o755))
		err := ToTree(Place{
			Root: open(t, root), Dir: open(t, filepath.Join(root, "place")), Path: "/place", Loose: true,
		}, Tar{R: io.LimitReader(bytes.NewReader(b), 1<<20)})
		if names, _ := os.ReadDir(top); len(names) != 1 {
			t.Errorf("made %v (%v)", names, err)
		}
		if err == nil {
			return
		}
		if strings.Contains(err.Error(), top) {
			t.Errorf("the message names the host: %v", err)
		}
	})
}
