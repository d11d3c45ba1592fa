package spec

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
# comment:x:5:5::/:
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bad line
toobig:x:4294967296:0:::
negative:x:-1:0:::
app:x:1000:1001:App:/srv/app:/bin/sh
7:x:4242:4242:a name of digits:/seven:
dup:x:2000:2000::/first:
dup:x:0:0::/second:
nohome:x:3000:3000
`

const group = `root:x:0:
wheel:x:10:root,app
app:x:1001:
docker:x:998:app , daemon
video:x:44:app
`

func tree(t *testing.T, files map[string]string) *rootfs {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := openRootfs(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestLookup(t *testing.T) {
	r := tree(t, map[string]string{"etc/passwd": passwd, "etc/group": group})
	type want struct {
		uid, gid uint32
		groups   []uint32
		home     string
	}
	for spec, w := range map[string]want{
		"":            {0, 0, []uint32{0, 10}, "/root"},
		"root":        {0, 0, []uint32{0, 10}, "/root"},
		"0":           {0, 0, []uint32{0, 10}, "/root"},
		"app":         {1000, 1001, []uint32{1001, 10, 998, 44}, "/srv/app"},
		"1000":        {1000, 1001, []uint32{1001, 10, 998, 44}, "/srv/app"},
		"app:video":   {1000, 44, []uint32{44}, "/srv/app"},
		"app:5000":    {1000, 5000, []uint32{5000}, "/srv/app"},
		"app:":        {1000, 1001, []uint32{1001, 10, 998, 44}, "/srv/app"},
		":video":      {0, 44, []uint32{44}, "/root"},
		"7":           {7, 0, []uint32{0}, "/"}, // CVE-2016-3697: digits are an id, not the name of another
		"dup":         {2000, 2000, []uint32{2000}, "/first"},
		"nohome":      {3000, 3000, []uint32{3000}, "/"},
		"1234:5678":   {1234, 5678, []uint32{5678}, "/"},
		"2147483647":  {2147483647, 0, []uint32{0}, "/"},
		"+5":          {5, 0, []uint32{0}, "/"},
		"00000000012": {12, 0, []uint32{0}, "/"},
	} {
		got, err := r.lookup(spec, nil)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
			continue
		}
		if got.uid != w.uid || got.gid != w.gid || !slices.Equal(got.groups, w.groups) || got.home != w.home {
			t.Errorf("%q: got %+v, want %+v", spec, got, w)
		}
	}
	for spec, want := range map[string]error{
		"nobody": ErrNoUser, "0x0": ErrNoUser, "1 0": ErrNoUser, "root\n": ErrNoUser, "toobig": ErrNoUser, "negative": ErrNoUser,
		"--1": ErrNoUser, "٣": ErrNoUser,
		"4294967296": ErrIDRange, "2147483648": ErrIDRange, "-1": ErrIDRange, "99999999999999999999999": ErrIDRange,
		"app:4294967296": ErrIDRange, "app:-1": ErrIDRange, "app:nogroup": ErrNoGroup,
	} {
		if got, err := r.lookup(spec, nil); !errors.Is(err, want) {
			t.Errorf("%q: got %+v, %v; want %v", spec, got, err, want)
		}
	}
	if got, err := r.lookup("app:app", []string{"video", "77", "video"}); err != nil || !slices.Equal(got.groups, []uint32{1001, 44, 77}) {
		t.Errorf("added groups: %+v, %v", got, err)
	}
	if _, err := r.lookup("a:b:c", nil); err == nil {
		t.Error("three parts are no user")
	}
}

func TestLookupWithoutFiles(t *testing.T) {
	r := tree(t, nil)
	if got, err := r.lookup("12:34", nil); err != nil || got.uid != 12 || got.gid != 34 || got.home != "/" {
		t.Errorf("numbers: %+v, %v", got, err)
	}
	if _, err := r.lookup("app", nil); !errors.Is(err, ErrNoUser) {
		t.Errorf("a name: %v", err)
	}
}

// What an image's maker can put in the place of the files (reliability.md, R16).
func TestLookupHostile(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(outside, []byte("evil:x:0:0::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	place := map[string]func(path string) error{
		"a FIFO":                      func(p string) error { return unix.Mkfifo(p, 0o644) },
		"a directory":                 func(p string) error { return os.Mkdir(p, 0o755) },
		"a link out":                  func(p string) error { return os.Symlink(outside, p) },
		"a relative link out":         func(p string) error { return os.Symlink("../../../../../../.."+outside, p) },
		"a link to a descriptor":      func(p string) error { return os.Symlink("/proc/self/fd/0", p) },
		"a link to itself":            func(p string) error { return os.Symlink("passwd", p) },
		"a socket":                    func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o644, 0) },
		"a file without end":          func(p string) error { f, _ := os.Create(p); defer f.Close(); return f.Truncate(1 << 40) },
		"a line of many megabytes":    func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("evil:x:0:0::", 1<<21)), 0o644) },
		"a name with a zero byte":     func(p string) error { return os.WriteFile(p, []byte("evil\x00:x:0:0::/:\n"), 0o644) },
		"a home with a zero byte":     func(p string) error { return os.WriteFile(p, []byte("good:x:5:5::/\x00x:\n"), 0o644) },
		"a thousand colons in a line": func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(":", 1000)+"\n"), 0o644) },
	}
	for name, make := range place {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := make(filepath.Join(dir, "etc", "passwd")); err != nil {
				t.Fatal(err)
			}
			r, err := openRootfs(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			start := time.Now()
			if got, err := r.lookup("evil", nil); err == nil {
				t.Errorf("found %+v", got)
			}
			if got, err := r.lookup("good", nil); err == nil && (got.uid != 5 || got.home != "/") {
				t.Errorf("found %+v", got)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

// Inside the image a link is followed as the container would.
func TestLookupThroughLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "usr/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/etc", filepath.Join(dir, "etc")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "usr/etc/passwd"), []byte("app:x:9:9::/a:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := openRootfs(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := r.lookup("app", nil); err != nil || got.uid != 9 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMapped(t *testing.T) {
	subids := idmap.Mapping{Kind: idmap.Subids, UIDs: []idmap.Range{{Inside: 0, Outside: 1000, Length: 1}, {Inside: 1, Outside: 100000, Length: 65536}},
		GIDs: []idmap.Range{{Inside: 0, Outside: 1000, Length: 1}, {Inside: 1, Outside: 100000, Length: 1000}}}
	for _, c := range []struct {
		id identity
		m  idmap.Mapping
		ok bool
	}{
		{identity{uid: 65536, gid: 1000, groups: []uint32{1000}}, subids, true},
		{identity{uid: 65537}, subids, false},
		{identity{uid: 1, gid: 1001, groups: []uint32{1001}}, subids, false},
		{identity{uid: 2000000000}, idmap.Mapping{Kind: idmap.Single}, true},
		{identity{uid: 2000000000}, idmap.Mapping{Kind: idmap.Root}, true},
	} {
		if err := c.id.mapped(c.m); (err == nil) != c.ok {
			t.Errorf("%+v in %s: %v", c.id, c.m.Kind, err)
		}
	}
}

func FuzzLookup(f *testing.F) {
	f.Add(passwd, group, "app:video")
	f.Add("a:b:c:d\n", ":::\n", "-0:+0")
	f.Fuzz(func(t *testing.T, passwd, group, spec string) {
		dir := t.TempDir()
		if os.Mkdir(filepath.Join(dir, "etc"), 0o755) != nil ||
			os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644) != nil ||
			os.WriteFile(filepath.Join(dir, "etc/group"), []byte(group), 0o644) != nil {
			t.Skip()
		}
		r, err := openRootfs(dir)
		if err != nil {
			t.Skip()
		}
		defer r.Close()
		id, err := r.lookup(spec, nil)
		if err != nil {
			return
		}
		if id.uid > 1<<31-1 || id.gid > 1<<31-1 || len(id.groups) == 0 || id.groups[0] != id.gid || id.home == "" {
			t.Errorf("%q: %+v", spec, id)
		}
		// A number is itself, whatever the files say.
		if user, _, _ := strings.Cut(spec, ":"); user != "" && strings.Trim(user, "0123456789") == "" {
			if want, _, err := parseID(user); err != nil || id.uid != want {
				t.Errorf("%q became uid %d", spec, id.uid)
			}
		}
	})
}
