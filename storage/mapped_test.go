package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/working"
)

// mappedStore is a store with an image of two layers, whose mapping has numbers to give to containers.
func mappedStore(t *testing.T) (*Store, Image, idmap.Shift) {
	t.Helper()
	s := openStore(t)
	if working.Userxattr() {
		t.Skip("needs more than one id: run as root")
	}
	base := makeImage(t, s, "base", "d/", "d/gone=1", "d/below="+strings.Repeat("b", 9000), "small=s")
	img := addLayer(t, s, base, "top", func(merged string) {
		at := func(name string) string { return filepath.Join(merged, name) }
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.Remove(at("d/gone")))
		must(os.WriteFile(at("d/theirs"), []byte(strings.Repeat("t", 9000)), 0o640))
		must(os.Chown(at("d/theirs"), 1000, 7))
		must(os.WriteFile(at("d/suid"), []byte("x"), 0o755))
		must(os.Chown(at("d/suid"), 1001, 1001))
		must(os.Chmod(at("d/suid"), 0o755|os.ModeSetuid))
		must(os.Link(at("d/theirs"), at("again")))
		must(os.Symlink("d", at("link")))
		must(os.Lchown(at("link"), 5, 5))
		must(unix.Mkfifo(at("pipe"), 0o600))
		must(unix.Setxattr(at("d/suid"), "user.x", []byte("y"), 0))
	})
	ids := []idmap.Range{{Inside: 0, Outside: 0, Length: 65536}}
	s.opts.Mapping = idmap.Mapping{Kind: idmap.Subids, UIDs: ids, GIDs: ids}
	return s, img, s.opts.Mapping.KeepID(1000, 7)
}

// below is Map and Below.
func below(s *Store, layers []Layer, shift idmap.Shift) (Below, error) {
	if err := s.Map(ctx, layers, shift, nil); err != nil {
		return Below{}, err
	}
	return s.Below(layers, shift)
}

func TestBelow(t *testing.T) {
	s, img, shift := mappedStore(t)
	plain, err := below(s, img.Layers, idmap.Shift{})
	if err != nil || len(plain.Lowers) != 2 || plain.Lowers[0] != img.Layers[0].Dir || plain.Data != nil {
		t.Fatalf("without a shift: %v %v", plain, err)
	}
	b, err := below(s, img.Layers, shift)
	if err != nil {
		t.Fatal(err)
	}
	w := working.Work{Dir: t.TempDir(), ReadOnly: true, Lowers: b.Lowers, Data: b.Data}
	if err := w.Mount(); err != nil {
		t.Fatal(err)
	}
	defer w.Unmount()
	for name, want := range map[string]struct {
		uid, gid, mode, nlink uint32
		content               string
	}{
		".":        {1, 1, unix.S_IFDIR | 0o755, 0, ""},
		"small":    {1, 1, unix.S_IFREG | 0o644, 1, "s"},
		"d/below":  {1, 1, unix.S_IFREG | 0o644, 1, strings.Repeat("b", 9000)},
		"d/theirs": {0, 0, unix.S_IFREG | 0o640, 2, strings.Repeat("t", 9000)},
		"again":    {0, 0, unix.S_IFREG | 0o640, 2, strings.Repeat("t", 9000)},
		"d/suid":   {1001, 1001, unix.S_IFREG | 0o4755, 1, "x"},
		"link":     {6, 6, unix.S_IFLNK | 0o777, 1, ""},
		"pipe":     {1, 1, unix.S_IFIFO | 0o600, 1, ""},
	} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(w.Merged(), name), &st); err != nil {
			t.Error(err)
			continue
		}
		if st.Uid != want.uid || st.Gid != want.gid || st.Mode != want.mode || want.nlink != 0 && uint32(st.Nlink) != want.nlink {
			t.Errorf("%s: %d:%d %o, %d names; want %+v", name, st.Uid, st.Gid, st.Mode, st.Nlink, want)
		}
		if want.mode&unix.S_IFMT == unix.S_IFREG {
			if data, err := os.ReadFile(filepath.Join(w.Merged(), name)); err != nil || string(data) != want.content {
				t.Errorf("%s holds %.20q (%v)", name, data, err)
			}
		}
	}
	if _, err := os.Lstat(filepath.Join(w.Merged(), "d/gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed file is back: %v", err)
	}
	value := make([]byte, 8)
	if n, err := unix.Getxattr(filepath.Join(w.Merged(), "d/suid"), "user.x", value); err != nil || string(value[:n]) != "y" {
		t.Errorf("the xattr is %q (%v)", value[:n], err)
	}
	// Once is enough, and other ids have a tree of their own.
	before, _ := os.Stat(filepath.Join(b.Lowers[0], "small"))
	again, err := below(s, img.Layers, shift)
	if err != nil || again.Lowers[0] != b.Lowers[0] {
		t.Fatal(again, err)
	}
	if after, _ := os.Stat(filepath.Join(b.Lowers[0], "small")); !os.SameFile(before, after) {
		t.Error("the tree was made twice")
	}
	if other, err := below(s, img.Layers, s.opts.Mapping.KeepID(5, 5)); err != nil || other.Lowers[0] == b.Lowers[0] {
		t.Error(other, err)
	}
	if entries, _ := os.ReadDir(s.tmpDir()); len(entries) != 1 {
		t.Errorf("left in %s: %v", s.tmpDir(), entries)
	}
}

