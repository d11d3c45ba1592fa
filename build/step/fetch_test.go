package step

import (
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

	"github.com/dhow-containers/dhow/build/plan"
)

func TestDownload(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT")
		fmt.Fprint(w, "content")
	})
	mux.HandleFunc("/undated", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "content") })
	mux.HandleFunc("/one", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/file", 302) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", 302) })
	mux.HandleFunc("/local", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "file:///etc/passwd", 302) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "content")
	})
	sum := digest.FromString("content")
	for _, c := range []struct {
		path     string
		checksum digest.Digest
		at       int64
		err      string
	}{
		{path: "/file", at: 1_000_000_000},
		{path: "/undated"},
		{path: "/one", at: 1_000_000_000},
		{path: "/file", checksum: sum, at: 1_000_000_000},
		{path: "/file", checksum: digest.FromString("other"), err: "digest mismatch: it is " + sum.String()},
		{path: "/missing", err: "404"},
		{path: "/loop", err: "redirects"},
		{path: "/local", err: "only http and https"},
		{path: "/short", err: "unexpected EOF"},
	} {
		path := filepath.Join(t.TempDir(), "got")
		err := download(context.Background(), &plan.URL{Address: srv.URL + c.path, Checksum: c.checksum}, path, func(int64, int64) {})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.path, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 || !st.ModTime().Equal(time.Unix(c.at, 0)) {
			t.Errorf("%s: mode %o, time %v", c.path, st.Mode().Perm(), st.ModTime())
		}
	}
}

func TestPasswordsOfURLsAreHidden(t *testing.T) {
	for _, address := range []string{"http://me:secret@host/x", "http://secret@host/x"} {
		if got := redact(address); strings.Contains(got, "secret") || !strings.Contains(got, "host/x") {
			t.Errorf("shown as %q", got)
		}
	}
	err := download(context.Background(), &plan.URL{Address: "http://me:secret@127.0.0.1:1/x"}, filepath.Join(t.TempDir(), "f"), func(int64, int64) {})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}
