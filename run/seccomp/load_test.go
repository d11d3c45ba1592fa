package seccomp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	libseccomp "github.com/seccomp/libseccomp-golang"
)

func TestResolve(t *testing.T) {
	const text = `{
	"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
	"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
	"syscalls": [
		{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {}, "excludes": {}},
		{"name": "b", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_X", "CAP_Y"]}},
		{"name": "c", "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_X", "CAP_Y"]}},
		{"name": "d", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
		{"name": "e", "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}},
		{"name": "f", "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
		{"name": "g", "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}, "comment": "x"}
	]}`
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host Host
		caps []string
		want string
	}{
		{Host{"amd64", KernelVersion{4, 8}}, nil, "a c d f"},
		{Host{"amd64", KernelVersion{4, 7}}, nil, "a c e f"},
		{Host{"arm64", KernelVersion{6, 0}}, nil, "a c d g"},
		{Host{"amd64", KernelVersion{10, 1}}, []string{"CAP_X"}, "a d f"},
		{Host{"amd64", KernelVersion{10, 1}}, []string{"CAP_Y", "CAP_X"}, "a b d f"},
	} {
		got, err := p.Resolve(c.host, c.caps)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range got.Syscalls {
			names = append(names, s.Names...)
		}
		if strings.Join(names, " ") != c.want {
			t.Errorf("%v %v: %v, not %s", c.host, c.caps, names, c.want)
		}
		if (len(got.Architectures) == 2) != (c.host.Arch == "amd64") || *got.DefaultErrnoRet != 38 {
			t.Errorf("%v: %v %v", c.host, got.Architectures, *got.DefaultErrnoRet)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.json")
	for text, want := range map[string]string{
		"{\n\"defaultAction\": }":                                   `line 2: invalid character '}'`,
		"{\n\n\"syscalls\": 3}":                                     `line 3: "syscalls" can not be a number`,
		`{"defaultAction": "ALLOW"}`:                                `"defaultAction": unknown action "ALLOW"`,
		`{"syscalls": [{"name": "a", "action": "SCMP_ACT_ALLOW"}]}`: `"defaultAction" is missing`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]}`:                                    `rule 1 of "syscalls": "names" is missing`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_NOTIFY"}]}`:                      `SCMP_ACT_NOTIFY needs a listener`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["A"], "archMap": [{"architecture": "A"}]}`:                    `exclude each other`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "includes": {"minKernel": "x"}}]}`:                   `kernel version "x"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "names": ["b"]}]}`:                                   `"name" and "names" exclude`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "args": [{"index": 9}]}]}`: `argument 9`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "args": [{"op": "EQ"}]}]}`: `unknown operator "EQ"`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, not %s", text, err, want)
		}
	}
	if _, err := Load(filepath.Join(dir, "absent"), nil); err == nil || strings.Count(err.Error(), "absent") != 1 {
		t.Errorf("absent file: %v", err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := Load(path, nil); p != nil || err != nil {
		t.Errorf("an empty profile is no filter: %v %v", p, err)
	}
}

// TestDefaultSurvivesJSON writes the default profile as a file and reads it back.
func TestDefaultSurvivesJSON(t *testing.T) {
	text, err := json.Marshal(defaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, caps := range [][]string{nil, {"CAP_SYS_ADMIN"}} {
		for _, arch := range []string{"amd64", "arm64", "s390x"} {
			h := Host{arch, KernelVersion{6, 1}}
			got, err := p.Resolve(h, caps)
			if err != nil {
				t.Fatal(err)
			}
			if want := DefaultProfileFor(h, caps); !reflect.DeepEqual(got.Syscalls, want.Syscalls) || !reflect.DeepEqual(got.Architectures, want.Architectures) {
				t.Errorf("%s %v: profile changed on the way", arch, caps)
			}
		}
	}
}

// TestDefaultNames finds misspelt calls: all of the default profile's are in the table, but for
// those of processors without one.
func TestDefaultNames(t *testing.T) {
	foreign := map[string]bool{"getsid": true} // in Docker's list, in no kernel
	for _, h := range []Host{{"amd64", KernelVersion{6, 1}}, {"arm64", KernelVersion{6, 1}}} {
		for _, rule := range DefaultProfileFor(h, []string{"CAP_SYS_ADMIN", "CAP_SYS_TIME", "CAP_SYS_NICE"}).Syscalls {
			for _, name := range rule.Names {
				if _, err := libseccomp.GetSyscallFromName(name); err != nil && !foreign[name] {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := json.Marshal(defaultProfile())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_LOG","args":[{"op":"SCMP_CMP_EQ","index":1}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("written again it is refused: %v\n%s", err, again)
		}
		a, err1 := p.Resolve(Host{"amd64", KernelVersion{6, 1}}, nil)
		b, err2 := q.Resolve(Host{"amd64", KernelVersion{6, 1}}, nil)
		if err1 != nil || err2 != nil || (a == nil) != (b == nil) {
			t.Fatalf("%v %v %v %v", a, err1, b, err2)
		}
	})
}
