package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/rootless/ownership"
)

// mounts skips a test where this process may not mount.
func mounts(t *testing.T) {
	t.Helper()
	point := t.TempDir()
	if err := unix.Mount("tmpfs", point, "tmpfs", 0, "size=4k"); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	if err := unix.Unmount(point, 0); err != nil {
		t.Fatal(err)
	}
}

func config(t *testing.T, tree *Tree) Config {
	t.Helper()
	c, err := cache.Open(filepath.Join(t.TempDir(), "cache"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dir: t.TempDir(), Cache: c, Owners: &ownership.Tree{Native: os.Geteuid() == 0, Links: ownership.Links{}},
		Tree: func(int, plan.Mount) (Tree, error) {
			if tree == nil {
				return Tree{}, errors.New("nothing to mount from")
			}
			return *tree, nil
		},
		Copy: func(from Tree, source, to string) error {
			fd, st, err := find(from.Root, source)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if st.Mode&unix.S_IFMT != unix.S_IFDIR {
				return os.WriteFile(filepath.Join(to, "file"), []byte("copied"), 0o644)
			}
			return os.WriteFile(filepath.Join(to, "begun"), []byte("with this"), 0o644)
		},
	}
}

func tree(t *testing.T) *Tree {
	t.Helper()
	dir := t.TempDir()
	for path, content := range map[string]string{"d/sub/f": "f", "top": "top"} {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755)
		os.WriteFile(filepath.Join(dir, path), []byte(content), 0o644)
	}
	os.Symlink("/", filepath.Join(dir, "root"))
	os.Symlink("../../../../d", filepath.Join(dir, "up"))
	os.Symlink("/etc/passwd", filepath.Join(dir, "host"))
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Tree{Root: root, ID: "key:1"}
}

