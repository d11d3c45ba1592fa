package storage

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestSaveLoad(t *testing.T) {
	s := openStore(t)
	base := makeImage(t, s, "base:1", "etc/", "etc/a=1", "tmp/", "tmp/x=1")
	img := addLayer(t, s, base, "img", func(m string) { os.RemoveAll(m + "/tmp") })
	if err := s.Tag("img", "quay.io/other/name:2"); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"", "docker-archive", "oci-archive"} {
		t.Run(format, func(t *testing.T) {
			names := []string{"img:latest", "quay.io/other/name:2", "base:1"}
			var out, out2 bytes.Buffer
			if err := s.Save(ctx, names, &out, format, "", nil); err != nil {
				t.Fatal(err)
			}
			if err := s.Save(ctx, names, &out2, format, "", nil); err != nil || !bytes.Equal(out.Bytes(), out2.Bytes()) {
				t.Errorf("saved twice: %v, equal %v", err, bytes.Equal(out.Bytes(), out2.Bytes()))
			}
			var zipped bytes.Buffer
			z := gzip.NewWriter(&zipped)
			z.Write(out.Bytes())
			z.Close()
			fresh := openAt(t, t.TempDir())
			loaded, err := fresh.Load(ctx, &zipped, "", nil)
			if err != nil || loaded[0].ID != img.ID {
				t.Fatalf("%v %v", loaded, err)
			}
			for _, n := range names {
				if _, err := fresh.Lookup(n); err != nil {
					t.Error(err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(fresh.Dir(), "tmp", "*", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if err := s.Save(ctx, []string{"img", "nosuch"}, io.Discard, "", "", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.Save(ctx, []string{"img"}, io.Discard, "zip", "", nil); err == nil {
		t.Error("saved as zip")
	}
}

// TestHostileArchives: docker-archives whose parts do not belong together, or lead elsewhere.
func TestHostileArchives(t *testing.T) {
	s := openStore(t)
	layer := tarOf(t, "f=1")
	config := func(diff string) string {
		return fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, diff)
	}
	right := digest.FromBytes(layer).String()
	wrong := digest.FromString("x").String()
	gzipped := func(diff string, blob []byte) []string {
		return []string{"manifest.json=" + manifestJSON("c.json", "l.tar"), "c.json=" + config(diff), "l.tar=" + string(blob)}
	}
	for name, files := range map[string][]string{
		"empty":                 nil,
		"no manifest":           {"x=1"},
		"A10 diff id":           {"manifest.json=" + manifestJSON("c.json", "l.tar"), "c.json=" + config(wrong), "l.tar=" + string(layer)},
		"A10 layer count":       {"manifest.json=" + manifestJSON("c.json", "l.tar"), "c.json=" + `{"rootfs":{"type":"layers","diff_ids":[]}}`, "l.tar=" + string(layer)},
		"A14 config dotdot":     {"manifest.json=" + manifestJSON("../../../../etc/passwd", "l.tar"), "l.tar=" + string(layer)},
		"A14 layer absolute":    {"manifest.json=" + manifestJSON("c.json", "/etc/passwd"), "c.json=" + config(right)},
		"A14 layer missing":     {"manifest.json=" + manifestJSON("c.json", "l.tar"), "c.json=" + config(right)},
		"config is no JSON":     {"manifest.json=" + manifestJSON("c.json", "l.tar"), "c.json=}", "l.tar=" + string(layer)},
		"layer is no tar":       {"manifest.json=" + manifestJSON("c.json", "l.tar"), "c.json=" + config(digest.FromString("junk").String()), "l.tar=junk"},
		"A9 gzip of nothing":    gzipped(digest.FromString("x").String(), zip(t, nil)),
		"A9 gzip is a header":   gzipped(right, zip(t, layer)[:10]),
		"A9 gzip is truncated":  gzipped(right, zip(t, layer)[:40]),
		"A9 junk behind gzip":   gzipped(right, append(zip(t, layer), "junk"...)),
		"A9 junk behind empty":  gzipped(digest.FromBytes(nil).String(), append(zip(t, nil), "junk"...)),
		"bad name":              {"manifest.json=" + strings.Replace(manifestJSON("c.json", "l.tar"), "x:y", "../X", 1), "c.json=" + config(right), "l.tar=" + string(layer)},
		"manifest of 100 items": {"manifest.json=[" + strings.Repeat("{},", 99) + "{}]"},
	} {
		t.Run(name, func(t *testing.T) {
			if l, err := s.Load(ctx, bytes.NewReader(tarOf(t, files...)), "", nil); err == nil {
				t.Errorf("loaded %v", l)
			}
			if imgs, _ := s.Images(); len(imgs) != 0 {
				t.Errorf("an image is there: %+v", imgs)
			}
		})
	}
	if _, err := s.Load(ctx, strings.NewReader("not a tar at all"), "", nil); err == nil {
		t.Error("loaded text")
	}
	for _, blob := range [][]byte{zip(t, nil), zip(t, nil)[:10], append(zip(t, nil), "junk"...)} {
		if _, err := s.Load(ctx, bytes.NewReader(blob), "", nil); err == nil {
			t.Errorf("loaded the gzip %q", blob)
		}
	}
	good := tarOf(t, "manifest.json="+manifestJSON("c.json", "l.tar"), "c.json="+config(right), "l.tar="+string(layer))
	if _, err := s.Load(ctx, bytes.NewReader(good), "", nil); err != nil {
		t.Errorf("the honest one: %v", err)
	}
	for n := 100; n < len(good)-2048; n += 700 {
		if _, err := s.Load(ctx, bytes.NewReader(good[:n]), "", nil); err == nil {
			t.Errorf("loaded an archive cut at %d", n)
		}
	}
}

func manifestJSON(config, layer string) string {
	b, _ := json.Marshal([]any{map[string]any{"Config": config, "RepoTags": []string{"x:y"}, "Layers": []string{layer}}})
	return string(b)
}

// loadImage makes an image of layer tars by way of an archive.
func loadImage(t *testing.T, s *Store, layers ...[]byte) Image {
	t.Helper()
	files := []string{}
	var names, diffs []string
	for i, l := range layers {
		names = append(names, fmt.Sprintf("%d.tar", i))
		diffs = append(diffs, digest.FromBytes(l).String())
		files = append(files, names[i]+"="+string(l))
	}
	c, _ := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": diffs}})
	m, _ := json.Marshal([]any{map[string]any{"Config": "c.json", "Layers": names}})
	files = append(files, "c.json="+string(c), "manifest.json="+string(m))
	loaded, err := s.Load(ctx, bytes.NewReader(tarOf(t, files...)), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.Lookup(loaded[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
