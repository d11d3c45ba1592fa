package storage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/registry"
	"github.com/dhow-containers/dhow/storage/working"
)

// openStore makes a store of this process's own mapping. The tests of other mappings are scripts of
// the binary; here root of any namespace will do.
func openStore(t *testing.T) *Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run as root or in a user namespace")
	}
	return openAt(t, t.TempDir())
}

func openAt(t *testing.T, dir string) *Store {
	t.Helper()
	m := idmap.Mapping{Kind: idmap.Root}
	if working.Userxattr() {
		m.Kind = idmap.Single // a namespace with more ids can be treated so too
	}
	policy := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_POLICY_JSON", policy)
	conf := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir, Mapping: m, Registry: &registry.Settings{RegistryConf: conf, Home: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.library(); err != nil {
		t.Skipf("no store can be made here: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func startRegistry(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(gcr.New(gcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// tarOf makes a tar of files: name → content; names that end in a slash are directories.
func tarOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range names {
		name, content, _ := strings.Cut(n, "=")
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1e9, 0)}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var ctx = context.Background()

// makeImage imports an image of one layer.
func makeImage(t *testing.T, s *Store, name string, files ...string) Image {
	t.Helper()
	img, err := s.Import(ctx, bytes.NewReader(tarOf(t, files...)), ImportOptions{Name: name, Created: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// addLayer commits an image of one more layer, as a build does.
func addLayer(t *testing.T, s *Store, base Image, name string, change func(merged string)) Image {
	t.Helper()
	w := working.Work{Dir: filepath.Join(s.Dir(), "work-"+name)}
	var ids []string
	for _, l := range base.Layers {
		w.Lowers = append(w.Lowers, l.Dir)
		ids = append(ids, l.ID)
	}
	if err := w.Mount(); err != nil {
		t.Skipf("no overlay here: %v", err)
	}
	change(w.Merged())
	if err := errors.Join(w.Unmount(), w.Finish()); err != nil {
		t.Fatal(err)
	}
	epoch := time.Unix(1e9, 0)
	l, err := s.Adopt(ids[len(ids)-1], w.Upper(), nil, AdoptOptions{Epoch: &epoch})
	if err != nil {
		t.Fatal(err)
	}
	c := base.Config.Clone()
	c.History = append(c.History, image.History{CreatedBy: name})
	img, err := s.Commit(CommitOptions{Layers: append(ids, l.ID), Config: c, Names: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func layerCount(t *testing.T, s *Store) int {
	t.Helper()
	r, err := s.layerRecords()
	if err != nil {
		t.Fatal(err)
	}
	return len(r)
}

func TestLookup(t *testing.T) {
	s := openStore(t)
	a := makeImage(t, s, "alpine", "etc/", "etc/a=1")
	b := makeImage(t, s, "localhost/mine:v1", "etc/", "etc/b=2")
	for name, want := range map[string]string{
		"alpine":                          a.ID,
		"alpine:latest":                   a.ID,
		"library/alpine":                  a.ID,
		"docker.io/alpine":                a.ID,
		"docker.io/library/alpine:latest": a.ID,
		"index.docker.io/library/alpine":  a.ID,
		a.ID:                              a.ID,
		a.ID[:12]:                         a.ID,
		"sha256:" + a.ID:                  a.ID,
		"mine:v1":                         b.ID,
		"localhost/mine:v1":               b.ID,
	} {
		if img, err := s.Lookup(name); err != nil || img.ID != want {
			t.Errorf("%s: %s %v, want %s", name, short(img.ID), err, short(want))
		}
	}
	for _, name := range []string{"alpine:3", "mine", "quay.io/alpine", strings.Repeat("0", 64), "nosuch", "docker.io/localhost/mine:v1"} {
		if img, err := s.Lookup(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %s %v", name, short(img.ID), err)
		}
	}
	for _, name := range []string{"", "Alpine", "a b", "-x", strings.Repeat("x", 5000), "a@sha256:short", "x:" + strings.Repeat("t", 129)} {
		if _, err := s.Lookup(name); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if a.Layers[0].ID != a.Layers[0].DiffID.Encoded() {
		t.Error("the first layer's id is not its diff id")
	}
}

func TestTagMovesAndRemoveUntags(t *testing.T) {
	s := openStore(t)
	a := makeImage(t, s, "one:1", "f=1")
	b := makeImage(t, s, "two:1", "f=2")
	if err := s.Tag("one:1", "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag(b.ID, "x"); err != nil {
		t.Fatal(err)
	}
	if img, err := s.Lookup("x"); err != nil || img.ID != b.ID {
		t.Errorf("x is %s, %v", short(img.ID), err)
	}
	s.Close() // what it holds as the maker of the layers
	rep, err := s.Remove("two:1", RemoveOptions{})
	if err != nil || len(rep.Deleted) != 0 || !slices.Equal(rep.Untagged, []string{"docker.io/library/two:1"}) {
		t.Errorf("%+v %v", rep, err)
	}
	// By id with one repository left it goes, with its layer.
	if rep, err = s.Remove(b.ID[:12], RemoveOptions{}); err != nil || len(rep.Deleted) != 2 {
		t.Errorf("%+v %v", rep, err)
	}
	if _, err := os.Stat(b.Layers[0].Dir); !os.IsNotExist(err) {
		t.Errorf("the layer is still there: %v", err)
	}
	if err := s.Tag("one:1", "other:2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(a.ID, RemoveOptions{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "multiple repositories") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Remove(a.ID, RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if n := layerCount(t, s); n != 0 {
		t.Errorf("%d layers left", n)
	}
}

// TestSharedLayers: a layer stays while an image, a pin or a process needs it, and goes after.
func TestSharedLayers(t *testing.T) {
	s := openStore(t)
	base := makeImage(t, s, "base", "etc/", "etc/a=1", "tmp/")
	child := addLayer(t, s, base, "child", func(m string) {
		if err := os.WriteFile(m+"/etc/b", []byte("b"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(m + "/tmp"); err != nil {
			t.Fatal(err)
		}
	})
	if len(child.Layers) != 2 || child.Layers[0].ID != base.Layers[0].ID {
		t.Fatalf("layers %+v", child.Layers)
	}
	s.Close() // the lease of the building process
	if rep, err := s.Remove("base", RemoveOptions{}); err != nil || len(rep.Deleted) != 1 {
		t.Fatalf("%+v %v", rep, err)
	}
	top := child.Layers[1].ID
	if err := s.Pin(top, "cache:k"); err != nil {
		t.Fatal(err)
	}
	if rep, err := s.Remove("child", RemoveOptions{}); err != nil || len(rep.Deleted) != 1 || layerCount(t, s) != 2 {
		t.Fatalf("%+v %v, %d layers", rep, err, layerCount(t, s))
	}
	other := openAt(t, s.Dir())
	if err := other.HoldLayers(top); err != nil {
		t.Fatal(err)
	}
	if err := s.Unpin(top, "cache:k"); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.Sweep(); err != nil || len(gone) != 0 {
		t.Fatalf("held layers went: %v %v", gone, err)
	}
	other.Close()
	if gone, err := s.Sweep(); err != nil || !slices.Equal(gone, []string{top, base.Layers[0].ID}) {
		t.Fatalf("%v %v", gone, err)
	}
	if err := s.Pin(top, "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("pinned what is gone: %v", err)
	}
}

func TestRemoveAsksContainers(t *testing.T) {
	s := openStore(t)
	img := makeImage(t, s, "used", "f=1")
	users := []User{{Container: "c0ffee", Running: true, Layers: []string{img.Layers[0].ID}}}
	ask := func(Image) ([]User, error) { return users, nil }
	for _, force := range []bool{false, true} {
		if _, err := s.Remove("used", RemoveOptions{Force: force, Users: ask}); !errors.Is(err, ErrInUse) {
			t.Errorf("force %v: %v", force, err)
		}
	}
	users[0].Running = false
	container := filepath.Join(s.opts.Dir, "containers", "c0ffee")
	if err := os.MkdirAll(container, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("used", RemoveOptions{Users: ask}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "must force") {
		t.Errorf("got %v", err)
	}
	s.Close()
	if _, err := s.Remove("used", RemoveOptions{Force: true, Users: ask}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(img.Layers[0].Dir); err != nil {
		t.Errorf("the stopped container lost its layer: %v", err)
	}
	// It has removed itself: nobody was there to end the pin.
	if err := os.Remove(container); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.Sweep(); err != nil || len(gone) != 1 {
		t.Errorf("%v %v", gone, err)
	}
}

// TestChainBlocksRemoval: what run holds is not removed under it.
func TestChainBlocksRemoval(t *testing.T) {
	s := openStore(t)
	makeImage(t, s, "x", "f=1")
	s.Close()
	c, err := s.Chain("x")
	if err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	go func() { _, err := openAtQuiet(s.Dir()).Remove("x", RemoveOptions{}); removed <- err }()
	select {
	case err := <-removed:
		t.Fatalf("removed while held: %v", err)
	case <-time.After(150 * time.Millisecond):
	}
	if _, err := os.Stat(c.Layers[0].Dir); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := <-removed; err != nil {
		t.Error(err)
	}
}

func openAtQuiet(dir string) *Store {
	s, _ := Open(Options{Dir: dir, Mapping: idmap.Mapping{Kind: idmap.Root}})
	return s
}

// TestKilled: what a killed command left is gone after the next one that writes.
func TestKilled(t *testing.T) {
	s := openStore(t)
	img := makeImage(t, s, "whole", "f=1")
	lib, _ := s.library()
	half := strings.Repeat("ab", 32)
	if _, err := lib.CreateImage(half, []string{"docker.io/library/half:latest"}, img.Layers[0].ID, `{"v":1}`, nil); err != nil {
		t.Fatal(err)
	}
	// A lease and its files of a process that is no more.
	for _, p := range []string{"leases/1-dead", "tmp/1-dead/layer-1/f"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.Dir(), p)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Dir(), p), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l, _ := s.Images(); len(l) != 1 {
		t.Errorf("the half image is listed: %d", len(l))
	}
	if _, err := s.Lookup("half"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the half image is found: %v", err)
	}
	if _, err := openAt(t, s.Dir()).library(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "tmp/1-dead")); !os.IsNotExist(err) {
		t.Errorf("files are left: %v", err)
	}
	if lib.Exists(half) {
		t.Error("the half image is left")
	}
	if _, err := s.Lookup("whole"); err != nil {
		t.Error(err)
	}
}

func BenchmarkChain(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	dir := b.TempDir()
	s, err := Open(Options{Dir: dir, Mapping: idmap.Mapping{Kind: idmap.Root}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 30 {
		if _, err := s.Import(ctx, bytes.NewReader(tarOf(b, fmt.Sprintf("f=%d", i))), ImportOptions{Name: fmt.Sprintf("image%d", i)}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		c, err := s.Chain("image7")
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