func prepare(t *testing.T, c Config, m ...plan.Mount) *Set {
	t.Helper()
	s, err := Prepare(context.Background(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var node = plan.Origin{Kind: plan.FromNode}

func TestBindStaysInItsTree(t *testing.T) {
	mounts(t)
	tr := tree(t)
	for source, want := range map[string]string{"/d/sub": "f", "/root": "d host root top up", "/up": "sub", "/top": "", "/": "d host root top up"} {
		s := prepare(t, config(t, tr), plan.Mount{Type: "bind", Target: "/m", From: node, Source: source, ReadOnly: true})
		if len(s.Mounts) != 1 || !s.Mounts[0].ReadOnly {
			t.Fatalf("%s: %+v", source, s.Mounts)
		}
		at := s.Mounts[0].Source
		var names []string
		if list, err := os.ReadDir(at); err == nil {
			for _, e := range list {
				names = append(names, e.Name())
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s shows %q, want %q", source, got, want)
		}
		if err := os.WriteFile(filepath.Join(at, "new"), nil, 0o644); err == nil && want != "" {
			t.Errorf("%s: written to read-only", source)
		}
	}
	for _, source := range []string{"/nothere", "/host", "/top/x"} {
		_, err := Prepare(context.Background(), []plan.Mount{{Type: "bind", Target: "/m", From: node, Source: source}}, config(t, tr))
		if err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("%s: error %v", source, err)
		}
	}
}

func TestWritesToABindAreThrownAway(t *testing.T) {
	mounts(t)
	tr := tree(t)
	s, err := Prepare(context.Background(), []plan.Mount{{Type: "bind", Target: "/m", From: node, Source: "/d"},
		{Type: "bind", Target: "/f", From: node, Source: "/top"}}, config(t, tr))
	if err != nil {
		t.Fatal(err)
	}
	dir, file := s.Mounts[0].Source, s.Mounts[1].Source
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "sub", "new"), nil, 0o644), os.Remove(filepath.Join(dir, "sub", "f")),
		os.WriteFile(file, []byte("changed"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"d/sub/f": "f", "top": "top"} {
		if data, err := os.ReadFile(filepath.Join(tr.Root.Name(), name)); err != nil || string(data) != want {
			t.Errorf("%s is %q now, %v", name, data, err)
		}
	}
	if _, err := os.Stat(filepath.Join(tr.Root.Name(), "d/sub/new")); err == nil {
		t.Error("a file was left in the tree")
	}
	if _, err := os.Stat(filepath.Join(dir, "sub")); err == nil {
		t.Error("the mount is still there")
	}
}

func TestCacheNamesAreNoPaths(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{64}$`)
	seen := map[string]bool{}
	for _, id := range []string{"npm", "../../..", "/etc", "a\x00b", strings.Repeat("x", 10_000), "", "a", "ab"} {
		for _, base := range []string{"", "b", "key:1"} {
			for n := range 2 {
				name := cacheName(id, base, "/", n)
				if !form.MatchString(name) || seen[name] {
					t.Errorf("id %q on %q gives %q", id, base, name)
				}
				seen[name] = true
			}
		}
	}
}

func TestCacheIsKept(t *testing.T) {
	mounts(t)
	c := config(t, tree(t))
	m := plan.Mount{Type: "cache", Target: "/c", ID: "../../npm", Source: "/", Mode: 0o1770}
	s := prepare(t, c, m)
	at := s.Mounts[0].Source
	st, err := os.Stat(at)
	if err != nil || st.Mode()&(os.ModeSticky|0o777) != os.ModeSticky|0o770 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	os.WriteFile(filepath.Join(at, "f"), []byte("kept"), 0o644)
	if list, err := c.Cache.Prune(cache.PruneOptions{All: true}); err != nil || len(list) != 0 {
		t.Errorf("pruned in use: %v %v", list, err)
	}
	s.Close()
	c.Dir = t.TempDir()
	s = prepare(t, c, m)
	if data, _ := os.ReadFile(filepath.Join(s.Mounts[0].Source, "f")); string(data) != "kept" {
		t.Errorf("the cache lost its content: %q", data)
	}
	s.Close()
	// Another id, or another beginning, is another cache.
	from := plan.Mount{Type: "cache", Target: "/c", ID: "../../npm", Source: "/d", From: node, ReadOnly: true}
	c.Dir = t.TempDir()
	s = prepare(t, c, from)
	if data, _ := os.ReadFile(filepath.Join(s.Mounts[0].Source, "begun")); string(data) != "with this" || !s.Mounts[0].ReadOnly {
		t.Errorf("a cache with a beginning: %q, %+v", data, s.Mounts[0])
	}
	s.Close()
	list, err := c.Cache.Usage()
	if err != nil || len(list) != 2 || list[0].Name != "../../npm" {
		t.Errorf("usage %+v %v", list, err)
	}
	if list, err := c.Cache.Prune(cache.PruneOptions{All: true}); err != nil || len(list) != 2 {
		t.Errorf("pruned %v %v", list, err)
	}
}

func TestSharingOfCaches(t *testing.T) {
	mounts(t)
	base := config(t, nil)
	use := func(sharing string) (*Set, error) {
		c := base
		c.Dir = t.TempDir()
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		return Prepare(ctx, []plan.Mount{{Type: "cache", Target: "/c", ID: "x", Source: "/", Sharing: sharing}}, c)
	}
	for _, c := range []struct {
		first, second string
		together      bool
	}{
		{"shared", "shared", true}, {"", "shared", true}, {"shared", "locked", false}, {"locked", "shared", false},
		{"locked", "locked", false}, {"private", "private", true}, {"locked", "private", true},
	} {
		a, err := use(c.first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := use(c.second)
		if (err == nil) != c.together {
			t.Errorf("%s with %s: %v", c.first, c.second, err)
		}
		if b != nil {
			os.WriteFile(filepath.Join(a.Mounts[0].Source, "mark"), nil, 0o644)
			_, err := os.Stat(filepath.Join(b.Mounts[0].Source, "mark"))
			if same := err == nil; same != (c.second != "private") {
				t.Errorf("%s with %s: the same folder %v", c.first, c.second, same)
			}
			os.Remove(filepath.Join(a.Mounts[0].Source, "mark"))
			b.Close()
		}
		a.Close()
	}
}

func TestOneStepMayMountACacheTwice(t *testing.T) {
	mounts(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, sharing := range [][2]string{{"locked", "locked"}, {"shared", "locked"}, {"private", "private"}, {"", "private"}} {
		s, err := Prepare(ctx, []plan.Mount{
			{Type: "cache", Target: "/a", ID: "x", Source: "/", Sharing: sharing[0]},
			{Type: "cache", Target: "/b", ID: "x", Source: "/", Sharing: sharing[1]},
		}, config(t, nil))
		if err != nil {
			t.Fatalf("%v: %v", sharing, err)
		}
		if err := os.WriteFile(filepath.Join(s.Mounts[0].Source, "f"), nil, 0o600); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(s.Mounts[1].Source, "f")); err != nil {
			t.Errorf("%v: the two are not one: %v", sharing, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestStepsDoNotWaitForEachOther(t *testing.T) {
	mounts(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := config(t, nil)
	a := plan.Mount{Type: "cache", Target: "/a", ID: "a", Source: "/", Sharing: "locked"}
	b := plan.Mount{Type: "cache", Target: "/b", ID: "b", Source: "/", Sharing: "locked"}
	ends := make(chan error)
	for _, list := range [][]plan.Mount{{a, b}, {b, a}} {
		own := c
		own.Dir = t.TempDir()
		go func() {
			for i := range 100 {
				own.Dir = filepath.Join(own.Dir, "d")
				if err := os.Mkdir(own.Dir, 0o700); err != nil {
					ends <- err
					return
				}
				s, err := Prepare(ctx, list, own)
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					ends <- fmt.Errorf("%d: %w", i, err)
					return
				}
			}
			ends <- nil
		}()
	}
	if err := errors.Join(<-ends, <-ends); err != nil {
		t.Error(err)
	}
}

func TestASymlinkInACacheIsNotFollowed(t *testing.T) {
	mounts(t)
	c := config(t, nil)
	s := prepare(t, c, plan.Mount{Type: "cache", Target: "/c", ID: "x", Source: "/"})
	os.Symlink("/etc", filepath.Join(s.Mounts[0].Source, "sub"))
	os.MkdirAll(filepath.Join(s.Mounts[0].Source, "real", "dir"), 0o755)
	s.Close()
	for source, ok := range map[string]bool{"/sub": false, "/sub/x": false, "/nothere": false, "/real/dir": true} {
		c.Dir = t.TempDir()
		s, err := Prepare(context.Background(), []plan.Mount{{Type: "cache", Target: "/c", ID: "x", Source: source}}, c)
		if (err == nil) != ok {
			t.Errorf("%s: %v", source, err)
		}
		if s != nil {
			s.Close()
		}
	}
}

func TestSecrets(t *testing.T) {
	mounts(t)
	c := config(t, nil)
	c.Secrets = func(id string) ([]byte, bool, error) {
		switch id {
		case "tok":
			return []byte("hush"), true, nil
		case "nul":
			return []byte("a\x00b"), true, nil
		case "big":
			return make([]byte, maxSecret+1), true, nil
		}
		return nil, false, nil
	}
	s := prepare(t, c, plan.Mount{Type: "secret", ID: "tok", Target: "/run/secrets/tok", Mode: 0o400},
		plan.Mount{Type: "secret", ID: "tok", Env: "TOK", Target: ""},
		plan.Mount{Type: "secret", ID: "none", Target: "/run/secrets/none"})
	if len(s.Mounts) != 1 || len(s.Env) != 1 || s.Env[0] != "TOK=hush" {
		t.Fatalf("mounts %+v, env %q", s.Mounts, s.Env)
	}
	at := s.Mounts[0].Source
	st, err := os.Stat(at)
	if err != nil || st.Mode().Perm() != 0o400 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	var fs unix.Statfs_t
	if unix.Statfs(at, &fs) != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Error("the secret is not on a tmpfs")
	}
	s.Close()
	if _, err := os.Stat(at); err == nil {
		t.Error("the secret is still there")
	}
	for id, want := range map[string]string{"none": "required", "nul": "NUL", "big": "larger than"} {
		c.Dir = t.TempDir()
		_, err := Prepare(context.Background(), []plan.Mount{{Type: "secret", ID: id, Env: "X", Required: true}}, c)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: error %v", id, err)
		}
	}
}

func TestTheLaterMountCounts(t *testing.T) {
	s := prepare(t, config(t, nil), plan.Mount{Type: "tmpfs", Target: "/t"}, plan.Mount{Type: "tmpfs", Target: "/u"},
		plan.Mount{Type: "tmpfs", Target: "/t", Size: 4096})
	if len(s.Mounts) != 2 || s.Mounts[1].Target != "/t" || !slices.Equal(s.Mounts[1].Options, []string{"exec", "size=4096"}) {
		t.Errorf("%+v", s.Mounts)
	}
	if _, err := Prepare(context.Background(), []plan.Mount{{Type: "ssh", Target: "/x"}}, config(t, nil)); err == nil {
		t.Error("an unknown type was taken")
	}
}
