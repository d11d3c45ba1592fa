package storage

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/registry"
)

// platformError tells that an image is here, but not for the platform asked for. The words are
// docker's.
type platformError struct{ name, platform string }

func (e platformError) Error() string {
	return fmt.Sprintf("image with reference %s was found but does not provide the specified platform (%s)", e.name, e.platform)
}

func (e platformError) Unwrap() error { return ErrNotFound }

// OtherPlatform tells an error of LookupFor about an image that is here for other platforms only
// from one about an image that is not here at all. Both are ErrNotFound.
func OtherPlatform(err error) bool {
	var e platformError
	return errors.As(err, &e)
}

// runsAs orders platforms by how well a machine of the architecture runs them: 0 for its own, then
// what its processors run too, then the rest.
func runsAs(p v1.Platform, arch string) int {
	switch {
	case p.OS != "linux" && p.OS != "":
		return 4
	case p.Architecture == arch && (arch != "amd64" || p.Variant == "" || p.Variant == "v1"):
		return 0
	case p.Architecture == arch:
		return 1
	case arch == "amd64" && p.Architecture == "386", arch == "arm64" && p.Architecture == "arm":
		return 2
	}
	return 3
}

func rank(p v1.Platform) int { return runsAs(p, runtime.GOARCH) }

// provides reports whether p is what "os/arch[/variant]" asks for.
func provides(p v1.Platform, wanted string) (bool, error) {
	wantedOS, arch, variant, err := registry.ParsePlatform(wanted)
	if err != nil {
		return false, err
	}
	have := p.Variant
	if p.Architecture == "arm64" && (have == "v8" || have == "8") {
		have = ""
	}
	return p.Architecture == arch && (p.OS == "" || p.OS == wantedOS) && (variant == "" || have == "" || have == variant), nil
}

func platformText(p v1.Platform) string {
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

func platformOfConfig(c image.Config) v1.Platform {
	return v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
}

// Platform is "os/arch[/variant]".
func (i Image) Platform() string { return platformText(platformOfConfig(i.Config)) }

// recordPlatform reads the platform of a record's image; the zero value when its config can not be
// read.
func (s *Store) recordPlatform(r imageRecord, m imageMetadata) v1.Platform {
	raw, err := os.ReadFile(s.imageDataFile(r.ID, m.Config.String()))
	if err != nil {
		return v1.Platform{}
	}
	c, err := image.Parse(raw)
	if err != nil {
		return v1.Platform{}
	}
	return platformOfConfig(c)
}

// best gives the entry of an index this machine runs best, or the first that provides the platform
// asked for; false when there is none.
func best(entries []v1.Descriptor, wanted string) (v1.Descriptor, bool, error) {
	if wanted != "" {
		for _, d := range entries {
			if d.Platform == nil {
				continue
			}
			ok, err := provides(*d.Platform, wanted)
			if ok || err != nil {
				return d, ok, err
			}
		}
		return v1.Descriptor{}, false, nil
	}
	if len(entries) == 0 {
		return v1.Descriptor{}, false, nil
	}
	return slices.MinFunc(entries, func(a, b v1.Descriptor) int { return entryRank(a) - entryRank(b) }), true, nil
}

func entryRank(d v1.Descriptor) int {
	if d.Platform == nil {
		return 3
	}
	return rank(*d.Platform)
}
