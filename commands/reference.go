package commands

import (
	"fmt"
	"strings"

	dref "github.com/distribution/reference"
)

// reference is an image name as docker reads it: host, path, and tag or digest.
type reference struct {
	host, path string
	tag        string
	digest     string
	defaulted  bool // the tag was not said
}

// parseReference reads a name by docker's rules ("alpine" is docker.io/library/alpine:latest).
func parseReference(name string) (reference, error) {
	named, err := dref.ParseNormalizedNamed(name)
	if err != nil {
		return reference{}, fmt.Errorf("invalid reference %q: %w", name, err)
	}
	r := reference{host: dref.Domain(named), path: dref.Path(named)}
	if t, ok := named.(dref.Tagged); ok {
		r.tag = t.Tag()
	}
	if d, ok := named.(dref.Digested); ok {
		r.digest = d.Digest().String()
	}
	if r.tag == "" && r.digest == "" {
		r.tag, r.defaulted = "latest", true
	}
	return r, nil
}

// name is the repository with its host: "docker.io/library/alpine".
func (r reference) name() string { return r.host + "/" + r.path }

func (r reference) suffix() string {
	s := ""
	if r.tag != "" {
		s = ":" + r.tag
	}
	if r.digest != "" {
		s += "@" + r.digest
	}
	return s
}

func (r reference) full() string { return r.name() + r.suffix() }

// tagOrDigest is what docker puts before "Pulling from".
func (r reference) tagOrDigest() string {
	if r.tag != "" {
		return r.tag
	}
	return r.digest
}

// familiarName is the repository as docker's lists show it: without docker.io and library.
func (r reference) familiarName() string {
	if r.host != "docker.io" {
		return r.name()
	}
	return strings.TrimPrefix(r.path, "library/")
}

// familiar is the short form of the whole name: "alpine:latest".
func (r reference) familiar() string { return r.familiarName() + r.suffix() }

// familiar gives the short form of a full name; a name it can not read stays as it is.
func familiar(full string) string {
	r, err := parseReference(full)
	if err != nil {
		return full
	}
	return r.familiar()
}
