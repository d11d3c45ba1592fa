package step

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/storage/progress"
)

// fetched is a downloaded file of ADD.
type fetched struct{ path string }

const (
	maxRedirects = 10
	// maxFetch bounds what one ADD downloads; a body without end stops there.
	maxFetch = 32 << 30
)

// client follows only http and https, and a server that says nothing for a minute is given up.
var client = sync.OnceValue(func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
			return fmt.Errorf("redirect to %s, only http and https are followed", r.URL.Scheme)
		}
		return nil
	}}
})

// fetch gives the digest of what u holds, for the key: the promised one without asking the server,
// otherwise that of its content and time.
func (p *Prepared) fetch(ctx context.Context, b *Bench, t *Task, i int, u *plan.URL) (string, error) {
	if u.Checksum != "" {
		return u.Checksum.String(), nil
	}
	got, err := p.fetched(ctx, b, t, i, u)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	f, err := os.Open(got.path)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", redact(u.Address), err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil {
		_, err = io.Copy(h, f)
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", redact(u.Address), err)
	}
	fmt.Fprintf(h, "\x00%d", st.ModTime().UnixNano())
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}

// fetched gives the file of item i, downloading it when that was not done before.
func (p *Prepared) fetched(ctx context.Context, b *Bench, t *Task, i int, u *plan.URL) (*fetched, error) {
	if f := p.urls[i]; f != nil {
		return f, nil
	}
	if p.tmp == nil {
		tmp, err := b.Cache.Scratch()
		if err != nil {
			return nil, err
		}
		p.tmp = tmp
	}
	path := filepath.Join(p.tmp.Dir, "url-"+strconv.Itoa(i))
	if err := download(ctx, u, path, func(now, total int64) {
		b.Progress.Emit(progress.Event{ID: t.ID, Name: t.Node.Name, Action: "downloading", Current: now, Total: total})
	}); err != nil {
		return nil, fmt.Errorf("downloading %s: %w", redact(u.Address), err)
	}
	p.urls[i] = &fetched{path: path}
	return p.urls[i], nil
}

// download writes what u holds to path, mode 0600, with the time the server gives it, or that of
// the epoch when it gives none.
func download(ctx context.Context, u *plan.URL, path string, report func(now, total int64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Address, nil)
	if err != nil {
		return plainURLError(err)
	}
	req.Header.Set("User-Agent", "dhow")
	req.Header.Set("Accept-Encoding", "identity") // the bytes as they are kept there
	resp, err := client().Do(req)
	if err != nil {
		return plainURLError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode >= 300 {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var check digest.Verifier
	var to io.Writer = f
	if u.Checksum != "" {
		if !u.Checksum.Algorithm().Available() {
			return fmt.Errorf("checksum %s: the algorithm is not known here", u.Checksum)
		}
		check = u.Checksum.Verifier()
		to = io.MultiWriter(f, check)
	}
	n, err := io.Copy(to, io.LimitReader(&counting{r: resp.Body, total: resp.ContentLength, report: report}, maxFetch+1))
	if err != nil {
		return err
	}
	if n > maxFetch {
		return fmt.Errorf("it is larger than %d bytes", int64(maxFetch))
	}
	if check != nil && !check.Verified() {
		return errWrongDigest(u.Checksum, f.Name())
	}
	at := time.Unix(0, 0)
	if m, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		at = m
	}
	return errors.Join(f.Close(), os.Chtimes(path, at, at))
}

func errWrongDigest(want digest.Digest, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	have, err := want.Algorithm().FromReader(f)
	if err != nil {
		return err
	}
	return fmt.Errorf("digest mismatch: it is %s, expected %s", have, want)
}

// counting reports now and then how much was read.
type counting struct {
	r          io.Reader
	now, total int64
	last       time.Time
	report     func(now, total int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.now += int64(n)
	if time.Since(c.last) > 200*time.Millisecond {
		c.last = time.Now()
		c.report(c.now, max(c.total, 0))
	}
	return n, err
}

// redact hides user and password in an address: a token often stands in the user's place.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a URL that can not be read"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	return u.String()
}

// plainURLError drops the address from net/http's error: the caller names it, redacted.
func plainURLError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
