// Package reference reads and writes image names as docker does.
//
// A name a person types is short ("alpine"), a name in the store is full
// ("docker.io/library/alpine:latest"); this room turns one into the other. It touches neither store
// nor network. Grammar: distribution/reference.
package reference

import (
	"errors"
	"fmt"
	"strings"

	distribution "github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Name is a parsed reference. Tag and Digest may both be empty (only from ParseBare), or both set.
type Name struct {
	Domain string // "docker.io", "localhost:5000"
	Path   string // "library/alpine"
	Tag    string
	Digest digest.Digest
}

// maxLength bounds what is parsed at all; a reference is at most 255 bytes of name, 128 of tag and
// a digest.
const maxLength = 1024

// Parse reads a reference and fills what docker fills: docker.io, library/, and :latest when there
// is neither tag nor digest.
func Parse(s string) (Name, error) {
	n, err := ParseBare(s)
	if err == nil && n.Tag == "" && n.Digest == "" {
		n.Tag = "latest"
	}
	return n, err
}

// ParseBare is Parse without the default tag.
func ParseBare(s string) (Name, error) {
	if s == "" {
		return Name{}, errors.New("invalid reference: it is empty")
	}
	if len(s) > maxLength {
		return Name{}, fmt.Errorf("invalid reference %q…: longer than %d characters", s[:40], maxLength)
	}
	named, err := distribution.ParseNormalizedNamed(s)
	if err != nil {
		return Name{}, fmt.Errorf("invalid reference %q: %w", s, err)
	}
	n := Name{Domain: distribution.Domain(named), Path: distribution.Path(named)}
	if n.Domain == "" {
		// The library takes "a_b.c/x" for a name of one path, though what is before the slash looks
		// like a host and is none.
		return Name{}, fmt.Errorf("invalid reference %q: %w", s, distribution.ErrReferenceInvalidFormat)
	}
	if t, ok := named.(distribution.Tagged); ok {
		n.Tag = t.Tag()
	}
	if d, ok := named.(distribution.Digested); ok {
		n.Digest = d.Digest()
	}
	return n, nil
}

// Repository is the name without tag and digest.
func (n Name) Repository() string { return n.Domain + "/" + n.Path }

// String is the full reference.
func (n Name) String() string {
	s := n.Repository()
	if n.Tag != "" {
		s += ":" + n.Tag
	}
	if n.Digest != "" {
		s += "@" + n.Digest.String()
	}
	return s
}

// Tagged is the full reference without the digest; "" when there is no tag.
func (n Name) Tagged() string {
	if n.Tag == "" {
		return ""
	}
	return n.Repository() + ":" + n.Tag
}

// Familiar is the reference as docker prints it: docker.io and library/ left out.
func (n Name) Familiar() string { return Familiar(n.String()) }

// Familiar shortens a full reference, or a full repository, as docker prints it; what is not one is
// returned as it is.
func Familiar(full string) string {
	named, err := distribution.ParseNormalizedNamed(full)
	if err != nil {
		return full
	}
	return distribution.FamiliarString(named)
}

// IsShort reports whether s names no host, so that a default (or registries.conf) supplies it.
func IsShort(s string) bool {
	first, _, found := strings.Cut(s, "/")
	if !found {
		return true
	}
	return !strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first
}

// Candidates gives the full references under which an image called s may be kept, in the order they
// are tried: docker's meaning, then localhost/ (podman's name for local builds) for short names.
func Candidates(s string) ([]Name, error) {
	n, err := Parse(s)
	if err != nil {
		return nil, err
	}
	names := []Name{n}
	if IsShort(s) {
		local := n
		local.Domain = "localhost"
		local.Path = strings.TrimPrefix(local.Path, "library/")
		names = append(names, local)
	}
	return names, nil
}

// ID tells whether s can be an image id or the beginning of one, with or without "sha256:"; whole
// tells that it is complete. hex is without the prefix.
func ID(s string) (hex string, whole, ok bool) {
	hex, prefixed := strings.CutPrefix(s, "sha256:")
	if hex == "" || len(hex) > 64 || (prefixed && len(hex) < 1) {
		return "", false, false
	}
	for i := range len(hex) {
		if c := hex[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", false, false
		}
	}
	return hex, len(hex) == 64, true
}
