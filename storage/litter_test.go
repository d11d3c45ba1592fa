package storage

import (
	"errors"
	"os"
	"path/filepath"
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
