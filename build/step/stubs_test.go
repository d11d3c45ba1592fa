package step

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// The upper directory stands in for the mounted filesystem: what was in the lower ones is put there
// first, as copies an overlay would have made.
func TestStubsGoUnlessSomethingWasMadeOfThem(t *testing.T) {
	lower, upper, canary := t.TempDir(), t.TempDir(), t.TempDir()
	old := time.Unix(1_000_000_000, 0)
	for _, root := range []string{lower, upper} {
		plant(t, root, single(), "etc/ 755", "etc/passwd 644 =x", "only/ 750 3:4", "lib -> usr/lib", "usr/ 755", "usr/lib/ 755")
	}
	os.Remove(filepath.Join(upper, "etc", "passwd"))
	os.Chtimes(filepath.Join(upper, "etc"), old, old)
	fd, err := openDir(upper)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	s := newStubs(int(fd.Fd()), single())
	for target, dir := range map[string]bool{
		"/etc/resolv.conf": false, "/only/mnt": true, "/deep/er/dir": true, "/lib/mod": true, "/used": true,
		"/written": false, "/swapped": true, "/moved/in": true, "/usr/lib": true,
	} {
		if err := s.add(target, dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.settle(int(fd.Fd())); err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(filepath.Join(upper, "etc")); !st.ModTime().Equal(old) {
		t.Error("making a stub changed the time of its directory")
	}
	// What a command may do meanwhile.
	os.WriteFile(filepath.Join(upper, "used", "file"), []byte("x"), 0o644)
	os.WriteFile(filepath.Join(upper, "written"), []byte("x"), 0o644)
	os.Remove(filepath.Join(upper, "swapped"))
	os.Symlink(canary, filepath.Join(upper, "swapped"))
	os.RemoveAll(filepath.Join(upper, "moved"))
	os.Symlink(canary, filepath.Join(upper, "moved"))
	os.Mkdir(filepath.Join(canary, "in"), 0o755)

	low, err := openDir(lower)
	if err != nil {
		t.Fatal(err)
	}
	defer low.Close()
	if err := s.remove(int(fd.Fd()), int(low.Fd()), single(), single()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range show(t, upper, single()) {
		names = append(names, strings.Fields(l)[0])
	}
	// etc, only and usr/lib were there only for their stubs, or are the same as below.
	want := []string{"lib", "moved", "swapped", "used/", "used/file", "written"}
	if !slices.Equal(names, want) {
		t.Errorf("left %q, want %q", names, want)
	}
	if _, err := os.Stat(filepath.Join(canary, "in")); err != nil {
		t.Error("something outside of the layer was removed")
	}
}

func TestStubsRefuseTheWrongKind(t *testing.T) {
	upper := t.TempDir()
	plant(t, upper, single(), "file =x", "dir/ 755", "loop -> loop")
	fd, err := openDir(upper)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	s := newStubs(int(fd.Fd()), single())
	for target, dir := range map[string]bool{"/file": true, "/dir": false, "/file/below": true, "/loop/x": true} {
		if err := s.add(target, dir, 0o755); err == nil {
			t.Errorf("%s was taken as a mount point (directory %v)", target, dir)
		}
	}
	if len(s.made) != 0 {
		t.Errorf("made %q", s.made)
	}
}

func TestLinkOwnersOfManyLayers(t *testing.T) {
	low, high := t.TempDir(), t.TempDir()
	os.Symlink("x", filepath.Join(low, "kept"))
	os.Symlink("x", filepath.Join(low, "replaced"))
	os.MkdirAll(filepath.Join(low, "dir"), 0o755)
	os.Symlink("x", filepath.Join(low, "dir", "under"))
	os.WriteFile(filepath.Join(high, "replaced"), nil, 0o644)
	os.Symlink("/", filepath.Join(high, "dir")) // the directory became a link, to the host's root here
	r := &Rootfs{Layers: []Layer{
		{Dir: low, Links: ownership.Links{"kept": {UID: 1}, "replaced": {UID: 2}, "dir/under": {UID: 3}}},
		{Dir: high, Links: ownership.Links{"dir": {UID: 4}}},
	}}
	got := r.Tree(singleMapping()).Links
	if len(got) != 2 || got["kept"].UID != 1 || got["dir"].UID != 4 {
		t.Errorf("links %v", got)
	}
}
