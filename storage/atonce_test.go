package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/manifest"
)

// TestPullAtOnce: eight commands that pull one image fetch each of its layers once, also where those
// above are there long before the base, and while others come late.
func TestPullAtOnce(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	slow := "-"
	inner := gcr.New(gcr.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, sum, ok := strings.Cut(r.URL.Path, "/blobs/sha256:"); ok && r.Method == http.MethodGet {
			mu.Lock()
			asked[sum]++
			late := strings.HasPrefix(sum, slow)
			mu.Unlock()
			if late {
				time.Sleep(300 * time.Millisecond)
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	name := strings.TrimPrefix(srv.URL, "http://") + "/r/img:1"
	s := openStore(t)
	img := makeImage(t, s, "l0", "etc/", "etc/a="+strings.Repeat("a", 3000))
	for _, l := range []string{"l1", "l2", "l3"} {
		img = addLayer(t, s, img, l, func(m string) {
			if err := os.WriteFile(m+"/etc/"+l, bytes.Repeat([]byte(l), 50000), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
	if _, err := s.Push(ctx, "l3", name, PushOptions{}); err != nil {
		t.Fatal(err)
	}
	pulled, err := openAt(t, t.TempDir()).Pull(ctx, name, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := manifest.ParseBlobs(pulled.RawManifest)
	if err != nil {
		t.Fatal(err)
	}
	layers := blobs[1:]
	for round := range 5 {
		mu.Lock()
		clear(asked)
		slow = layers[0].Digest.Encoded()
		mu.Unlock()
		dir := t.TempDir()
		var all sync.WaitGroup
		for i := range 8 {
			own := openAt(t, dir)
			all.Go(func() {
				time.Sleep(time.Duration(i*round) * 15 * time.Millisecond)
				if got, err := own.Pull(ctx, name, PullOptions{}); err != nil || got.ID != img.ID {
					t.Errorf("pull: %v %v", got.ID, err)
				}
			})
		}
		all.Wait()
		for _, l := range layers {
			if n := asked[l.Digest.Encoded()]; n != 1 {
				t.Errorf("round %d: layer %s was asked for %d times", round, shortDigest(l.Digest), n)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "partial", "*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// TestPullAfterKilled: what a killed command had of a layer that was not in its place is used, what it
// had of one that was goes.
func TestPullAfterKilled(t *testing.T) {
	name := startRegistry(t) + "/r/img:1"
	s := openStore(t)
	makeImage(t, s, "img", "a="+strings.Repeat("a", 3000))
	if _, err := s.Push(ctx, "img", name, PushOptions{}); err != nil {
		t.Fatal(err)
	}
	fresh := openAt(t, t.TempDir())
	img, err := fresh.Pull(ctx, name, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := manifest.ParseBlobs(img.RawManifest)
	if err != nil {
		t.Fatal(err)
	}
	kept := fresh.partialFile(blobs[1].Digest)
	if err := os.WriteFile(kept, []byte("of a layer that is here"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Pull(ctx, name, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}

	last := openAt(t, t.TempDir())
	resp, err := http.Get("http://" + strings.Replace(name, "/r/img:1", "/v2/r/img/blobs/"+blobs[1].Digest.String(), 1))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close(), os.MkdirAll(last.partialDir(), 0o700), os.WriteFile(last.partialFile(blobs[1].Digest), whole, 0o600)); err != nil {
		t.Fatal(err)
	}
	f := &fetcher{s: last, src: nobody{}, located: func(digest.Digest) {}, cache: none.NoCache}
	a := last.newArrival(img.Config.RootFS.DiffIDs)
	info := types.BlobInfo{Digest: blobs[1].Digest, Size: blobs[1].Size}
	if err := f.layers(ctx, []types.BlobInfo{info}, a); err != nil {
		t.Error(err)
	}
	if left, err := last.partials(); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// nobody is a registry that is not to be asked.
type nobody struct{ types.ImageSource }

func (nobody) GetBlob(context.Context, types.BlobInfo, types.BlobInfoCache) (io.ReadCloser, int64, error) {
	return nil, 0, errors.New("it was asked")
}
