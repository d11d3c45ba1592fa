package journal

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestClaims(t *testing.T) {
	dir := t.TempDir()
	mine, err := ClaimDir(dir, ".new-")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ClaimFile(dir, ".new-")
	if err != nil {
		t.Fatal(err)
	}
	left := []string{".new-dir", ".old-file", "else"}
	for _, name := range left {
		if err := os.MkdirAll(filepath.Join(dir, name, "in"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := ClearUnclaimed(dir, ".new-", ".old-"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{mine.Path: true, file.Path: true, filepath.Join(dir, left[0]): false, filepath.Join(dir, left[1]): false, filepath.Join(dir, left[2]): true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: %v, want there: %v", path, err, want)
		}
	}
	moved := filepath.Join(dir, ".old-x")
	if err := mine.Move(moved); err != nil {
		t.Fatal(err)
	}
	if err := ClearUnclaimed(dir, ".new-", ".old-"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(moved); err != nil {
		t.Error("the claim did not follow the name: ", err)
	}
	if c, err := ClaimNamed(moved); c != nil || err != nil {
		t.Errorf("claimed twice: %v, %v", c, err)
	}
	if mine.Close() != nil || file.Keep() != nil || file.Close() != nil {
		t.Error("could not be closed")
	}
	if _, err := os.Lstat(moved); err == nil {
		t.Error("Close left it")
	}
	if _, err := os.Lstat(file.Path); err != nil {
		t.Error("Keep did not: ", err)
	}
	if err := ClearUnclaimed(filepath.Join(dir, "none"), "."); err != nil {
		t.Error(err)
	}
	if _, err := ClaimDir(filepath.Join(dir, "none"), "."); err == nil {
		t.Error("made in a directory that is not there")
	}
}

// Whoever clears away while others make never takes one that was given out.
func TestClaimsUnderWay(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var clearing, making sync.WaitGroup
	clearing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := ClearUnclaimed(dir, ".new-"); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 4 {
		making.Go(func() {
			for range 200 {
				c, err := ClaimDir(dir, ".new-")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(c.Path, "f"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	making.Wait()
	close(stop)
	clearing.Wait()
}
