package journal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
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

// Without locks a claim is refused once, and leaves nothing; a file beside another is made all the same.
func TestClaimsWithoutLocks(t *testing.T) {
	lockClaim = func(int, int) error { return unix.ENOLCK }
	t.Cleanup(func() { lockClaim = flock })
	dir := t.TempDir()
	for _, claim := range []func(string, string) (*Claim, error){ClaimDir, ClaimFile} {
		if c, err := claim(dir, ".new-"); c != nil || !errors.Is(err, unix.ENOLCK) {
			t.Errorf("claimed %v, %v", c, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	to := filepath.Join(dir, "file")
	first, err := Beside(to)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Beside(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Place(to), second.Close()); err != nil {
		t.Error(err)
	}
	made, err := BesideDir(filepath.Join(dir, "dir"))
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Place(filepath.Join(dir, "dir")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}

// What is known at close(2) only comes before the old file goes.
func TestPlaceThatFailsLate(t *testing.T) {
	closeCopy = func(fd int) error { return errors.Join(unix.Close(fd), unix.EDQUOT) }
	t.Cleanup(func() { closeCopy = unix.Close })
	to := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(to, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Beside(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Place(to); !errors.Is(err, unix.EDQUOT) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(to); string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(to)); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

// When somebody else always has the lock, that ends.
func TestClaimsTakenAway(t *testing.T) {
	lockClaim = func(int, int) error { return unix.EWOULDBLOCK }
	t.Cleanup(func() { lockClaim = flock })
	dir := t.TempDir()
	if c, err := ClaimFile(dir, ".new-"); err == nil {
		t.Errorf("claimed %v", c)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// What can not be cleared away, of another user or in a directory that can not be read, is no reason
// to write nothing.
func TestBesideTheLeftoversOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs another user's file")
	}
	for name, mode := range map[string]os.FileMode{"sticky": 0o777 | os.ModeSticky, "blind": 0o333} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "beside")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			to := filepath.Join(dir, "file")
			if err := os.WriteFile(besideName(to, "theirs"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			asNobody(t, func() {
				for _, beside := range []func(string) (*Claim, error){Beside, BesideDir} {
					c, err := beside(to)
					if err != nil {
						t.Error(err)
						continue
					}
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func besideName(path, end string) string {
	return filepath.Join(filepath.Dir(path), besidePrefix(path)+end)
}

// asNobody runs do on a thread of its own with another user's rights to files.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
			t.Error(errno)
			return
		}
		do()
	}()
	<-done
}
