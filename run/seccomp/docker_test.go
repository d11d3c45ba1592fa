package seccomp

import (
	"encoding/json"
	"runtime"
	"slices"
	"testing"

	docker "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// dockers is the profile of docker's own module, for the capabilities.
func dockers(t *testing.T, caps []string) *specs.LinuxSeccomp {
	t.Helper()
	text, err := json.Marshal(docker.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Resolve(ThisHost(), caps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDefaultIsDockers: our table decides every call of every way into the kernel as docker's does, with
// each capability and with all.
func TestDefaultIsDockers(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED, the numbers here are amd64's")
	}
	sets := [][]string{nil, dockersCaps}
	var all []string
	for _, c := range append(byCapability, struct{ capability, names string }{capability: "CAP_NET_ADMIN"}) {
		all = append(all, c.capability)
		sets = append(sets, []string{c.capability})
	}
	sets = append(sets, all)
	values := []uint64{8, 1 << 17, 1<<17 | 8, unix.CLONE_NEWUSER, unix.CLONE_NEWNS | unix.CLONE_FS, 0xffffffff, 1 << 32}
	families := []uint64{}
	for n := range uint64(64) {
		families = append(families, n)
	}
	compare(t, ours(t, DefaultProfile(nil), nil), ours(t, dockers(t, nil), nil), families)
	for _, caps := range sets {
		compare(t, ours(t, DefaultProfile(caps), nil), ours(t, dockers(t, caps), nil), values)
		if t.Failed() {
			t.Fatalf("with the capabilities %v", caps)
		}
	}
}

// The control: a single call more or less is seen.
func TestDefaultIsDockersSees(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED, the numbers here are amd64's")
	}
	p := dockers(t, nil)
	for i, rule := range p.Syscalls {
		if n := slices.Index(rule.Names, "uname"); n >= 0 {
			p.Syscalls[i].Names = slices.Delete(slices.Clone(rule.Names), n, n+1)
		}
	}
	mine, less := ours(t, DefaultProfile(nil), nil), ours(t, p, nil)
	c := call{number: unix.SYS_UNAME, arch: auditAMD64}
	if decide(t, mine, c) == decide(t, less, c) {
		t.Error("a profile without uname decides as one with it")
	}
}

var dockersCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}
