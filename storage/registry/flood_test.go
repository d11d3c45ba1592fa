package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"
)

func TestBounded(t *testing.T) {
	ctx, stop := Bounded(context.Background(), 32<<20)
	defer stop()
	kept := make([]byte, 64<<20)
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
	}
	runtime.KeepAlive(kept)
	if !errors.Is(context.Cause(ctx), ErrFlood) {
		t.Error(context.Cause(ctx))
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
	ref, err := docker.ParseReference("//" + strings.TrimPrefix(server.URL, "http://") + "/r:x")
	if err != nil {
		t.Fatal(err)
	}
	return &types.SystemContext{DockerInsecureSkipTLSVerify: types.OptionalBoolTrue, SystemRegistriesConfPath: "/dev/null"}, ref
}

// The library's client is found, hears what its registry asks for and reads no refusal to an end that
// never comes.
func TestListen(t *testing.T) {
	sys, ref := fakeRegistry(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(map[bool]int{true: 503, false: 404}[strings.HasSuffix(req.URL.Path, "0")])
		for b := make([]byte, 64<<10); req.Context().Err() == nil; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}, func(http.ResponseWriter, *http.Request) {})
	ctx, stop := Bounded(context.Background(), Receiving)
	defer stop()
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	Listen(ctx, src)
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
	ctx, stop := Bounded(context.Background(), Receiving)
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
