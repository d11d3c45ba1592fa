package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What can not be cleared away stops nobody, and is not forgotten.
func TestLitterThatStays(t *testing.T) {
	s := openStore(t)
	lease, stray := deadLeaseOf(t, s), litterAt(t, s, "storage/overlay/compat1")
	if err := unix.Mount("tmpfs", stray, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("no mount can be made here: ", err)
	}
	defer unix.Unmount(stray, unix.MNT_DETACH)
	if err := s.recover(); err != nil {
		t.Error(err)
	}
	if _, err := s.Sweep(); !errors.Is(err, errLitter) {
		t.Errorf("nothing is said: %v", err)
	}
	if _, err := os.Lstat(lease); err != nil {
		t.Error("it is forgotten: ", err)
	}
	if err := unix.Unmount(stray, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.recover(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{lease, stray} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}

// What the library is about to delete goes when nobody else may be opening it.
func TestLitterOfOthers(t *testing.T) {
	s := openStore(t)
	other := openAt(t, s.Dir())
	lease := deadLeaseOf(t, s)
	litter := []string{litterAt(t, s, "storage/overlay-layers/tmp/temp-dir-1"), litterAt(t, s, "storage/overlay/tempdirs/temp-dir-1")}
	for _, there := range []bool{true, false} {
		if _, err := s.Sweep(); err != nil {
			t.Fatal(err)
		}
		for _, path := range append(litter, lease) {
			if _, err := os.Lstat(path); (err == nil) != there {
				t.Errorf("%s: %v, want there: %v", path, err, there)
			}
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func deadLeaseOf(t *testing.T, s *Store) string {
	t.Helper()
	path := filepath.Join(s.Dir(), "leases", "1-dead")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func litterAt(t *testing.T, s *Store, path string) string {
	t.Helper()
	path = filepath.Join(s.Dir(), path)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// A layer whose maker was killed before it had written its short name takes no other layer's away.
func TestLitterWithoutShortName(t *testing.T) {
	s := openStore(t)
	whole := makeImage(t, s, "whole", "f=1").Layers[0].ID
	img := makeImage(t, s, "half", "f=2")
	half := img.Layers[0].ID
	lib, err := s.library()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lib.DeleteImage(img.ID, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// What a kill between the two leaves.
	data, err := os.ReadFile(s.layersFile())
	if err != nil {
		t.Fatal(err)
	}
	mark := `"id":"` + half + `",`
	if !bytes.Contains(data, []byte(mark)) {
		t.Fatalf("%s", data)
	}
	data = bytes.Replace(data, []byte(mark), []byte(mark+`"flags":{"incomplete":true},`), 1)
	if err := errors.Join(os.WriteFile(s.layersFile(), data, 0o600), os.Truncate(filepath.Join(filepath.Dir(s.layerDir(half)), "link"), 0)); err != nil {
		t.Fatal(err)
	}
	deadLeaseOf(t, s)
	again := openAt(t, s.Dir())
	if _, err := again.library(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Dir(s.layerDir(half))); err == nil {
		t.Error("the half layer is left")
	}
	names, err := os.ReadDir(filepath.Join(s.graphRoot(), "overlay", "l"))
	if err != nil || len(names) != 1 {
		t.Errorf("%d short names for the layer %s, %v", len(names), short(whole), err)
	}
}

// What a killed command left is no damage: it is on its way out. What nobody explains is.
func TestLitterIsNoDamage(t *testing.T) {
	s := openStore(t)
	makeImage(t, s, "whole", "f=1")
	data := litterAt(t, s, "storage/overlay-images/"+strings.Repeat("a1", 32))
	lease := deadLeaseOf(t, s)
	for _, dead := range []bool{true, false} {
		found, err := s.Check(t.Context(), CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if dead != (len(found) == 0) {
			t.Errorf("beside a killed command: %v; found %v", dead, found)
		}
		if err := os.Remove(lease); dead && err != nil {
			t.Fatal(err)
		}
	}
	deadLeaseOf(t, s)
	if err := s.recover(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(data); err == nil {
		t.Error("it is left")
	}
}
