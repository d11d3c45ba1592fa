package storage

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/progress"
)

// TestUpToDate: a pull that changes nothing writes nothing, and does everything when there is something
// to do.
func TestUpToDate(t *testing.T) {
	host := startRegistry(t)
	s := openStore(t)
	base := makeImage(t, s, "base", "etc/", "etc/a=1")
	addLayer(t, s, base, "img", func(m string) { os.WriteFile(m+"/etc/b", []byte("b"), 0o644) })
	name := host + "/r/img:v1"
	pushed, err := s.Push(ctx, "img", name, PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sum := pushed.Digest.String()
	dir := t.TempDir()
	first := openAt(t, dir)
	options := first.opts
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open := func() *Store {
		t.Helper()
		fresh, err := Open(options)
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	// pull gives how the layers ended, and whether the store's records were written again.
	pull := func(name string) (ends map[string]progress.State, written bool) {
		t.Helper()
		inode := func(name string) uint64 {
			var st unix.Stat_t
			_ = unix.Stat(filepath.Join(dir, name), &st)
			return st.Ino
		}
		images, pins := inode("storage/overlay-images/images.json"), inode("pins.json")
		fresh := open()
		var heard hearer
		if _, err := fresh.Pull(ctx, name, PullOptions{Progress: heard.hear}); err != nil {
			t.Fatal(err)
		}
		if err := fresh.Close(); err != nil {
			t.Fatal(err)
		}
		return heard.ends(), inode("storage/overlay-images/images.json") != images || inode("pins.json") != pins
	}
	if ends, written := pull(name); len(ends) != 2 || !written {
		t.Fatalf("the first pull: %v, %v", ends, written)
	}
	if ends, written := pull(name); written || len(ends) != 2 {
		t.Errorf("the second pull: %v, written %v", ends, written)
	} else {
		for id, state := range ends {
			if state != progress.Cached {
				t.Errorf("%s ended as %v", id, state)
			}
		}
	}
	// Another name of the same image.
	if _, err := s.Push(ctx, "img", host+"/r/img:v2", PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, written := pull(host + "/r/img:v2"); !written {
		t.Error("a new name was not recorded")
	}
	// By digest.
	if _, written := pull(host + "/r/img@" + sum); written {
		t.Error("written for the digest")
	}
	// A pin that a killed pull has left.
	fresh := open()
	img, err := fresh.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.PinAll([]string{img.Layers[0].ID}, arrivalPin+"1"); err != nil {
		t.Fatal(err)
	}
	fresh.Close()
	if _, written := pull(name); !written {
		t.Error("the pin stays")
	}
	// What a killed command has left is for the next one.
	if err := os.WriteFile(filepath.Join(dir, "leases", "1-aaaaaaaaaa"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, written := pull(name); !written {
		t.Error("nobody cleared up")
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "leases")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, written := pull(name); written {
		t.Error("written once more")
	}
	// One was killed while it put the ballast in place.
	last := filepath.Join(dir, "ballast", "47")
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if _, written := pull(name); written {
		t.Error("written for the ballast")
	}
	if _, err := os.Stat(last); err != nil {
		t.Error(err)
	}
	// A new image of the name.
	addLayer(t, s, base, "next", func(m string) { os.WriteFile(m+"/etc/b", []byte("c"), 0o644) })
	if _, err := s.Push(ctx, "next", name, PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if ends, written := pull(name); !written || len(ends) != 2 {
		t.Errorf("the new image: %v, %v", ends, written)
	}
}

// TestCommitAgain: an image that is recorded already is not recorded again, unless somebody else may be in
// the middle of it, or was killed.
func TestCommitAgain(t *testing.T) {
	s := openStore(t)
	base := makeImage(t, s, "base", "etc/", "etc/a=1")
	c := base.Config
	file := filepath.Join(s.Dir(), "storage/overlay-images/images.json")
	commit := func(names ...string) (written bool) {
		t.Helper()
		var was, is unix.Stat_t
		if err := unix.Stat(file, &was); err != nil {
			t.Fatal(err)
		}
		img, err := s.Commit(CommitOptions{Layers: []string{base.Layers[0].ID}, Config: c, Names: names})
		if err != nil || img.ID != base.ID {
			t.Fatalf("%s, %v", img.ID, err)
		}
		if err := unix.Stat(file, &is); err != nil {
			t.Fatal(err)
		}
		return was.Ino != is.Ino || was.Ctim != is.Ctim
	}
	if commit("base") || commit() {
		t.Error("written although nothing changed")
	}
	if !commit("base", "another") {
		t.Error("the name was not recorded")
	}
	if img, err := s.Lookup("another"); err != nil || img.ID != base.ID {
		t.Errorf("%s, %v", img.ID, err)
	}
	if commit("another") {
		t.Error("written although it has the name")
	}
	s.newLayers.Store(true)
	if !commit("base") || commit("base") {
		t.Error("a layer that was put in place is not flushed with the image, once")
	}
	lease := filepath.Join(s.Dir(), "leases", "1-aaaaaaaaaa")
	if err := os.WriteFile(lease, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !commit("base") {
		t.Error("what another command may not have flushed is taken for done")
	}
	if err := os.Remove(lease); err != nil {
		t.Fatal(err)
	}
	// It failed between the record and its flush; the next command takes it for killed, and flushes.
	s.halfway.Store(true)
	if !commit("base") {
		t.Error("what failed halfway is taken for done")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(lease)); len(left) != 1 {
		t.Errorf("leases: %v", left)
	}
	var err error
	if s, err = Open(s.opts); err != nil {
		t.Fatal(err)
	}
	commit("base")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(lease)); len(left) != 0 {
		t.Errorf("leases: %v", left)
	}
}
