package plan

import (
	"fmt"
	"runtime"
	"strings"
)

// Platform is an operating system and an architecture, in Go's and OCI's spelling.
type Platform struct {
	OS, Architecture, Variant string
}

// Host is the platform of this machine.
func HostPlatform() Platform {
	p := Platform{OS: "linux", Architecture: runtime.GOARCH}
	if p.Architecture == "arm" {
		p.Variant = "v7"
	}
	return p
}

// String is "linux/amd64" or "linux/arm/v7".
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// ParsePlatform reads "linux/amd64", "linux/arm/v7", "amd64" or "linux", and the usual other names
// of architectures. What is left out is this machine's.
func ParsePlatform(s string) (Platform, error) {
	p := HostPlatform()
	parts := strings.Split(strings.ToLower(s), "/")
	for _, part := range parts {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			return Platform{}, fmt.Errorf("%q is not a platform: write os/arch, for instance linux/amd64", s)
		}
	}
	switch len(parts) {
	case 1:
		if knownOS[parts[0]] {
			p.OS = parts[0]
			return p, nil
		}
		if !knownArch[normalArch(parts[0])] {
			return Platform{}, fmt.Errorf("%q is neither an operating system nor an architecture: write os/arch, for instance linux/amd64", s)
		}
		p.Architecture, p.Variant = normalArch(parts[0]), ""
	case 2, 3:
		p.OS, p.Architecture, p.Variant = parts[0], normalArch(parts[1]), ""
		if p.OS == "macos" {
			p.OS = "darwin"
		}
		if len(parts) == 3 {
			p.Variant = parts[2]
		}
	default:
		return Platform{}, fmt.Errorf("%q is not a platform: write os/arch, for instance linux/amd64", s)
	}
	return p.normal(), nil
}

// normal fills in and drops variants that say nothing, as containerd/platforms does.
func (p Platform) normal() Platform {
	switch p.Architecture {
	case "arm64":
		if p.Variant == "8" || p.Variant == "v8" || p.Variant == "v8.0" {
			p.Variant = ""
		}
	case "arm":
		switch p.Variant {
		case "", "7":
			p.Variant = "v7"
		case "5", "6", "8":
			p.Variant = "v" + p.Variant
		}
	case "amd64":
		if p.Variant == "v1" {
			p.Variant = ""
		}
	}
	return p
}

func normalArch(a string) string {
	switch a {
	case "i386":
		return "386"
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armhf", "armel":
		return "arm"
	}
	return a
}

var knownOS = map[string]bool{"linux": true, "windows": true, "darwin": true, "freebsd": true, "netbsd": true,
	"openbsd": true, "dragonfly": true, "solaris": true, "android": true, "aix": true, "plan9": true, "wasip1": true, "js": true}

var knownArch = map[string]bool{"386": true, "amd64": true, "arm": true, "arm64": true, "ppc64": true, "ppc64le": true,
	"mips": true, "mipsle": true, "mips64": true, "mips64le": true, "riscv64": true, "s390x": true, "loong64": true, "wasm": true}

// runs tells whether this machine can run steps of p by itself.
func (p Platform) runs() bool {
	h := HostPlatform()
	return p.OS == h.OS && p.Architecture == h.Architecture
}

// check refuses platforms whose steps cannot run here.
func (p Platform) check() error {
	if p.runs() {
		return nil
	}
	return fmt.Errorf("platform %s is not supported yet: this machine is %s and steps run on it alone", p, HostPlatform())
}
