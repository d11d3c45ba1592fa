package seccomp

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// highest gives the highest number the interface has for a call of the profile.
func highest(t *testing.T, program []unix.SockFilter, arch, base uint32) uint32 {
	t.Helper()
	enosys := unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	for n := uint32(2000); n > 0; n-- {
		if decide(t, program, call{number: base + n - 1, arch: arch}) != enosys {
			return n - 1
		}
	}
	t.Fatalf("every call of %#x is unknown", arch)
	return 0
}

// A program decides what its profile says, but for calls above all that the profile names.
func TestProgramUnknown(t *testing.T) {
	p := DefaultProfileFor(Host{Arch: "amd64", Kernel: KernelVersion{6, 1}}, nil)
	code, flags, err := Program(p)
	if err != nil {
		t.Fatal(err)
	}
	if flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		t.Error("a listener is asked for")
	}
	program, plain := decode(t, code), ours(t, p, nil)
	for _, abi := range []struct {
		name       string
		arch, base uint32
	}{{"amd64", unix.AUDIT_ARCH_X86_64, 0}, {"x32", unix.AUDIT_ARCH_X86_64, 1 << 30}, {"x86", unix.AUDIT_ARCH_I386, 0}} {
		last := highest(t, program, abi.arch, abi.base)
		if last < 400 {
			t.Errorf("%s: calls above %d are unknown", abi.name, last)
		}
		for n := uint32(0); n <= last; n++ {
			c := call{number: abi.base + n, arch: abi.arch}
			if got, want := decide(t, program, c), decide(t, plain, c); got != want {
				t.Errorf("%s %d: %#x and not %#x", abi.name, n, got, want)
			}
		}
		if got := decide(t, plain, call{number: abi.base + last + 1, arch: abi.arch}); got != unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM) {
			t.Errorf("%s: without the rule an unknown call gives %#x", abi.name, got)
		}
	}
	if got := decide(t, program, call{number: 0, arch: unix.AUDIT_ARCH_AARCH64}); got != unix.SECCOMP_RET_KILL_THREAD {
		t.Errorf("another architecture: %#x", got)
	}
}

func TestProgramFlags(t *testing.T) {
	errno := uint(unix.ENOSYS)
	for name, c := range map[string]struct {
		p    *specs.LinuxSeccomp
		want uint32
		none bool
		bad  bool
	}{
		"nothing":      {p: nil, none: true},
		"empty":        {p: &specs.LinuxSeccomp{}, none: true},
		"no flags":     {p: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, want: unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		"empty flags":  {p: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{}}},
		"log":          {p: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog}}, want: unix.SECCOMP_FILTER_FLAG_LOG},
		"unknown flag": {p: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"x"}}, bad: true},
		"bad action":   {p: &specs.LinuxSeccomp{DefaultAction: "x"}, bad: true},
		"enosys":       {p: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &errno, Flags: []specs.LinuxSeccompFlag{}}},
		"notify": {p: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{}, Syscalls: []specs.LinuxSyscall{{Names: []string{"chown"}, Action: specs.ActNotify}}},
			want: unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
	} {
		code, flags, err := Program(c.p)
		if (err != nil) != c.bad || !c.bad && (flags != c.want || (len(code) == 0) != c.none) {
			t.Errorf("%s: %d bytes, flags %#x, %v", name, len(code), flags, err)
		}
	}
}
