package seccomp

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Host is what a profile's conditions are decided by.
type Host struct {
	Arch   string // GOARCH
	Kernel [2]int // major, minor
}

// ThisHost describes the running machine.
func ThisHost() Host { return Host{} }

// DefaultProfileFor is DefaultProfile for a given host.
func DefaultProfileFor(h Host, caps []string) *specs.LinuxSeccomp { return nil }

// Load reads the Docker-format profile at path and gives what holds of it for this host and the
// capabilities caps.
func Load(path string, caps []string) (*specs.LinuxSeccomp, error) {
	return nil, errors.New("loading of profiles is being written")
}

// Merge gives a copy of profile in which the calls of notify are answered by a listener wherever
// profile allows them. Calls that profile denies stay denied.
func Merge(profile, notify *specs.LinuxSeccomp) *specs.LinuxSeccomp { return profile }
