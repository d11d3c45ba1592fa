package storage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/working"
)

func TestPushPull(t *testing.T) {
	host := startRegistry(t)
	s := openStore(t)
	base := makeImage(t, s, "base", "etc/", "etc/a="+strings.Repeat("a", 100000), "tmp/", "tmp/x=1")
	img := addLayer(t, s, base, "img", func(m string) {
		if err := errors.Join(os.WriteFile(m+"/etc/b", []byte("b"), 0o4755), os.Chmod(m+"/etc/b", 0o4755), os.RemoveAll(m+"/tmp")); err != nil {
			t.Fatal(err)
		}
	})
	for _, o := range []PushOptions{{}, {Format: "docker"}, {Format: "oci", Compression: "zstd"}} {
		t.Run(o.Format+o.Compression, func(t *testing.T) {
			name := host + "/r/img:" + o.Format + "x" + o.Compression
			pushed, err := s.Push(ctx, "img", name, o)
			if err != nil {
				t.Fatal(err)
			}
			sum := pushed.Digest
			again, err := s.Push(ctx, "img", name, o)
			if err != nil || again != pushed {
				t.Errorf("pushed again: %v %v", again, err)
			}
			fresh := openAt(t, t.TempDir())
			heard := &hearer{}
			got, err := fresh.Pull(ctx, name, PullOptions{Progress: heard.hear})
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != img.ID || got.Digest != sum || !slices.Contains(got.Digests, host+"/r/img@"+sum.String()) {
				t.Errorf("pulled %s %s %v, want %s %s", got.ID, got.Digest, got.Digests, img.ID, sum)
			}
			if ended := heard.ends(); len(ended) != 2 {
				t.Errorf("progress ended %v", ended)
			}
			if b, err := os.ReadFile(got.Layers[1].Dir + "/etc/b"); err != nil || string(b) != "b" {
				t.Errorf("%q %v", b, err)
			}
			// By digest, and a second time: nothing travels.
			heard = &hearer{}
			if _, err := fresh.Pull(ctx, host+"/r/img@"+sum.String(), PullOptions{Progress: heard.hear}); err != nil {
				t.Error(err)
			}
			for id, state := range heard.ends() {
				if state != progress.Cached {
					t.Errorf("%s travelled again (%v)", id, state)
				}
			}
			if _, err := fresh.Lookup(host + "/r/img@" + sum.String()); err != nil {
				t.Error(err)
			}
		})
	}
}

// hearer keeps what the items of a command ended with, told from many goroutines.
type hearer struct {
	mu    sync.Mutex
	ended map[string]progress.State
}

func (h *hearer) hear(e progress.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil {
		h.ended = map[string]progress.State{}
	}
	if e.State != progress.Running {
		h.ended[e.ID] = e.State
	}
}

func (h *hearer) ends() map[string]progress.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// TestSameDiffElsewhere: one diff on two parents needs two directories.
func TestSameDiffElsewhere(t *testing.T) {
	host := startRegistry(t)
	s := openStore(t)
	write := func(m string) {
		os.WriteFile(m+"/etc/n", []byte("n"), 0o644)
		epoch := time.Unix(5, 0)
		os.Chtimes(m+"/etc/n", epoch, epoch)
		os.Chtimes(m+"/etc", epoch, epoch)
	}
	one := addLayer(t, s, makeImage(t, s, "a", "etc/", "etc/a=1"), "one", write)
	two := addLayer(t, s, makeImage(t, s, "b", "etc/", "etc/b=1"), "two", write)
	if one.Layers[1].DiffID != two.Layers[1].DiffID || one.Layers[1].ID == two.Layers[1].ID {
		t.Fatalf("%+v %+v", one.Layers, two.Layers)
	}
	for _, n := range []string{"one", "two"} {
		if _, err := s.Push(ctx, n, host+"/"+n, PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	fresh := openAt(t, t.TempDir())
	for _, n := range []string{"one", "two"} {
		img, err := fresh.Pull(ctx, host+"/"+n, PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(img.Layers[1].Dir + "/etc/n"); err != nil || string(b) != "n" {
			t.Errorf("%q %v", b, err)
		}
	}
}

// TestCanceled: a cancelled pull ends at once and leaves no image.
func TestCanceled(t *testing.T) {
	host := startRegistry(t)
	s := openStore(t)
	makeImage(t, s, "img", "f="+strings.Repeat("x", 1<<20))
	if _, err := s.Push(ctx, "img", host+"/img", PushOptions{}); err != nil {
		t.Fatal(err)
	}
	fresh := openAt(t, t.TempDir())
	c, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := fresh.Pull(c, host+"/img", PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if l, _ := fresh.Images(); len(l) != 0 {
		t.Errorf("%d images", len(l))
	}
}

func TestPullPolicies(t *testing.T) {
	host := startRegistry(t)
	s := openStore(t)
	if _, err := s.Pull(ctx, host+"/x", PullOptions{Policy: PullNever}); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	makeImage(t, s, host+"/x", "f=1")
	for _, p := range []PullPolicy{PullNever, PullMissing} {
		if _, err := s.Pull(ctx, host+"/x", PullOptions{Policy: p}); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := s.Pull(ctx, host+"/x", PullOptions{}); err == nil {
		t.Error("pulled what the registry has not")
	}
	if _, err := s.Pull(ctx, host+"/x", PullOptions{Policy: PullMissing, Platform: "linux/arm64"}); err == nil {
		t.Error("took an image of another platform")
	}
}

// TestImplied: directories a layer does not describe keep the owner and mode they have below.
func TestImplied(t *testing.T) {
	s := openStore(t)
	base := tarOf(t, "home/", "home/u/", "home/u/f=1")
	// Give home/u mode 0700 and an owner.
	base = retar(t, base, func(h *tar.Header) {
		if h.Name == "home/u/" {
			h.Mode, h.Uid, h.Gid = 0o700, 5, 6
		}
	})
	top := tarOf(t, "home/u/sub/g=2", ".wh.nothing=")
	img := loadImage(t, s, base, top)
	fd, err := unix.Open(img.Layers[1].Dir, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for name, want := range map[string]string{"home/u": "40700 5:6", "home/u/sub": "40755 0:0"} {
		a, _, err := s.applyOptions().Tree.Lstat(fd, name, name)
		if got := fmt.Sprintf("%o %d:%d", a.Mode, a.UID, a.GID); err != nil || got != want {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
}

// TestOpaqueRoot: a layer that hides everything below it.
func TestOpaqueRoot(t *testing.T) {
	s := openStore(t)
	img := loadImage(t, s, tarOf(t, "etc/", "etc/a=1", "bin/", "bin/x=1"), tarOf(t, ".wh..wh..opq=", "etc/", "etc/b=2"))
	w := working.Work{Dir: filepath.Join(s.Dir(), "w"), Lowers: []string{img.Layers[0].Dir, img.Layers[1].Dir}}
	if err := w.Mount(); err != nil {
		t.Skipf("no overlay here: %v", err)
	}
	defer w.Unmount()
	var seen []string
	filepath.WalkDir(w.Merged(), func(p string, _ os.DirEntry, _ error) error {
		seen = append(seen, strings.TrimPrefix(p, w.Merged()))
		return nil
	})
	if got := strings.Join(seen, " "); got != " /etc /etc/b" {
		t.Errorf("seen %q", got)
	}
}

func retar(t *testing.T, in []byte, change func(*tar.Header)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for r := tar.NewReader(bytes.NewReader(in)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		change(h)
		w.WriteHeader(h)
		io.Copy(w, r)
	}
	w.Close()
	return b.Bytes()
}
