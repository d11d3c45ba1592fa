package step

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

func rootWith(t testing.TB, files map[string]string) *os.File {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestOwner(t *testing.T) {
	root := rootWith(t, map[string]string{
		"etc/passwd": "# comment\nroot:x:0:0::/root:\n\nweb:x:33:44:Web::\nshort:x:5\nbad:x:many:1::\nhuge:x:4294967296:1::\nweb:x:99:99::\n100:x:7:8::\n",
		"etc/group":  "staff:x:50:web\nbad:x:-1:\n",
	})
	for text, want := range map[string]owner{
		"5": {5, 5}, "5:6": {5, 6}, "0": {}, "root": {}, "root:staff": {0, 50}, "web": {33, 44}, "web:0": {33, 0},
		"web:staff": {33, 50}, ":7": {0, 7}, "5:": {5, 5}, "100": {100, 100}, "2147483647": {2147483647, 2147483647},
	} {
		got, err := parseOwner(text, int(root.Fd()), singleMapping())
		if err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"nobody", "short", "bad", "huge", "web:nogroup", "web:bad", "-1", "1:-1", "4294967296", "a:b:c", "we b"} {
		if got, err := parseOwner(text, int(root.Fd()), singleMapping()); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
	if _, err := parseOwner("web", -1, singleMapping()); err == nil {
		t.Error("a name was found in an empty filesystem")
	}
	few := idmap.Mapping{Kind: idmap.Subids, UIDs: []idmap.Range{{Length: 1000}}, GIDs: []idmap.Range{{Length: 10}}}
	for text, ok := range map[string]bool{"999:9": true, "1000:9": false, "999:10": false, "999": false} {
		if _, err := parseOwner(text, -1, few); (err == nil) != ok {
			t.Errorf("%s in a short range: %v", text, err)
		}
	}
}

// What stands at /etc/passwd in an image may be anything. Nothing is opened that blocks, and nothing
// of the host is read.
func TestHostilePasswd(t *testing.T) {
	host := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(host, []byte("host:x:1:1::\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxUserFile+1)
	for name, make := range map[string]func(p string) error{
		"fifo":      func(p string) error { return unix.Mkfifo(p, 0o644) },
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"link out":  func(p string) error { return os.Symlink("../../../../../../../.."+host, p) },
		"link abs":  func(p string) error { return os.Symlink(host, p) },
		"loop":      func(p string) error { return os.Symlink("passwd", p) },
		"proc":      func(p string) error { return os.Symlink("/proc/self/root"+host, p) },
		"one line":  func(p string) error { return os.WriteFile(p, []byte(long), 0o644) },
		"huge":      func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("x\n", maxUserFile)), 0o644) },
	} {
		root := rootWith(t, map[string]string{"etc/x": ""})
		if err := make(filepath.Join(root.Name(), "etc/passwd")); err != nil {
			t.Fatal(err)
		}
		if got, err := parseOwner("host", int(root.Fd()), singleMapping()); err == nil {
			t.Errorf("%s: found %v", name, got)
		}
	}
	// A link that stays inside is followed, with the image's root as its root.
	root := rootWith(t, map[string]string{"usr/lib/passwd": "inside:x:3:4::\n", "etc/x": ""})
	if err := os.Symlink("/usr/lib/passwd", filepath.Join(root.Name(), "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if got, err := parseOwner("inside", int(root.Fd()), singleMapping()); err != nil || got != (owner{3, 4}) {
		t.Errorf("inside: %v, %v", got, err)
	}
}

func FuzzOwner(f *testing.F) {
	f.Add("web:staff", "web:x:33:44::\n", "staff:x:50:\n")
	f.Add("5:6", "", "")
	f.Add("::", ":::\n", ":x:0\n")
	f.Fuzz(func(t *testing.T, text, passwd, group string) {
		root := rootWith(t, map[string]string{"etc/passwd": passwd, "etc/group": group})
		got, err := parseOwner(text, int(root.Fd()), singleMapping())
		if err != nil {
			return
		}
		if got.uid > 1<<31-1 || got.gid > 1<<31-1 {
			t.Errorf("%q gives %v", text, got)
		}
		user, _, _ := strings.Cut(text, ":")
		if _, isNumber := number(user); user != "" && !isNumber && !strings.Contains(passwd, user+":") {
			t.Errorf("%q gives %v, and nobody of that name is in %q", text, got, passwd)
		}
	})
}
