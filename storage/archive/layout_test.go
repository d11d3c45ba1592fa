package archive

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzUnpackLayout: whatever a tar holds, only the files of a layout come out, below the directory.
func FuzzUnpackLayout(f *testing.F) {
	for _, names := range [][]string{
		{"oci-layout", "index.json", "blobs/sha256/00"},
		{"../index.json", "/etc/passwd", "blobs/../../x"},
		{"blobs/sha256/../../index.json", "./index.json"},
	} {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for _, n := range names {
			if err := tw.WriteHeader(&tar.Header{Name: n, Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}); err != nil {
				f.Fatal(err)
			}
			tw.Write([]byte("x"))
		}
		tw.WriteHeader(&tar.Header{Name: "blobs/sha256", Linkname: "/", Typeflag: tar.TypeSymlink})
		tw.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "in.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = unpackLayout(file, filepath.Join(dir, "out"))
		_ = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			rel, _ := filepath.Rel(dir, name)
			in, ok := strings.CutPrefix(rel, "out/")
			switch {
			case err != nil || d.IsDir() || rel == "in.tar":
			case !d.Type().IsRegular() || !ok || in != "oci-layout" && in != "index.json" && !blobExpr.MatchString(in):
				t.Errorf("%s came out", rel)
			}
			return nil
		})
	})
}

func TestIndexBounds(t *testing.T) {
	for name, index := range map[string]string{
		"empty":      `{"schemaVersion":2,"manifests":[]}`,
		"no json":    `{`,
		"too large":  `{"x":"` + strings.Repeat("x", maxIndexBytes) + `"}`,
		"too many":   `{"manifests":[` + strings.Repeat("{},", maxImages) + `{}]}`,
		"not a list": `{"manifests":{}}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(index), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readLayout(dir); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
