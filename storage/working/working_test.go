package working

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func lowers(t *testing.T, files ...string) []string {
	t.Helper()
	var dirs []string
	for _, f := range files {
		dir := t.TempDir()
		for _, name := range strings.Fields(f) {
			full := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(f), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

var (
	probe    sync.Once
	probeErr error
)

func mounted(t *testing.T, w *Work) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run as root or in a user namespace")
	}
	probe.Do(func() {
		p := Work{Dir: t.TempDir()}
		if probeErr = p.Mount(); probeErr == nil {
			probeErr = p.Unmount()
		}
	})
	if probeErr != nil {
		t.Skipf("no overlay here: %v", probeErr)
	}
	if err := w.Mount(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Unmount() })
}

func TestMount(t *testing.T) {
	dirs := lowers(t, "a b", "b c", "d")
	if err := os.Chmod(dirs[2], 0o711); err != nil {
		t.Fatal(err)
	}
	w := &Work{Lowers: dirs, Dir: t.TempDir(), Volatile: true}
	mounted(t, w)
	for name, want := range map[string]string{"a": "a b", "b": "b c", "c": "b c", "d": "d"} {
		if b, err := os.ReadFile(filepath.Join(w.Merged(), name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if st, _ := os.Stat(w.Merged()); st.Mode().Perm() != 0o711 {
		t.Errorf("the root is %v, not the topmost layer's", st.Mode())
	}
	if err := os.WriteFile(filepath.Join(w.Merged(), "b"), []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dirs[1], "b")); string(b) != "b c" {
		t.Error("a lower layer was written to")
	}
	// Volatile leaves a mark; the next mount takes it away.
	if err := w.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := w.Mount(); err != nil {
		t.Errorf("mounted again: %v", err)
	}
}

func TestNoLowers(t *testing.T) {
	for _, ro := range []bool{false, true} {
		w := &Work{Dir: t.TempDir(), ReadOnly: ro}
		mounted(t, w)
		err := os.WriteFile(filepath.Join(w.Merged(), "f"), nil, 0o600)
		if ro != (err != nil) {
			t.Errorf("read-only %v: %v", ro, err)
		}
	}
	w := &Work{Dir: t.TempDir(), ReadOnly: true, Lowers: lowers(t, "one")}
	mounted(t, w)
	if _, err := os.Stat(filepath.Join(w.Merged(), "one")); err != nil {
		t.Error(err)
	}
}

func TestManyAndLong(t *testing.T) {
	base := t.TempDir()
	long := filepath.Join(base, strings.Repeat("l", 200), strings.Repeat("m", 200))
	var dirs []string
	for i := range 300 {
		d := filepath.Join(long, strings.Repeat("x", i%20)+"-"+strings.Repeat("y", i/20))
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], "bottom"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &Work{Lowers: dirs, Dir: filepath.Join(long, "work")}
	mounted(t, w)
	if _, err := os.Stat(filepath.Join(w.Merged(), "bottom")); err != nil {
		t.Error(err)
	}
}

func TestTooManyLayers(t *testing.T) {
	w := &Work{Dir: t.TempDir(), Lowers: make([]string, mostLayers), Data: make([]string, 1)}
	if err := w.Mount(); err == nil || !strings.Contains(err.Error(), "it has 501 layers") {
		t.Error(err)
	}
}

// TestFinish: what the overlay wrote for itself is gone, what means something stays.
func TestFinish(t *testing.T) {
	w := &Work{Lowers: lowers(t, "d/x d/y e/z f"), Dir: t.TempDir()}
	mounted(t, w)
	m := w.Merged()
	for _, err := range []error{
		os.RemoveAll(m + "/d"), os.Mkdir(m+"/d", 0o755), // opaque
		os.Chmod(m+"/f", 0o600), // copied up: origin
		os.Remove(m + "/e/z"),   // whiteout, e impure
		os.WriteFile(m+"/e/new", nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", m+"/e/s")
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := w.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	prefix := "trusted.overlay."
	if Userxattr() {
		prefix = "user.overlay."
	}
	for _, name := range []string{"", "d", "e", "f"} {
		for _, x := range []string{"origin", "impure", "uuid", "nlink"} {
			if _, err := unix.Lgetxattr(filepath.Join(w.Upper(), name), prefix+x, nil); err != unix.ENODATA {
				t.Errorf("%q has %s: %v", name, x, err)
			}
		}
	}
	buf := make([]byte, 4)
	if n, err := unix.Lgetxattr(w.Upper()+"/d", prefix+"opaque", buf); err != nil || string(buf[:n]) != "y" {
		t.Errorf("d is not opaque any more: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(w.Upper()+"/e/z", &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		t.Errorf("the whiteout is gone: %v", err)
	}
	if _, err := os.Lstat(w.Upper() + "/e/s"); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	// A directory made where nothing was hides nothing: no mark (it would show in the layer).
	w2 := &Work{Lowers: lowers(t, "a"), Dir: t.TempDir()}
	mounted(t, w2)
	if err := os.Mkdir(w2.Merged()+"/fresh", 0o755); err != nil {
		t.Fatal(err)
	}
	w2.Unmount()
	if _, err := unix.Lgetxattr(w2.Upper()+"/fresh", prefix+"opaque", nil); err != unix.ENODATA {
		t.Errorf("a new directory is opaque: %v", err)
	}
}
