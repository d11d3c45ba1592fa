package registry

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"go.podman.io/image/v5/docker"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// The library makes its own http client, tells nobody what the header Retry-After says of an answer other
// than 429, and reads a refusal to its end. So its client, which is in a field of a field of what it
// gives, gets a transport of ours. Where a newer version has them elsewhere, a pull waits as long as it
// thinks right, and refusals end with Bounded.

// refusalBytes is what is read of an answer that says no; the library looks for a short JSON document in
// it.
const refusalBytes = 1 << 20

// Reference is ref, a reference of the library's to an image of a registry. What its sources and
// destinations ask the registry, from their second request on, passes by here: Asked tells what was said
// of waiting under the request's context, and refusals have an end.
func Reference(ref types.ImageReference) types.ImageReference { return listened{ref} }

type listened struct{ types.ImageReference }

func (l listened) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	src, err := l.ImageReference.NewImageSource(ctx, sys) // it asks for the manifest
	if err == nil {
		listen(src)
	}
	return src, err
}

func (l listened) NewImageDestination(ctx context.Context, sys *types.SystemContext) (types.ImageDestination, error) {
	dest, err := l.ImageReference.NewImageDestination(ctx, sys)
	if err == nil {
		_ = dest.SupportsSignatures(ctx) // it has a client from its first request on, whatever becomes of that
		listen(dest)
	}
	return dest, err
}

// listen makes what x, which the library gave and nobody uses yet, asks from now on pass by here.
func listen(x any) {
	if client := clientOf(x); client != nil {
		client.Transport = &listener{inner: client.Transport}
	}
}

// clientOf finds the http client of an image source or destination of the library's; nil when it has none
// yet, or none we know of.
func clientOf(x any) *http.Client {
	v := reflect.ValueOf(x)
	for _, name := range []string{"c", "client"} {
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil
		}
		if v = v.Elem().FieldByName(name); !v.IsValid() {
			return nil
		}
	}
	if v.Type() != reflect.TypeFor[*http.Client]() || !v.CanAddr() {
		return nil
	}
	return *(**http.Client)(unsafe.Pointer(v.UnsafeAddr())) //nolint:gosec // of the very type that was asked for
}

// listener is an http.RoundTripper that sees every answer.
type listener struct{ inner http.RoundTripper }

func (l *listener) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.inner.RoundTrip(req)
	if err != nil {
		return res, err
	}
	if res.StatusCode >= 500 {
		hear(req.Context(), res)
	}
	if res.StatusCode >= 400 {
		res.Body = limited{io.LimitReader(res.Body, refusalBytes), res.Body}
	}
	return res, nil
}

// CloseIdleConnections is what http.Client looks for.
func (l *listener) CloseIdleConnections() {
	if c, ok := l.inner.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type limited struct {
	io.Reader
	io.Closer
}

// pause is what a registry said last of when it wants to be asked again.
type pause struct {
	mu    sync.Mutex
	host  string
	until time.Time
}

func hear(ctx context.Context, res *http.Response) {
	t := transferOf(ctx)
	wait := RetryAfter(res.Header.Get("Retry-After"), time.Now())
	if t == nil || wait == 0 {
		return
	}
	t.asked.mu.Lock()
	defer t.asked.mu.Unlock()
	t.asked.host, t.asked.until = res.Request.URL.Host, time.Now().Add(wait)
}

// Asked tells for how long the registry wants no request, by what its last refusal under a context of
// Bounded said.
func Asked(ctx context.Context) (host string, wait time.Duration) {
	t := transferOf(ctx)
	if t == nil {
		return "", 0
	}
	t.asked.mu.Lock()
	defer t.asked.mu.Unlock()
	return t.asked.host, max(time.Until(t.asked.until), 0)
}

// RetryAfter reads the header of that name (RFC 9110, 10.2.3); 0 when it says nothing.
func RetryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(math.MaxInt64/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// knockTime is how long an answer is waited for that only tells when to ask again.
const knockTime = 10 * time.Second

// Knock asks a registry for the manifest ref names, without an account, to hear how long it wants to be
// left alone. It is for when the library's first request, which nobody hears the answer of, was
// answered with an error of the registry's.
func Knock(ctx context.Context, sys *types.SystemContext, ref types.ImageReference) {
	ctx, cancel := context.WithTimeout(ctx, knockTime)
	defer cancel()
	named, insecure := ref.DockerReference(), sys.DockerInsecureSkipTLSVerify == types.OptionalBoolTrue
	if r, err := sysregistriesv2.FindRegistry(sys, named.Name()); err == nil && r != nil {
		if all, err := r.PullSourcesFromReference(named); err == nil && len(all) > 0 {
			last := all[len(all)-1] // whose error it was, as the library has it
			named, insecure = last.Reference, insecure || last.Endpoint.Insecure
		}
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return
	}
	to, err := Reference(ref).NewImageDestination(ctx, sys)
	if err != nil {
		return
	}
	defer to.Close()
	client := clientOf(to)
	if client == nil {
		return
	}
	for _, scheme := range []string{"https", "http"} {
		if scheme == "http" && !insecure {
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, scheme+"://"+manifestPlace(named), nil)
		if err != nil {
			return
		}
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
			return
		}
	}
}

// manifestPlace is the address of a manifest, without the scheme.
func manifestPlace(named imageref.Named) string {
	host, which := imageref.Domain(named), "latest"
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	switch n := named.(type) {
	case imageref.Digested:
		which = n.Digest().String()
	case imageref.Tagged:
		which = n.Tag()
	}
	return host + "/v2/" + imageref.Path(named) + "/manifests/" + which
}
