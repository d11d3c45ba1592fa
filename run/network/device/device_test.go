package device

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenErrorNamesTheCure(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EACCES: "chmod 666 /dev/net/tun",
		unix.EPERM:  "chmod 666 /dev/net/tun",
		unix.ENOENT: "modprobe tun",
		unix.ENODEV: "modprobe tun",
		unix.EMFILE: "--network none or host",
	} {
		err := &OpenError{Err: errno}
		if !strings.Contains(err.Hint(), want) || strings.Contains(err.Hint(), "\n") {
			t.Errorf("%v: %q does not say %q", errno, err.Hint(), want)
		}
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), "/dev/net/tun") {
			t.Errorf("%v", err)
		}
	}
}

// TestOnThread looks that changes stay with the thread that is thrown away.
func TestOnThread(t *testing.T) {
	namespace := func() string {
		link, err := os.Readlink("/proc/thread-self/ns/uts")
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	before := namespace()
	for range 20 {
		inside := ""
		err := onThread(func() error {
			if unix.Gettid() == unix.Getpid() {
				t.Error("the main thread is to be thrown away")
			}
			if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
				return err
			}
			inside = namespace()
			return nil
		})
		if errors.Is(err, unix.EPERM) {
			t.Skip("SKIPPED: no namespace can be made without root")
		}
		if err != nil {
			t.Fatal(err)
		}
		if inside == before {
			t.Error("the thread did not change")
		}
	}
	for range 100 { // on whichever thread is there
		done := make(chan string)
		go func() { done <- namespace() }()
		if now := <-done; now != before {
			t.Fatal("a changed thread is in use")
		}
	}
}

func TestNoSuchProcess(t *testing.T) {
	if _, err := Open(1<<30, Config{Name: "eth0"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
