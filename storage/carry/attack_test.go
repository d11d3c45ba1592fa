package carry

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// swapped makes a container's root with a directory "a" that somebody exchanges with a symlink to a
// directory of the host, over and over, until done (CVE-2018-15664, CVE-2019-10152).
func swapped(t *testing.T) (root, host string, done func()) {
	t.Helper()
	root, host = t.TempDir(), t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "a"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "a", "f"), []byte("container's"), 0o644))
	must(t, os.WriteFile(filepath.Join(host, "f"), []byte("host's"), 0o644))
	must(t, os.Symlink(host, filepath.Join(root, "b")))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, "a"), unix.AT_FDCWD, filepath.Join(root, "b"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	return root, host, func() { close(stop); wg.Wait() }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

const tries = 3000

// TestSwappedIsNotRead: nothing of the host is read through the exchanged symlink. The control reads the
// same path by name and must be caught, or the attack is none.
func TestSwappedIsNotRead(t *testing.T) {
	root, _, done := swapped(t)
	defer done()
	rootFD := open(t, root)
	caught := 0
	for range tries {
		// The way copying takes: resolve, then open what came out.
		rel, err := tree.Resolve(rootFD, "/a/f", true)
		if err != nil {
			continue
		}
		dir, err := tree.OpenBeneath(rootFD, filepath.Dir(rel), unix.O_PATH|unix.O_DIRECTORY)
		if err == nil {
			err = Tree{Dir: dir, Name: filepath.Base(rel)}.Each(func(i *Item) error {
				b := make([]byte, 32)
				n, _ := i.File.Read(b)
				if got := string(b[:n]); got != "container's" {
					t.Errorf("read %q", got)
				}
				return nil
			})
			_ = err
			unix.Close(dir)
		}
		if b, err := os.ReadFile(filepath.Join(root, "a", "f")); err == nil && string(b) == "host's" {
			caught++
		}
	}
	if caught == 0 {
		t.Error("the control was never led out: this proves nothing")
	}
}

// TestSwappedIsNotWritten: nothing is written to the host through it.
func TestSwappedIsNotWritten(t *testing.T) {
	root, host, done := swapped(t)
	source := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(source, "a"), 0o755))
	must(t, os.WriteFile(filepath.Join(source, "a", "evil"), nil, 0o644))
	rootFD, from := open(t, root), open(t, source)
	caught := 0
	for range tries {
		_ = ToTree(Place{Root: rootFD, Dir: rootFD, Path: "/"}, Tree{Dir: from})
		_ = ToTree(Place{Root: rootFD, Dir: rootFD, Path: "/", Loose: true}, Tree{Dir: from})
		if os.WriteFile(filepath.Join(root, "a", "control"), nil, 0o644) == nil {
			if os.Remove(filepath.Join(host, "control")) == nil {
				caught++
			}
		}
	}
	done()
	if caught == 0 {
		t.Error("the control was never led out: this proves nothing")
	}
	if names, _ := os.ReadDir(host); len(names) != 1 {
		t.Errorf("the host has %v", names)
	}
}

// TestSwappedWhileWalked: a directory that becomes a symlink while a tree is read is not followed.
func TestSwappedWhileWalked(t *testing.T) {
	root, _, done := swapped(t)
	defer done()
	for range tries {
		_ = Tree{Dir: open(t, root)}.Each(func(i *Item) error {
			if i.File != nil {
				b := make([]byte, 32)
				if n, _ := i.File.Read(b); strings.Contains(string(b[:n]), "host") {
					t.Errorf("%s was read from the host", i.Rel)
				}
			}
			return nil
		})
	}
}

// TestRefused are entries of tars that no honest one has.
func TestRefused(t *testing.T) {
	for name, h := range hostile {
		dir := t.TempDir()
		fd := open(t, dir)
		err := ToTree(Place{Root: fd, Dir: fd, Path: "/", Loose: true}, Tar{R: packed(t, h)})
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", name, err)
		}
		if names, _ := os.ReadDir(dir); len(names) != 0 {
			t.Errorf("%s: made %v", name, names)
		}
	}
}

// TestSymlinksOfATarEndInTheRoot: a tar that makes a symlink and then goes through it stays in the root.
func TestSymlinksOfATarEndInTheRoot(t *testing.T) {
	outside := t.TempDir()
	for _, target := range []string{outside, "../../../../../../../../.." + outside} {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, "place"), 0o755))
		must(t, os.MkdirAll(filepath.Join(dir, outside), 0o755))
		root, at := open(t, dir), open(t, filepath.Join(dir, "place"))
		err := ToTree(Place{Root: root, Dir: at, Path: "/place", Loose: true}, Tar{R: packed(t, link("a", target), file("a/evil"))})
		if err != nil {
			t.Errorf("%s: %v", target, err)
		}
		if _, err := os.Stat(filepath.Join(dir, outside, "evil")); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if names, _ := os.ReadDir(outside); len(names) != 0 {
		t.Errorf("the host has %v", names)
	}
}

// A symlink that took the place of what another one led to is not what was asked for.
func TestFollowed(t *testing.T) {
	root := t.TempDir()
	must(t, os.Symlink("/etc/passwd", filepath.Join(root, "a")))
	for followed, want := range map[bool]bool{true: false, false: true} {
		err := Tree{Dir: open(t, root), Name: "a", Followed: followed}.Each(func(*Item) error { return nil })
		if (err == nil) != want {
			t.Errorf("followed %v: %v", followed, err)
		}
	}
}
