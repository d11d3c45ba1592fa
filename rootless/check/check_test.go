package check

import (
	"os"
	"testing"

	"github.com/dhow-containers/dhow/rootless/enter"
)

// Whatever the host gives, every probe has a value, says why it is not the best, and leaves nothing.
func TestHost(t *testing.T) {
	dir := t.TempDir()
	names := map[string]bool{}
	for _, p := range Host(enter.Current(), dir) {
		t.Logf("%+v", p)
		if p.Value == "" || p.Name == "" {
			t.Errorf("%+v has no value", p)
		}
		if p.Value == "none" && p.Reason == "" {
			t.Errorf("%+v has no reason", p)
		}
		if names[p.Name] {
			t.Errorf("%q twice", p.Name)
		}
		names[p.Name] = true
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestNoStore(t *testing.T) {
	for _, p := range []Probe{Overlay(enter.Current(), ""), Xattr(""), Xattr("/nonexistent")} {
		if p.Value != "none" || p.Good() {
			t.Errorf("%+v", p)
		}
	}
}

func TestCoveredProc(t *testing.T) {
	cases := []struct{ name, mountinfo, want string }{
		{"host", "25 30 0:23 / /proc rw,nosuid shared:12 - proc proc rw\n31 25 0:27 / /proc/sys/fs/binfmt_misc rw - autofs a rw\n", ""},
		{"docker", "690 688 0:70 / /proc rw - proc proc rw\n721 690 0:70 /bus /proc/bus ro - proc proc rw\n", "/proc/bus"},
		{"not below it", "1 0 0:1 / /process/x rw - ext4 a rw\n", ""},
		{"empty", "", ""},
	}
	for _, c := range cases {
		if got := coveredProc(c.mountinfo); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOwnCgroup(t *testing.T) {
	cases := []struct{ text, want string }{
		{"0::/user.slice/user-1000.slice/session-2.scope\n", "/user.slice/user-1000.slice/session-2.scope"},
		{"4:memory:/a\n1:name=systemd:/b\n0::/c\n", "/c"},
		{"4:memory:/a\n", "/"},
	}
	for _, c := range cases {
		if got := ownCgroup(c.text); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}
