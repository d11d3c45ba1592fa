package spec

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestArgs(t *testing.T) {
	img := Image{Entrypoint: []string{"/entry", "-x"}, Cmd: []string{"serve"}}
	for _, c := range []struct {
		name string
		img  Image
		w    Wishes
		want string // joined by spaces; empty for ErrNoCommand
	}{
		{"the image's", img, Wishes{}, "/entry -x serve"},
		{"arguments replace the command", img, Wishes{Args: []string{"ls", "/"}}, "/entry -x ls /"},
		{"an entrypoint takes the command along", img, Wishes{Entrypoint: []string{"sh"}, EntrypointSet: true}, "sh"},
		{"an entrypoint with arguments", img, Wishes{Entrypoint: []string{"sh"}, EntrypointSet: true, Args: []string{"-c", "id"}}, "sh -c id"},
		{"an empty entrypoint", img, Wishes{Entrypoint: []string{""}, EntrypointSet: true, Args: []string{"id"}}, "id"},
		{"an empty entrypoint and no command", img, Wishes{Entrypoint: []string{""}, EntrypointSet: true}, ""},
		{"only a command", Image{Cmd: []string{"sh"}}, Wishes{}, "sh"},
		{"nothing", Image{}, Wishes{}, ""},
	} {
		got, err := Args(c.img, c.w)
		if c.want == "" {
			if !errors.Is(err, ErrNoCommand) {
				t.Errorf("%s: got %q, %v; want ErrNoCommand", c.name, got, err)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		name string
		img  []string
		w    Wishes
		want []string
	}{
		{"defaults", nil, Wishes{}, []string{"PATH=" + DefaultPath, "HOSTNAME=box", "HOME=/home/u"}},
		{"a terminal", nil, Wishes{Terminal: true}, []string{"PATH=" + DefaultPath, "HOSTNAME=box", "TERM=xterm", "HOME=/home/u"}},
		{"the person is stronger, in the image's place", []string{"A=1", "B=2", "PATH=/p"}, Wishes{Env: []string{"A=3", "C=4"}},
			[]string{"PATH=/p", "HOSTNAME=box", "A=3", "B=2", "C=4", "HOME=/home/u"}},
		{"a name alone takes away", []string{"A=1"}, Wishes{Env: []string{"A", "HOSTNAME"}}, []string{"PATH=" + DefaultPath, "HOME=/home/u"}},
		{"what is no variable is dropped (CVE-2026-57231)", []string{"", "=x", "NOEQ", "A=B\x00C", "OK=a=b\nc"}, Wishes{},
			[]string{"PATH=" + DefaultPath, "HOSTNAME=box", "OK=a=b\nc", "HOME=/home/u"}},
		{"the image's HOME stays", []string{"HOME=/h"}, Wishes{}, []string{"PATH=" + DefaultPath, "HOSTNAME=box", "HOME=/h"}},
		{"an empty HOME does not", []string{"HOME=", "A=1"}, Wishes{}, []string{"PATH=" + DefaultPath, "HOSTNAME=box", "A=1", "HOME=/home/u"}},
		{"the later of two", []string{"A=1", "A=2"}, Wishes{}, []string{"PATH=" + DefaultPath, "HOSTNAME=box", "A=2", "HOME=/home/u"}},
		{"names are not prefixes", []string{"AB=1"}, Wishes{Env: []string{"A=2"}}, []string{"PATH=" + DefaultPath, "HOSTNAME=box", "AB=1", "A=2", "HOME=/home/u"}},
	} {
		t.Setenv("NOEQ", "secret of the caller")
		if got := environment(Image{Env: c.img}, c.w, "box", "/home/u"); !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestWorkingDir(t *testing.T) {
	for _, c := range []struct{ img, wish, want string }{
		{"", "", "/"},
		{"/app", "", "/app"},
		{"app/x", "", "/app/x"},
		{"/app", "/srv/../w/", "/w"},
		{"/app", "rel", ""},
		{"", "/proc/self/fd/7", ""},
		{"/proc/self/fd/7/../../..", "", "/proc"}, // lexically harmless; symlinks are libcontainer's to check
		{"/proc/thread-self/cwd", "", ""},
		{"/proc/1/root/etc", "", ""},
		{"/proc/self/task/1/fd/3", "", ""},
		{"/proc/sys", "", "/proc/sys"},
		{"/a\x00b", "", ""},
		{"/" + strings.Repeat("a", 5000), "", ""},
	} {
		got, err := workingDir(Image{WorkingDir: c.img}, Wishes{WorkingDir: c.wish})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("image %q, wish %q: got %q, %v; want %q", c.img, c.wish, got, err, c.want)
		}
	}
}

func TestHostname(t *testing.T) {
	id := "0123456789abcdef"
	for _, c := range []struct {
		w    Wishes
		want string
		ok   bool
	}{
		{Wishes{}, "0123456789ab", true},
		{Wishes{Hostname: "web-1"}, "web-1", true},
		{Wishes{HostNetwork: true}, "machine", true},
		{Wishes{Hostname: "a b"}, "", false},
		{Wishes{Hostname: "a\nb"}, "", false},
		{Wishes{Hostname: strings.Repeat("a", 65)}, "", false},
	} {
		got, err := hostname(c.w, Host{ID: id, Hostname: "machine"})
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%+v: got %q, %v", c.w, got, err)
		}
	}
}

func TestCapabilities(t *testing.T) {
	has := func(list []string, c string) bool { return slices.Contains(list, c) }
	for _, c := range []struct {
		add, drop []string
		count     int
		in, out   string
	}{
		{nil, nil, 14, "CAP_CHOWN", "CAP_SYS_ADMIN"},
		{[]string{"net_admin"}, nil, 15, "CAP_NET_ADMIN", ""},
		{[]string{"CAP_CHOWN"}, nil, 14, "CAP_CHOWN", ""},
		{nil, []string{"CHOWN"}, 13, "CAP_KILL", "CAP_CHOWN"},
		{nil, []string{"all"}, 0, "", "CAP_CHOWN"},
		{[]string{"SYS_TIME"}, []string{"ALL"}, 1, "CAP_SYS_TIME", "CAP_CHOWN"},
		{[]string{"ALL"}, nil, 41, "CAP_SYS_ADMIN", ""},
		{[]string{"ALL"}, []string{"SYS_ADMIN"}, 40, "CAP_BPF", "CAP_SYS_ADMIN"},
	} {
		got, err := Capabilities(c.add, c.drop)
		if err != nil || len(got) != c.count || c.in != "" && !has(got, c.in) || has(got, c.out) {
			t.Errorf("add %q drop %q: got %d %q, %v", c.add, c.drop, len(got), got, err)
		}
	}
	if _, err := Capabilities([]string{"FLY"}, nil); err == nil || err.Error() != `unknown capability: "FLY"` {
		t.Errorf("an unknown capability: got %v", err)
	}
}

func TestCapabilitiesWithinOurs(t *testing.T) {
	ours := []string{"CAP_CHOWN", "CAP_KILL"}
	got, err := within([]string{"CAP_CHOWN", "CAP_SYS_ADMIN"}, []string{"ALL"}, ours)
	if err != nil || !slices.Equal(got, []string{"CAP_CHOWN"}) {
		t.Errorf("ALL: %q, %v", got, err)
	}
	if got, err := within([]string{"CAP_CHOWN", "CAP_SYS_ADMIN"}, []string{"sys_admin"}, ours); err == nil {
		t.Errorf("by name: %q", got)
	}
}
