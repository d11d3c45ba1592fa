package volume

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A killed command's leftover that can not be deleted is in no volume's way.
func TestLeftoverThatStays(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	stays := filepath.Join(s.Dir, ".old-1", dataDir)
	if err := os.MkdirAll(stays, 0o700); err != nil {
		t.Fatal(err)
	}
	skip := make(chan error)
	go func() {
		defer close(skip)
		runtime.LockOSThread() // and the thread ends with its mount
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			skip <- err
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			skip <- err
			return
		}
		if err := unix.Mount(stays, stays, "", unix.MS_BIND, ""); err != nil {
			skip <- err
			return
		}
		if _, err := s.Create("data", nil, nil); err != nil {
			t.Errorf("making: %v", err)
		}
		if l, err := s.List(); err != nil || len(l) != 1 {
			t.Errorf("listing: %v %v", l, err)
		}
		if err := s.Remove("data", nil); err != nil {
			t.Errorf("removing: %v", err)
		}
		if _, err := os.Stat(stays); err != nil {
			t.Errorf("it could be deleted: %v", err)
		}
	}()
	if err := <-skip; err != nil {
		t.Skip(err)
	}
}
