package paths

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

var (
	root   = idmap.Mapping{Kind: idmap.Root}
	single = idmap.Mapping{Kind: idmap.Single, CallerUID: 1001,
		UIDs: []idmap.Range{{Inside: 0, Outside: 1001, Length: 1}}, GIDs: []idmap.Range{{Inside: 0, Outside: 1001, Length: 1}}}
)

const passwd = "root:x:0:0:root:/root:/bin/bash\nshort:line\nlost:x:1002:1002::/nonexistent:/bin/sh\n" +
	"casey:x:1001:1001:,,,:/home/casey:/bin/bash\nrooted:x:1003:1003::/:/bin/sh\nrelative:x:1004:1004::home:/bin/sh\n"

func fake(vars map[string]string, file string) env {
	return env{
		get:    func(k string) string { return vars[k] },
		getwd:  func() (string, error) { return "/cwd", nil },
		passwd: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(file)), nil },
	}
}

func TestResolve(t *testing.T) {
	own := t.TempDir() // 0777 &^ umask; made private below
	if err := os.Chmod(own, 0o700); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(own, "open")
	link := filepath.Join(own, "link")
	file := filepath.Join(own, "file")
	if err := errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, 0o777), os.Symlink(own, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		m    idmap.Mapping
		flag string
		vars map[string]string
		want Dirs
	}{
		{"user", single, "", map[string]string{"HOME": "/home/casey"},
			Dirs{"/home/casey/.local/share/dhow", "/home/casey/.local/share/dhow/run", "/home/casey/.local/share/dhow/cache", "HOME"}},
		{"XDG_DATA_HOME wins over HOME", single, "", map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/d/"},
			Dirs{"/d/dhow", "/d/dhow/run", "/d/dhow/cache", "XDG_DATA_HOME"}},
		{"relative XDG_DATA_HOME is ignored", single, "", map[string]string{"HOME": "/h", "XDG_DATA_HOME": "d"},
			Dirs{"/h/.local/share/dhow", "/h/.local/share/dhow/run", "/h/.local/share/dhow/cache", "HOME"}},
		{"HOME unset", single, "", nil,
			Dirs{"/home/casey/.local/share/dhow", "/home/casey/.local/share/dhow/run", "/home/casey/.local/share/dhow/cache", "passwd"}},
		{"HOME relative", single, "", map[string]string{"HOME": "casey"},
			Dirs{"/home/casey/.local/share/dhow", "/home/casey/.local/share/dhow/run", "/home/casey/.local/share/dhow/cache", "passwd"}},
		{"HOME is the root directory, as in a container without passwd entry", single, "", map[string]string{"HOME": "/"},
			Dirs{"/home/casey/.local/share/dhow", "/home/casey/.local/share/dhow/run", "/home/casey/.local/share/dhow/cache", "passwd"}},
		{"plain root", root, "", map[string]string{"HOME": "/root"},
			Dirs{"/var/lib/dhow", "/var/lib/dhow/run", "/var/lib/dhow/cache", "root"}},
		{"--root", single, "/data", map[string]string{"HOME": "/h", "XDG_DATA_HOME": "/d", "XDG_RUNTIME_DIR": own, "XDG_CACHE_HOME": "/c"},
			Dirs{"/data", "/data/run", "/data/cache", "--root"}},
		{"--root relative", single, "x/../data", nil,
			Dirs{"/cwd/data", "/cwd/data/run", "/cwd/data/cache", "--root"}},
		{"XDG_RUNTIME_DIR", single, "", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": own},
			Dirs{"/h/.local/share/dhow", own + "/dhow", "/h/.local/share/dhow/cache", "HOME"}},
		{"XDG_RUNTIME_DIR missing", single, "", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": own + "/gone"},
			Dirs{"/h/.local/share/dhow", "/h/.local/share/dhow/run", "/h/.local/share/dhow/cache", "HOME"}},
		{"XDG_RUNTIME_DIR a symlink", single, "", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": link},
			Dirs{"/h/.local/share/dhow", "/h/.local/share/dhow/run", "/h/.local/share/dhow/cache", "HOME"}},
		{"XDG_RUNTIME_DIR a file", single, "", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": file},
			Dirs{"/h/.local/share/dhow", "/h/.local/share/dhow/run", "/h/.local/share/dhow/cache", "HOME"}},
		{"XDG_RUNTIME_DIR open to everybody", single, "", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": open},
			Dirs{"/h/.local/share/dhow", "/h/.local/share/dhow/run", "/h/.local/share/dhow/cache", "HOME"}},
		{"XDG_CACHE_HOME", single, "", map[string]string{"HOME": "/h", "XDG_CACHE_HOME": "/c"},
			Dirs{"/h/.local/share/dhow", "/h/.local/share/dhow/run", "/c/dhow", "HOME"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := resolve(c.m, c.flag, fake(c.vars, passwd))
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

// A runtime directory of another user is not ours, whatever its mode.
func TestRuntimeOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: can not make a directory of another user")
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	d, err := resolve(single, "", fake(map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": dir}, passwd))
	if err != nil || d.Runtime != "/h/.local/share/dhow/run" {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestNoHome(t *testing.T) {
	for _, uid := range []uint32{1002, 1003, 1004, 4711} {
		m := single
		m.CallerUID = uid
		_, err := resolve(m, "", fake(nil, passwd))
		if !errors.Is(err, ErrNoHome) || !strings.Contains(err.Error(), "--root") || strings.Contains(err.Error(), "\n") {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
}

func TestHome(t *testing.T) {
	for home, want := range map[string]string{"/h/": "/h", "": "/home/casey", "relative": "/home/casey", ".": "/home/casey", "../x": "/home/casey"} {
		if got := homeOf(1001, fake(map[string]string{"HOME": home}, passwd)); got != want {
			t.Errorf("%q: %q, want %q", home, got, want)
		}
	}
	if got := homeOf(4711, fake(nil, passwd)); got != "" {
		t.Errorf("nobody: %q", got)
	}
}

func TestStore(t *testing.T) {
	d := Dirs{Data: filepath.Join(t.TempDir(), "a", "dhow")}
	one, err := Store(d, single)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Store(d, single); err != nil || again != one {
		t.Errorf("second opening gave %q, %v", again, err)
	}
	other, err := Store(d, root)
	if err != nil || other == one {
		t.Errorf("another mapping gave %q, %v", other, err)
	}
	wider := single
	wider.UIDs = []idmap.Range{{Inside: 0, Outside: 1002, Length: 1}}
	if dir, err := Store(d, wider); err != nil || dir == one {
		t.Errorf("the same kind with another id gave %q, %v", dir, err)
	}
	for _, dir := range []string{d.Data, one, other} {
		st, err := os.Stat(dir)
		if err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, st.Mode(), err)
		}
	}
	entries, err := os.ReadDir(one)
	if err != nil || len(entries) != 1 || entries[0].Name() != "mapping" {
		t.Errorf("store holds %v, %v", entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(one, "mapping")); err != nil || string(b) != single.Key()+"\n" {
		t.Errorf("record %q, %v", b, err)
	}
}

func TestStoreRefuses(t *testing.T) {
	refused := func(name, want string, d Dirs) {
		t.Helper()
		if dir, err := Store(d, single); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v, want an error with %q", name, dir, err, want)
		}
	}
	d := Dirs{Data: t.TempDir()}
	dir := filepath.Join(d.Data, StoreName(single))
	if err := errors.Join(os.Chmod(d.Data, 0o700), os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "mapping"), []byte("subids 0:1:1\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused("a record of another mapping", "belongs to the id mapping", d)

	open := Dirs{Data: t.TempDir()}
	if err := os.Chmod(open.Data, 0o777); err != nil {
		t.Fatal(err)
	}
	refused("a directory open to everybody", "everybody can write", open)

	file := Dirs{Data: filepath.Join(t.TempDir(), "file")}
	if err := os.WriteFile(file.Data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a file in its place", "not a directory", file)

	if os.Geteuid() == 0 {
		foreign := Dirs{Data: t.TempDir()}
		if err := os.Chown(foreign.Data, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		refused("a directory of another user", "belongs to another user", foreign)
	}
}

// A home that is a symlink – /home/casey on a network mount – is followed: it is the caller's own.
func TestStoreBehindSymlink(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	link := filepath.Join(dir, "home")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	store, err := Store(Dirs{Data: filepath.Join(link, ".local/share/dhow")}, single)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(real, ".local/share/dhow", StoreName(single), "mapping")); err != nil {
		t.Errorf("store %q: %v", store, err)
	}
}

// Whatever stands in passwd(5), a home is an absolute path that is not the root directory.
func FuzzPasswdHome(f *testing.F) {
	f.Add(passwd, uint32(1001))
	f.Add("a:b:1:c:d:/x/../..:sh\n", uint32(1))
	f.Fuzz(func(t *testing.T, file string, uid uint32) {
		home, err := passwdHome(uid, fake(nil, file))
		if err == nil && (!filepath.IsAbs(home) || home == "/" || home != filepath.Clean(home)) {
			t.Errorf("home %q", home)
		}
	})
}
