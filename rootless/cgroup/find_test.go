package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// host makes a hierarchy of plain files. A line is "GROUP [ro] [pids N,…] [type T] [controllers C,…]".
func host(t *testing.T, own string, lines ...string) tree {
	t.Helper()
	tr := tree{root: t.TempDir(), own: own, alone: func(pids []int) bool { return slices.Equal(pids, []int{7}) }}
	var closed []string
	for _, line := range lines {
		f := strings.Fields(line)
		files := map[string]string{"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.type": "domain\n", "cgroup.controllers": "cpu memory pids\n"}
		ro := false
		for i := 1; i < len(f); i++ {
			switch f[i] {
			case "ro":
				ro = true
			case "kernel":
				delete(files, "cgroup.type")
			case "pids":
				files["cgroup.procs"] = strings.ReplaceAll(f[i+1], ",", "\n") + "\n"
				i++
			case "type":
				files["cgroup.type"] = f[i+1]
				i++
			case "controllers":
				files["cgroup.controllers"] = strings.ReplaceAll(f[i+1], ",", " ")
				i++
			}
		}
		dir := tr.at(f[0])
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if ro {
			closed = append(closed, filepath.Clean(dir))
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	tr.may = func(path string) bool {
		if strings.HasPrefix(filepath.Base(path), "cgroup.") {
			path = filepath.Dir(path)
		}
		return !slices.Contains(closed, path)
	}
	return tr
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name, own string
		lines     []string
		want      string // the base, or the beginning of the reason
		cure      string
		cs        string
	}{
		{"the kernel's root", "/a", []string{"/ kernel pids 1,2 controllers cpu,io,memory", "/a"}, "/", "", "cpu io memory"},
		{"a session of a service manager", "/user/app/term", []string{"/ kernel ro pids 1", "/user controllers cpu,memory,pids", "/user/app controllers memory,pids", "/user/app/term pids 5"}, "/user/app", "", "cpu memory pids"},
		{"processes in the parent", "/user/app/term", []string{"/ kernel ro pids 1", "/user", "/user/app pids 9", "/user/app/term pids 5"}, "/user", "", "cpu memory pids"},
		{"threaded", "/user/app/term", []string{"/ kernel ro", "/user type domain", "/user/app type threaded", "/user/app/term pids 5"}, "/user", "", "cpu memory pids"},
		{"a login that is not delegated", "/user/session", []string{"/ kernel ro", "/user ro", "/user/session ro pids 5"}, "no control group above /user/session may be written", "systemd-run", ""},
		{"alone in a group of its own", "/ci", []string{"/ kernel ro", "/ci pids 7"}, "/ci", "", "cpu memory pids"},
		{"not alone in it", "/ci", []string{"/ kernel ro", "/ci pids 7,8"}, "the control group /ci is yours but has other processes in it", "alone", ""},
		{"the root of a namespace, with processes", "/", []string{"/ pids 1,7"}, "the control group / is yours but has other processes", "alone", ""},
		{"read-only, in a container", "/", []string{"/ ro pids 7"}, "no control group above / may be written", "systemd-run", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := host(t, c.own, c.lines...).find(false)
			var m *Missing
			if errors.As(err, &m) {
				if !strings.HasPrefix(m.Reason, c.want) || !strings.Contains(m.Cure, c.cure) || m.Cure == "" {
					t.Errorf("%+v, want %q", m, c.want)
				}
				return
			}
			if err != nil || b.Path != c.want || strings.Join(b.Controllers, " ") != c.cs {
				t.Errorf("got %+v %v, want %s with %s", b, err, c.want, c.cs)
			}
		})
	}
}

func TestOwnPath(t *testing.T) {
	for text, want := range map[string]string{
		"0::/user.slice/user-1000.slice/session-2.scope\n": "/user.slice/user-1000.slice/session-2.scope",
		"4:memory:/a\n1:name=systemd:/b\n0::/c\n":          "/c",
		"4:memory:/a\n": "",
		"":              "",
	} {
		if got := ownPath(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestShared(t *testing.T) {
	for _, c := range [][3]string{{"/a/b", "/a/c", "/a"}, {"/a", "/a/c", "/a"}, {"/ab", "/a", "/"}, {"/x", "/", "/"}} {
		if got := shared(c[0], c[1]); got != c[2] {
			t.Errorf("%v: got %s", c, got)
		}
	}
}

// Only what is named like a container's group is removed.
func TestRemoveRefuses(t *testing.T) {
	for _, p := range []string{"", "/", "/user.slice", "/a/b"} {
		if err := Remove(p); err == nil {
			t.Errorf("%q was removed", p)
		}
	}
}
