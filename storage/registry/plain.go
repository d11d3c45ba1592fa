package registry

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// proxyOf gives what the library asks before every request, redirected ones too: the environment's proxy
// for it, or an error for one in plain http. A registry that is reached over TLS names where its tokens
// are had and its blobs lie; nothing of that may take an account past TLS.
func (a Access) proxyOf(sys *types.SystemContext) func(*url.URL) (*url.URL, error) {
	return func(u *url.URL) (*url.URL, error) {
		if u.Scheme == "http" && !loopback(u.Host) && !loopback(a.Domain) && !a.Insecure && !plainAllowed(sys, a.Domain) {
			return nil, fmt.Errorf("%s is reached over TLS and leads to %s in plain http: refused", a.Domain, u.Host)
		}
		return http.ProxyFromEnvironment(&http.Request{URL: u})
	}
}

// plainAllowed tells whether registries.conf lets a registry, or a mirror of it, do without TLS.
func plainAllowed(sys *types.SystemContext, domain string) bool {
	insecure := func(e sysregistriesv2.Endpoint) bool { return e.Insecure }
	all, err := sysregistriesv2.GetRegistries(sys)
	if err != nil {
		return false
	}
	if r, err := sysregistriesv2.FindRegistry(sys, domain); err == nil && r != nil {
		all = append(all, *r) // by a pattern
	}
	return slices.ContainsFunc(all, func(r sysregistriesv2.Registry) bool {
		host, _, _ := strings.Cut(r.Prefix, "/")
		return (host == domain || strings.HasPrefix(r.Prefix, "*.")) && (insecure(r.Endpoint) || slices.ContainsFunc(r.Mirrors, insecure))
	})
}
