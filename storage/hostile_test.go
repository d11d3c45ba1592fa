package storage

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// parts are what a hostile registry serves: the manifest of the tag "x", and blobs by digest.
type parts struct {
	manifest, mediaType string
	blobs               map[string][]byte
}

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
)

// serve answers for the repository r and counts the requests other hosts would get.
func serve(t *testing.T, p parts) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/v2/":
		case strings.HasPrefix(path, "/v2/r/manifests/"):
			body := p.manifest
			if b, ok := p.blobs[strings.TrimPrefix(path, "/v2/r/manifests/")]; ok {
				body = string(b)
			}
			w.Header().Set("Content-Type", p.mediaType)
			fmt.Fprint(w, body)
		case strings.HasPrefix(path, "/v2/r/blobs/"):
			b, ok := p.blobs[strings.TrimPrefix(path, "/v2/r/blobs/")]
			if !ok {
				http.NotFound(w, r)
				return
			}
			w.Write(b)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://") + "/r:x"
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// imageOf1 makes the parts of an image of one layer; change spoils them.
func imageOf1(t testing.TB, layer []byte, diffID digest.Digest, change func(p *parts, config, blob digest.Digest)) parts {
	t.Helper()
	config := []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, diffID))
	c, l := digest.FromBytes(config), digest.FromBytes(layer)
	p := parts{mediaType: ociManifest, blobs: map[string][]byte{c.String(): config, l.String(): layer}}
	p.manifest = fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":%d}]}`, ociManifest, c, len(config), l, len(layer))
	if change != nil {
		change(&p, c, l)
	}
	return p
}

// TestHostileRegistry: answers no honest registry gives. Nothing of them may stay.
func TestHostileRegistry(t *testing.T) {
	s := openStore(t)
	plain := tarOf(t, "etc/", "etc/a="+strings.Repeat("content", 100))
	layer, diff := zip(t, plain), digest.FromBytes(plain)
	replace := func(old, new string) func(*parts, digest.Digest, digest.Digest) {
		return func(p *parts, _, _ digest.Digest) {
			if !strings.Contains(p.manifest, old) {
				t.Fatalf("the manifest has no %q", old)
			}
			p.manifest = strings.Replace(p.manifest, old, new, 1)
		}
	}
	cases := map[string]parts{
		"A10 diff id of another layer": imageOf1(t, layer, digest.FromString("x"), nil),
		"G3 layer digest leads up":     imageOf1(t, layer, diff, replace(digest.FromBytes(layer).String(), "sha256:../../../etc/passwd")),
		"G3 layer digest md5":          imageOf1(t, layer, diff, replace(digest.FromBytes(layer).String(), "md5:d41d8cd98f00b204e9800998ecf8427e")),
		"G3 layer digest upper case":   imageOf1(t, layer, diff, replace(digest.FromBytes(layer).String(), "sha256:"+strings.Repeat("A", 64))),
		"G4 layers and manifests":      imageOf1(t, layer, diff, replace(`"layers":`, `"manifests":[],"layers":`)),
		"G6 trailing data":             imageOf1(t, layer, diff, func(p *parts, _, _ digest.Digest) { p.manifest += "{}" }),
		"G7 manifest of 5 MB":          imageOf1(t, layer, diff, func(p *parts, _, _ digest.Digest) { p.manifest += strings.Repeat(" ", 5<<20) }),
		"G7 manifest is no JSON":       imageOf1(t, layer, diff, func(p *parts, _, _ digest.Digest) { p.manifest = "<html>" }),
		"G8 blob is missing":           imageOf1(t, layer, diff, func(p *parts, _, l digest.Digest) { delete(p.blobs, l.String()) }),
		"G8 blob is another":           imageOf1(t, layer, diff, func(p *parts, _, l digest.Digest) { p.blobs[l.String()] = zip(t, tarOf(t, "x=y")) }),
		"G8 blob is short":             imageOf1(t, layer, diff, func(p *parts, _, l digest.Digest) { p.blobs[l.String()] = layer[:len(layer)-9] }),
		"G8 blob is long":              imageOf1(t, layer, diff, func(p *parts, _, l digest.Digest) { p.blobs[l.String()] = append(bytes.Clone(layer), 0) }),
		"G8 config is another":         imageOf1(t, layer, diff, func(p *parts, c, _ digest.Digest) { p.blobs[c.String()] = []byte("{}") }),
		"A9 gzip is truncated":         imageOf1(t, layer[:len(layer)-9], diff, nil),
		"A9 junk behind gzip":          imageOf1(t, append(bytes.Clone(layer), "junk"...), diff, nil),
		"A9 gzip is a header":          imageOf1(t, layer[:10], diff, nil),
		"A9 gzip of nothing":           imageOf1(t, zip(t, nil), diff, nil),
		"A9 junk behind empty gzip":    imageOf1(t, append(zip(t, nil), "junk"...), digest.FromBytes(nil), nil),
		"A9 zstd with a huge window":   imageOf1(t, []byte("\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00"), diff, nil),
		"tar leads out":                imageOf1(t, zip(t, tarOf(t, "../../../../canary=x")), digest.FromBytes(tarOf(t, "../../../../canary=x")), nil),
		"G5 list that lists itself":    {mediaType: ociIndex, manifest: `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[{"mediaType":"` + ociIndex + `","digest":"sha256:` + strings.Repeat("0", 64) + `","size":9,"platform":{"architecture":"amd64","os":"linux"}}]}`},
		"G5 list without entries":      {mediaType: ociIndex, manifest: `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[]}`},
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			c, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			img, err := s.Pull(c, serve(t, p), PullOptions{})
			if err == nil {
				t.Errorf("pulled %s", img.ID)
			} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Errorf("the error is no line: %.300q", err)
			}
			if l, _ := s.Images(); len(l) != 0 {
				t.Error("an image is there")
			}
			if left, _ := filepath.Glob(filepath.Join(s.Dir(), "tmp", "*", "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			if n := layerCount(t, s); n != 0 {
				t.Errorf("%d layers", n)
			}
		})
	}
	if _, err := s.Pull(ctx, serve(t, imageOf1(t, layer, diff, nil)), PullOptions{}); err != nil {
		t.Errorf("the honest one: %v", err)
	}
	for up := s.Dir(); up != "/"; up = filepath.Dir(up) {
		if _, err := os.Lstat(filepath.Join(up, "canary")); err == nil {
			t.Errorf("a layer wrote to %s", up)
		}
	}
}