// An owner that the container has no number for is refused, and nothing is left.
func TestBelowWithoutEnoughIDs(t *testing.T) {
	s, img, _ := mappedStore(t)
	few := []idmap.Range{{Inside: 0, Outside: 0, Length: 100}}
	s.opts.Mapping.UIDs = few
	_, err := below(s, img.Layers, s.opts.Mapping.KeepID(70000, 7))
	if err == nil || !strings.Contains(err.Error(), "/etc/subuid") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if dirs, _ := s.mapped(); len(dirs) != 0 {
		t.Errorf("left: %v", dirs)
	}
}

// What a killed removal leaves is no tree; what a killed making leaves is nothing.
func TestMappedIsWholeOrNot(t *testing.T) {
	s, img, shift := mappedStore(t)
	b, err := below(s, img.Layers, shift)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(b.Lowers[0])
	for _, p := range []string{"about.json", "files/small"} {
		if err := os.Remove(filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := below(s, img.Layers, shift); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.Lowers[0], "small")); err != nil {
		t.Errorf("half a tree was taken for a whole: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "about.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a tree is left: %v", err)
	}
}

func TestMappedGoesWithItsImage(t *testing.T) {
	s, img, shift := mappedStore(t)
	if _, err := below(s, img.Layers, shift); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(nil)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := s.mappedTotal()
	if err != nil || bytes < 4096 {
		t.Fatalf("the tree takes %d bytes (%v)", bytes, err)
	}
	var layers int64
	records, _ := s.layerRecords()
	for _, l := range img.Layers {
		layers += records[l.ID].Size
	}
	if u.ImageBytes != layers+bytes || u.UnusedBytes != u.ImageBytes {
		t.Errorf("images take %d bytes, %d unused; the layers %d, the tree %d", u.ImageBytes, u.UnusedBytes, layers, bytes)
	}
	// A container that lost its image keeps the tree with the layers.
	ids := []string{img.Layers[0].ID, img.Layers[1].ID}
	if err := os.MkdirAll(filepath.Join(s.Dir(), "containers", "box"), 0o700); err != nil {
		t.Fatal(err)
	}
	users := func(i Image) ([]User, error) {
		if i.ID != img.ID {
			return nil, nil
		}
		return []User{{Container: "box", Layers: ids}}, nil
	}
	if _, err := s.Remove("top", RemoveOptions{Force: true, Users: users}); err != nil {
		t.Fatal(err)
	}
	if dirs, _ := s.mapped(); len(dirs) != 1 {
		t.Errorf("with a container: %v", dirs)
	}
	if err := s.Close(); err != nil { // the lease of who made the layers
		t.Fatal(err)
	}
	if err := s.UnpinAll([]string{ids[1]}, containerPin+"box"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if dirs, _ := s.mapped(); len(dirs) != 0 {
		t.Errorf("without: %v", dirs)
	}
	// An image others are built on takes its tree along, though its layers stay.
	other := addLayer(t, s, makeImage(t, s, "under", "f=1"), "over", func(m string) { os.WriteFile(filepath.Join(m, "g"), nil, 0o600) })
	if _, err := below(s, other.Layers[:1], shift); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, bytes, err = s.PruneImages(PruneOptions{All: true, Spare: func(i Image) bool { return i.ID == other.ID }}); err != nil || bytes < 4096 {
		t.Errorf("pruning gave %d bytes (%v)", bytes, err)
	}
	if dirs, _ := s.mapped(); len(dirs) != 0 {
		t.Errorf("after pruning: %v", dirs)
	}
}

func TestMappedIsChecked(t *testing.T) {
	s, img, shift := mappedStore(t)
	b, err := below(s, img.Layers, shift)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(b.Lowers[0], name) }
	problems := func() []Problem {
		t.Helper()
		found, err := s.Check(ctx, CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := problems(); len(found) != 0 {
		t.Fatalf("a whole store: %v", found)
	}
	for name, damage := range map[string]func() error{
		"an owner":   func() error { return os.Lchown(at("small"), 3, 3) },
		"a mode":     func() error { return os.Chmod(at("d/suid"), 0o755) },
		"content":    func() error { return os.Truncate(at("small"), 0) },
		"a lost one": func() error { return os.Remove(at("pipe")) },
		"one more":   func() error { return os.WriteFile(at("more"), nil, 0o600) },
		"a symlink":  func() error { return errors.Join(os.Remove(at("link")), os.Symlink("/etc", at("link"))) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		found := problems()
		if len(found) != 1 || found[0].Mapped != img.Layers[1].ID {
			t.Errorf("%s: %v", name, found)
		}
		used := map[string]string{img.Layers[1].ID: "box"}
		done, err := s.Repair(ctx, found, RepairOptions{Users: func() (map[string]string, error) { return used, nil }})
		if err != nil || len(done) != 1 || done[0].Err == nil {
			t.Errorf("%s: it was taken from under a container: %v %v", name, done, err)
		}
		if _, err := s.Repair(ctx, found, RepairOptions{}); err != nil {
			t.Error(err)
		}
		if found := problems(); len(found) != 0 {
			t.Errorf("%s: after the repair: %v", name, found)
		}
		if _, err := below(s, img.Layers, shift); err != nil {
			t.Fatal(err)
		}
	}
}

// A removal that was killed in the middle of a repair leaves no tree that is taken for a whole, and
// trees that others may be making stay.
func TestMappedIsRemovedAsATree(t *testing.T) {
	s, img, shift := mappedStore(t)
	b, err := below(s, img.Layers, shift)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(b.Lowers[0])
	lock, err := journal.TakeLock(s.mappedLock(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.removeFound(dir); err == nil {
		t.Error("removed while somebody makes a tree")
	}
	if err := os.Remove(filepath.Join(dir, "about.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("swept while somebody makes a tree: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := below(s, img.Layers, shift); err != nil {
		t.Fatal(err)
	}
	// files can not be emptied: the removal stops there, as a killed one.
	if err := unix.Mount("tmpfs", filepath.Join(dir, "files"), "tmpfs", 0, ""); err != nil {
		t.Skip("can not mount: ", err)
	}
	err = s.removeFound(dir)
	if uerr := unix.Unmount(filepath.Join(dir, "files"), unix.MNT_DETACH); uerr != nil {
		t.Fatal(uerr)
	}
	if err == nil {
		t.Fatal("a mounted directory was removed")
	}
	if _, err := readMapped(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a tree is taken for a whole: %v", err)
	}
}

// A tree whose files have their content in the layers is of no use under a kernel that does not follow
// that: a whole one stands beside it then, until that kernel is gone.
func TestMappedUnderAnotherKernel(t *testing.T) {
	s, img, shift := mappedStore(t)
	kernelWas, worksWas := kernel, referWorks
	t.Cleanup(func() { kernel, referWorks = kernelWas, worksWas })
	asked := 0
	boot := func(name string, works bool) {
		asked = 0
		kernel = func() string { return name }
		referWorks = func(dir string) bool { asked++; return works && worksWas(dir) }
	}
	big := func(b Below) int64 {
		t.Helper()
		st, err := os.Stat(filepath.Join(b.Lowers[0], "d/below"))
		if err != nil {
			t.Fatal(err)
		}
		sys, ok := st.Sys().(*syscall.Stat_t)
		if !ok {
			t.Fatal("no status")
		}
		return sys.Blocks
	}
	boot("new", true)
	if _, err := s.Below(img.Layers, shift); !errors.Is(err, ErrNotMapped) {
		t.Fatalf("before it is made: %v", err)
	}
	first, err := below(s, img.Layers, shift)
	if err != nil {
		t.Fatal(err)
	}
	if first.Data == nil {
		t.Skip("this kernel's overlay can not take content from elsewhere")
	}
	if again, err := s.Below(img.Layers, shift); err != nil || again.Lowers[0] != first.Lowers[0] || asked != 1 {
		t.Errorf("under the same kernel: %v %v, asked %d times", again, err, asked)
	}
	boot("newer", true)
	for range 2 {
		if b, err := s.Below(img.Layers, shift); err != nil || b.Lowers[0] != first.Lowers[0] || b.Data == nil {
			t.Errorf("under another one that can: %v %v", b, err)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	boot("old", false)
	if _, err := s.Below(img.Layers, shift); !errors.Is(err, ErrNotMapped) {
		t.Fatalf("a tree of no use was taken: %v", err)
	}
	full, err := below(s, img.Layers, shift)
	if err != nil {
		t.Fatal(err)
	}
	if full.Data != nil || full.Lowers[0] == first.Lowers[0] || big(full) == 0 || big(first) != 0 {
		t.Errorf("under one that can not: %v", full)
	}
	asked = 0
	if b, err := s.Below(img.Layers, shift); err != nil || b.Lowers[0] != full.Lowers[0] || asked != 0 {
		t.Errorf("the second time: %v %v, asked %d times", b, err, asked)
	}
	boot("older", false)
	for range 2 {
		if b, err := s.Below(img.Layers, shift); err != nil || b.Lowers[0] != full.Lowers[0] {
			t.Errorf("under another one that can not: %v %v", b, err)
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	boot("new", true)
	if b, err := s.Below(img.Layers, shift); err != nil || b.Lowers[0] != first.Lowers[0] {
		t.Errorf("back again: %v %v", b, err)
	}
	// Both are looked at and go with the image.
	if err := os.Remove(filepath.Join(full.Lowers[0], "small")); err != nil {
		t.Fatal(err)
	}
	found, err := s.Check(ctx, CheckOptions{})
	if err != nil || len(found) != 1 || found[0].Path != filepath.Dir(full.Lowers[0]) {
		t.Errorf("Check: %v %v", found, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PruneImages(PruneOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	if dirs, _ := s.mapped(); len(dirs) != 0 {
		t.Errorf("after pruning: %v", dirs)
	}
}

// Who waits for another that makes a tree, or makes one, can be told to stop, and says what takes long.
func TestMapIsCancelled(t *testing.T) {
	s, img, shift := mappedStore(t)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := os.MkdirAll(s.mappedRoot(), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := journal.TakeLock(s.mappedLock(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Map(short, img.Layers, shift, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another makes one: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := s.Map(short, img.Layers, shift, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it makes one: %v", err)
	}
	if dirs, _ := s.mapped(); len(dirs) != 0 {
		t.Errorf("left: %v", dirs)
	}
	if entries, _ := os.ReadDir(s.lease.tmp); len(entries) != 0 {
		t.Errorf("left in %s: %v", s.lease.tmp, entries)
	}
	if _, err := below(s, img.Layers, shift); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
