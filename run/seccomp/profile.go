package seccomp

import (
	"fmt"
	"runtime"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Profile is a profile in Docker's format, with conditions that a host and a set of capabilities
// decide. Fields the format does not know are ignored as Docker ignores them.
type Profile struct {
	DefaultAction    specs.LinuxSeccompAction `json:"defaultAction"`
	DefaultErrnoRet  *uint                    `json:"defaultErrnoRet,omitempty"`
	Architectures    []specs.Arch             `json:"architectures,omitempty"`
	ArchMap          []archs                  `json:"archMap,omitempty"`
	Flags            []specs.LinuxSeccompFlag `json:"flags,omitempty"`
	ListenerPath     string                   `json:"listenerPath,omitempty"`
	ListenerMetadata string                   `json:"listenerMetadata,omitempty"`
	Syscalls         []group                  `json:"syscalls"`
}

// archs are the further interfaces of a processor.
type archs struct {
	Arch      specs.Arch   `json:"architecture"`
	SubArches []specs.Arch `json:"subArchitectures"`
}

// group is one rule for several calls; it holds when all of Includes and nothing of Excludes does.
type group struct {
	specs.LinuxSyscall
	Name     string     `json:"name,omitempty"` // instead of Names
	Includes conditions `json:"includes"`
	Excludes conditions `json:"excludes"`
}

type conditions struct {
	Caps      []string       `json:"caps,omitempty"`
	Arches    []string       `json:"arches,omitempty"` // names of Docker's or GOARCH
	MinKernel *KernelVersion `json:"minKernel,omitempty"`
}

// Host is what a profile's conditions are decided by.
type Host struct {
	Arch   string // GOARCH
	Kernel KernelVersion
}

// ThisHost describes the running machine. A kernel whose release can not be read counts as old.
func ThisHost() Host {
	h := Host{Arch: runtime.GOARCH}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		h.Kernel, _ = parseKernel(unix.ByteSliceToString(name.Release[:]))
	}
	return h
}

// dockerArch gives Docker's word in "arches" for a GOARCH; most are the same.
func dockerArch(goarch string) string {
	switch goarch {
	case "386":
		return "x86"
	case "mips64le":
		return "mipsel64"
	case "mipsle":
		return "mipsel"
	case "loong64":
		return "loongarch64"
	}
	return goarch
}

// nativeArchs are the runtime-spec's words for processors, by GOARCH.
var nativeArchs = map[string]specs.Arch{
	"386": specs.ArchX86, "amd64": specs.ArchX86_64, "arm": specs.ArchARM, "arm64": specs.ArchAARCH64,
	"loong64": specs.ArchLOONGARCH64, "mips64": specs.ArchMIPS64, "mips64le": specs.ArchMIPSEL64,
	"ppc64le": specs.ArchPPC64LE, "riscv64": specs.ArchRISCV64, "s390x": specs.ArchS390X,
}

var defaultArchs = []archs{
	{specs.ArchX86_64, []specs.Arch{specs.ArchX86, specs.ArchX32}},
	{specs.ArchAARCH64, []specs.Arch{specs.ArchARM}},
	{specs.ArchMIPS64, []specs.Arch{specs.ArchMIPS, specs.ArchMIPS64N32}},
	{specs.ArchMIPSEL64, []specs.Arch{specs.ArchMIPSEL, specs.ArchMIPSEL64N32}},
	{specs.ArchS390X, []specs.Arch{specs.ArchS390}},
	{specs.ArchRISCV64, nil},
	{specs.ArchLOONGARCH64, nil},
}

// allArchs lists the interfaces of h that map names, the native one first.
func (h Host) allArchs(list []archs) []specs.Arch {
	for _, a := range list {
		if a.Arch == nativeArchs[h.Arch] {
			return append([]specs.Arch{a.Arch}, a.SubArches...)
		}
	}
	return nil
}

// Resolve decides the conditions of p: caps is the bounding set of the container's first process.
// It gives nil for a profile that says nothing, which means no filter.
func (p *Profile) Resolve(h Host, caps []string) (*specs.LinuxSeccomp, error) {
	if p.DefaultAction == "" && len(p.Syscalls) == 0 {
		return nil, nil
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	out := &specs.LinuxSeccomp{
		DefaultAction: p.DefaultAction, DefaultErrnoRet: p.DefaultErrnoRet, Flags: p.Flags,
		Architectures: append(slices.Clone(p.Architectures), h.allArchs(p.ArchMap)...),
		Syscalls:      make([]specs.LinuxSyscall, 0, len(p.Syscalls)),
	}
	for _, g := range p.Syscalls {
		if g.Excludes.any(h, caps) || !g.Includes.all(h, caps) {
			continue
		}
		call := g.LinuxSyscall
		if g.Name != "" {
			call.Names = []string{g.Name}
		}
		out.Syscalls = append(out.Syscalls, call)
	}
	return out, nil
}

func (c conditions) all(h Host, caps []string) bool {
	for _, want := range c.Caps {
		if !slices.Contains(caps, want) {
			return false
		}
	}
	return (len(c.Arches) == 0 || c.names(h)) && (c.MinKernel == nil || !h.Kernel.less(*c.MinKernel))
}

func (c conditions) any(h Host, caps []string) bool {
	for _, have := range c.Caps {
		if slices.Contains(caps, have) {
			return true
		}
	}
	return c.names(h) || (c.MinKernel != nil && !h.Kernel.less(*c.MinKernel))
}

func (c conditions) names(h Host) bool {
	return slices.Contains(c.Arches, h.Arch) || slices.Contains(c.Arches, dockerArch(h.Arch))
}

// DefaultProfileFor is [DefaultProfile] for a given host.
func DefaultProfileFor(h Host, caps []string) *specs.LinuxSeccomp {
	out, err := defaultProfile().Resolve(h, caps)
	if err != nil {
		panic(fmt.Sprintf("the default seccomp profile is wrong: %v", err)) // a test resolves it
	}
	return out
}
