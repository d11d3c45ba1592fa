package carry

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// TestReplacedIsNeverMissing: whoever looks while a file of any kind is replaced finds the old or the new
// one, and so does whoever looks after a kill.
func TestReplacedIsNeverMissing(t *testing.T) {
	dir := t.TempDir()
	fd := open(t, dir)
	headers := []tar.Header{
		file("regular"), link("symlink", "/nowhere"), {Typeflag: tar.TypeFifo, Name: "fifo", Mode: 0o644},
		file("other"), {Typeflag: tar.TypeLink, Name: "hard", Linkname: "other"},
	}
	round := func(plain bool) {
		w := &writing{p: Place{Root: fd, Dir: fd, Path: "/", Loose: true}, last: -1, plain: plain}
		defer w.forget()
		must(t, Tar{R: packed(t, headers...)}.Each(w.item))
	}
	round(false)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, h := range headers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var st unix.Stat_t
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := unix.Fstatat(fd, h.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
					t.Errorf("%s: %v", h.Name, err)
					return
				}
			}
		}()
	}
	for begin, i := time.Now(), 0; time.Since(begin) < 300*time.Millisecond; i++ {
		round(i%2 == 1)
	}
	close(stop)
	wg.Wait()
	if names, _ := os.ReadDir(dir); len(names) != len(headers) {
		t.Errorf("left %v", names)
	}
}

// TestFailedReplacementLeavesTheOld: a file that can not be made whole leaves what was there, and nothing
// of its own.
func TestFailedReplacementLeavesTheOld(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o644))
	fd := open(t, dir)
	var b bytes.Buffer
	_, _ = b.ReadFrom(packed(t, file("f")))
	short := b.Bytes()[:512] // its header
	for _, plain := range []bool{false, true} {
		w := &writing{p: Place{Root: fd, Dir: fd, Path: "/"}, last: -1, plain: plain}
		if err := (Tar{R: bytes.NewReader(short)}).Each(w.item); err == nil {
			t.Error("no error")
		}
		w.forget()
		if got, _ := os.ReadFile(filepath.Join(dir, "f")); string(got) != "old" {
			t.Errorf("plain %v: %q", plain, got)
		}
		if names, _ := os.ReadDir(dir); len(names) != 1 {
			t.Errorf("plain %v: left %v", plain, names)
		}
	}
}

// TestReplacedOwners: the recorded owner of a symlink goes with it, and comes with the one that replaces it.
func TestReplacedOwners(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("a", filepath.Join(dir, "l")))
	must(t, os.Symlink("a", filepath.Join(dir, "r")))
	fd := open(t, dir)
	owners := &ownership.Tree{Userns: true, Links: ownership.Links{"l": {UID: 1}, "r": {UID: 2}}}
	l := link("l", "b")
	l.Uid, l.Gid = 7, 8
	must(t, ToTree(Place{Root: fd, Dir: fd, Path: "/", Owners: owners}, Tar{R: packed(t, l, file("r"))}))
	if len(owners.Links) != 1 || owners.Links["l"] != (ownership.Owner{UID: 7, GID: 8}) {
		t.Error(owners.Links)
	}
}