// TestWrongMediaType: the bytes decide how a layer is compressed, whatever the manifest says.
func TestWrongMediaType(t *testing.T) {
	s := openStore(t)
	plain := tarOf(t, "etc/", "etc/a=1")
	if _, err := s.Pull(ctx, serve(t, imageOf1(t, plain, digest.FromBytes(plain), nil)), PullOptions{}); err != nil {
		t.Errorf("an uncompressed layer called gzip: %v", err)
	}
}

// TestCredentialsStay: a layer whose manifest names another place, and a token realm elsewhere, get
// no credentials.
func TestCredentialsStay(t *testing.T) {
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			leaked = append(leaked, r.URL.Path)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer other.Close()
	s := openStore(t)
	plain := tarOf(t, "etc/", "etc/a=1")
	layer := zip(t, plain)
	p := imageOf1(t, layer, digest.FromBytes(plain), func(p *parts, _, l digest.Digest) {
		delete(p.blobs, l.String())
		p.manifest = strings.Replace(p.manifest, `"layers":[{`, fmt.Sprintf(`"layers":[{"urls":["%s/layer"],`, other.URL), 1)
		p.manifest = strings.Replace(p.manifest, "layer.v1.tar+gzip", "layer.nondistributable.v1.tar+gzip", 1)
	})
	if _, err := s.Pull(ctx, serve(t, p), PullOptions{Auth: &Credentials{Username: "u", Password: "p"}}); err == nil {
		t.Error("pulled a layer that is nowhere")
	}
	if len(leaked) > 0 {
		t.Errorf("credentials went to another host: %v", leaked)
	}
}
