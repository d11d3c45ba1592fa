package commands

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBlockedOn(t *testing.T) {
	const locks = `1: FLOCK  ADVISORY  WRITE 100 fe:00:836858 0 EOF
1: -> FLOCK  ADVISORY  WRITE 200 fe:00:836858 0 EOF
1: -> FLOCK  ADVISORY  READ 201 fe:00:836858 0 EOF
2: POSIX  ADVISORY  WRITE 101 08:01:77 0 EOF
2: -> POSIX  ADVISORY  WRITE 202 08:01:77 0 EOF
3: OFDLCK ADVISORY  WRITE -1 08:01:78 0 EOF
3: -> OFDLCK ADVISORY  WRITE 203 08:01:78 0 EOF
4: LEASE  ACTIVE    READ 1
5: FLOCK  ADVISORY  WRITE 204 08:01:79 0 EOF
5: -> FLOCK  ADVISORY  WRITE 204 08:01:79 0 EOF
6: FLOCK  ADVISORY  WRITE 205 08:01:80 0 EOF
6: -> FLOCK  ADVISORY  WRITE 205 08:01:80 0 EOF
7: FLOCK  ADVISORY  WRITE 101 08:01:81 0 EOF
7: -> FLOCK  ADVISORY  WRITE 205 08:01:81 0 EOF
`
	for pid, want := range map[int]blocked{200: {100, "836858"}, 201: {100, "836858"}, 202: {101, "77"}, 203: {0, "78"}, 204: {}, 205: {101, "81"}, 100: {}, 300: {}} {
		got, ok := blockedOn(locks, pid)
		if got != want || ok != (want.inode != "") {
			t.Errorf("%d waits for %+v, %v, want %+v", pid, got, ok, want)
		}
	}
	if s := (blocked{inode: strconv.Itoa(1 << 40)}).text(nil); s != "another process" {
		t.Errorf("it says %q", s)
	}
}

// The kernel's list, of a real wait: of another process, and of another part of this one, which is none
// to tell of.
func TestBlockedOnTheKernels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	held, wanted := open(), open()
	defer wanted.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	other := exec.Command("flock", path, "true")
	if err := other.Start(); err != nil {
		held.Close()
		t.Skip(err)
	}
	got := make(chan error)
	go func() { got <- unix.Flock(int(wanted.Fd()), unix.LOCK_EX) }()
	said := ""
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			break
		}
		if b, ok := blockedOn(string(locks), os.Getpid()); ok {
			t.Errorf("this process waits for %+v", b)
			break
		}
		own := regexp.MustCompile(`-> FLOCK +ADVISORY +WRITE ` + strconv.Itoa(os.Getpid()) + ` `).Match(locks)
		if b, ok := blockedOn(string(locks), other.Process.Pid); ok && own {
			said = b.text(nil)
			break
		}
	}
	if !strings.Contains(said, "(process "+strconv.Itoa(os.Getpid())+")") || !strings.HasSuffix(said, ", which holds "+path) {
		t.Errorf("it says %q", said)
	}
	held.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
	wanted.Close()
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
}
