package check

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

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

// Only what containers can not do without is fatal; what is missing has something in its place.
func TestEverything(t *testing.T) {
	names := map[string]bool{}
	for _, p := range Everything(enter.Current(), t.TempDir()) {
		t.Logf("%+v", p)
		if names[p.Name] = true; p.Value == "" || p.Fatal && p.Good() || p.Good() && p.Instead != "" {
			t.Errorf("%+v", p)
		}
	}
	for _, name := range []string{"kernel", "namespaces", "mapping", "overlay", "xattr", "supervisor", "proc", "tun", "cgroup", "disk", "dns"} {
		if !names[name] {
			t.Errorf("%q was not looked at", name)
		}
	}
	for _, p := range Everything(enter.Current(), "") {
		if p.Name == "overlay" || p.Name == "disk" {
			t.Errorf("%+v without a directory", p)
		}
	}
}

func TestDNS(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	const wait = 100 * time.Millisecond
	if p := dnsOf([]string{"127.0.0.1"}, port, wait); p.Good() || !strings.Contains(p.Reason, "no answer from 127.0.0.1") || p.Fatal {
		t.Errorf("silent: %+v", p)
	}
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(b[:n], from)
		}
	}()
	if p := dnsOf([]string{"nonsense", "127.0.0.1"}, port, 5*time.Second); p.Value != "127.0.0.1" || !p.Good() {
		t.Errorf("answering: %+v", p)
	}
	if p := dnsOf(nil, port, wait); p.Good() || p.Cure == "" {
		t.Errorf("none: %+v", p)
	}
	if got := nameservers("# nameserver 9.9.9.9\nnameserver 1.1.1.1\nsearch a\nnameserver ::1\nnameserver\n"); strings.Join(got, " ") != "1.1.1.1 ::1" {
		t.Errorf("read %v", got)
	}
}
