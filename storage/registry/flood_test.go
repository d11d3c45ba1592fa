package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"
)

// What the library reads without end is seen, and what others hold is their affair.
func TestBounded(t *testing.T) {
	sys, ref := fakeRegistry(t, nil, func(w http.ResponseWriter, req *http.Request) { endless(w, req, http.StatusForbidden) })
	ctx, stop := Bounded(context.Background())
	defer stop()
	kept := make([]byte, 4*floodBytes)
	for range 5 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error("what others hold counts: ", context.Cause(ctx))
	}
	runtime.KeepAlive(kept)
	if src, err := Reference(ref).NewImageSource(ctx, sys); err == nil {
		src.Close()
		t.Error("a refusal is none")
	}
	if !errors.Is(context.Cause(ctx), ErrFlood) {
		t.Error(context.Cause(ctx))
	}
}

// A flood is seen before it has taken much, whatever else is in use, or was when somebody last counted; and
// afterwards the heap is collected as often as before.
func TestBoundedBesideMuch(t *testing.T) {
	was := debug.SetGCPercent(400)
	defer debug.SetGCPercent(was)
	for _, c := range []struct {
		name  string
		freed bool
	}{{"in use", false}, {"freed", true}} {
		t.Run(c.name, func(t *testing.T) {
			var peak atomic.Uint64
			sys, ref := fakeRegistry(t, nil, func(w http.ResponseWriter, req *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				for b := make([]byte, 1<<20); req.Context().Err() == nil; {
					if _, err := w.Write(b); err != nil {
						return
					}
					sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
					metrics.Read(sample)
					peak.Store(max(peak.Load(), sample[0].Value.Uint64()))
				}
			})
			ctx, stop := Bounded(context.Background())
			_, also := Bounded(context.Background())
			kept := make([]byte, 5*floodBytes)
			for range 3 {
				runtime.GC()
				time.Sleep(10 * time.Millisecond)
			}
			if c.freed {
				kept = nil
				runtime.GC()
				time.Sleep(10 * time.Millisecond)
			}
			if src, err := Reference(ref).NewImageSource(ctx, sys); err == nil {
				src.Close()
				t.Error("a refusal is none")
			}
			if !errors.Is(context.Cause(ctx), ErrFlood) {
				t.Error(context.Cause(ctx))
			}
			if n := peak.Load(); n > uint64(len(kept))+4*floodBytes {
				t.Errorf("it took %d MB beside %d", n>>20, len(kept)>>20)
			}
			runtime.KeepAlive(kept)
			stop()
			also()
			if p := debug.SetGCPercent(400); p != 400 {
				t.Errorf("afterwards the percentage is %d", p)
			}
		})
	}
}

// Nobody sees the client of this one, which takes any number of tags.
func TestBoundedTags(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/tags/list") {
			w.Header().Set("Link", "</v2/r/tags/list>")
			_, _ = io.WriteString(w, `{"tags":["a`+strings.Repeat(`","a`, 1e5)+`"]}`)
		}
	}))
	t.Cleanup(server.Close)
	sys, ref := at(t, server)
	ctx, stop := Bounded(context.Background())
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if tags, err := docker.GetRepositoryTags(ctx, sys, ref); err == nil {
		t.Error(len(tags))
	}
	if !errors.Is(context.Cause(ctx), ErrFlood) {
		t.Error(context.Cause(ctx))
	}
}

func endless(w http.ResponseWriter, req *http.Request, status int) {
	w.WriteHeader(status)
	for b := make([]byte, 64<<10); req.Context().Err() == nil; {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// fakeRegistry has one manifest, and answers what is asked of blobs with blob, of manifests with manifest
// first.
func fakeRegistry(t *testing.T, blob, manifest http.HandlerFunc) (*types.SystemContext, types.ImageReference) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.Contains(req.URL.Path, "/blobs/"):
			blob(w, req)
		case strings.Contains(req.URL.Path, "/manifests/"):
			manifest(w, req)
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = io.WriteString(w, `{"schemaVersion":2}`)
		}
	}))
	t.Cleanup(server.Close)
	return at(t, server)
}

func at(t *testing.T, server *httptest.Server) (*types.SystemContext, types.ImageReference) {
	t.Helper()
	ref, err := docker.ParseReference("//" + strings.TrimPrefix(server.URL, "http://") + "/r:x")
	if err != nil {
		t.Fatal(err)
	}
	// Else the library looks for accounts in /run/containers, which is not everybody's where root used podman.
	accounts := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(accounts, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &types.SystemContext{DockerInsecureSkipTLSVerify: types.OptionalBoolTrue, SystemRegistriesConfPath: "/dev/null", AuthFilePath: accounts}, ref
}

// The library's client is found, hears what its registry asks for and reads no refusal to an end that
// never comes.
func TestReference(t *testing.T) {
	sys, ref := fakeRegistry(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Retry-After", "7")
		endless(w, req, map[bool]int{true: 503, false: 404}[strings.HasSuffix(req.URL.Path, "0")])
	}, func(http.ResponseWriter, *http.Request) {})
	ctx, stop := Bounded(context.Background())
	defer stop()
	src, err := Reference(ref).NewImageSource(ctx, sys)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for _, last := range []string{"1", "0"} {
		d := "sha256:" + strings.Repeat("0", 63) + last
		if _, wait := Asked(ctx); wait != 0 {
			t.Error("it asked for ", wait, " too early")
		}
		if r, _, err := src.GetBlob(ctx, types.BlobInfo{Digest: digest.Digest(d), Size: -1}, none.NoCache); err == nil {
			r.Close()
			t.Error(d)
		}
	}
	if host, wait := Asked(ctx); host != ref.DockerReference().Name()[:len(host)] || wait <= 5*time.Second || wait > 7*time.Second {
		t.Error(host, wait)
	}
	if cause := context.Cause(ctx); cause != nil {
		t.Error(cause)
	}
}

func TestKnock(t *testing.T) {
	status := http.StatusOK
	sys, ref := fakeRegistry(t, nil, func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodHead {
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(status)
		}
	})
	ctx, stop := Bounded(context.Background())
	defer stop()
	Knock(ctx, sys, ref)
	if host, wait := Asked(ctx); wait != 0 {
		t.Error(host, wait)
	}
	status = http.StatusServiceUnavailable
	Knock(ctx, sys, ref)
	if host, wait := Asked(ctx); wait <= 5*time.Second || wait > 9*time.Second {
		t.Error(host, wait)
	}
}
