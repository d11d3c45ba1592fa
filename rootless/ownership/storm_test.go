package ownership

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A signal must not make the kernel repeat a call that the supervisor has made already: the second
// mkdir would say EEXIST. This is what SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for.
func signalsPayload() error {
	var c check
	signal.Notify(make(chan os.Signal, 1), unix.SIGALRM)
	every := unix.Itimerval{Interval: unix.Timeval{Usec: 150}, Value: unix.Timeval{Usec: 150}}
	if _, err := unix.Setitimer(unix.ITIMER_REAL, every); err != nil {
		return err
	}
	for i := range 3000 {
		p := fmt.Sprint("/tmp/", i)
		if err := unix.Mkdir(p, 0o700); err != nil {
			c.errs = append(c.errs, fmt.Errorf("mkdir %s: %w", p, err))
		}
	}
	return c.done()
}

func TestSignals(t *testing.T) {
	c := payloadBox(t, "signals")
	c.UID = 1000
	c.run(t)
}

// Processes that are killed in the middle of their calls leave the supervisor and the others as they
// were.
func stormPayload() error {
	var c check
	for i := range 40 {
		cmd := exec.Command("/payload", "busy")
		cmd.Env = []string{roleEnv + "=payload"}
		if err := cmd.Start(); err != nil {
			return err
		}
		time.Sleep(time.Duration(i%8) * 500 * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		if err := cmd.Wait(); err == nil {
			return fmt.Errorf("the busy one ended by itself")
		}
		dir := fmt.Sprint("/tmp/after", i)
		c.is("mkdir", unix.Mkdir(dir, 0o755), nil)
		c.is("owner", look(dir), "1000:1001 40755")
		c.is("ids", fmt.Sprint(unix.Getuid(), unix.Getgid()), "1000 1001")
	}
	return c.done()
}

// busyPayload changes ids, makes and removes files until it is killed.
func busyPayload() error {
	for i := 0; ; i++ {
		p := fmt.Sprintf("/tmp/busy-%d-%d", os.Getpid(), i)
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			return err
		}
		os.Symlink("x", p+"l")
		unix.Lstat(p, new(unix.Stat_t))
		unix.Chmod(p, 0o640)
		unix.Umask(i % 0o777)
		os.Remove(p)
	}
}

func TestStorm(t *testing.T) {
	c := payloadBox(t, "storm")
	c.UID, c.GID = 1000, 1001
	c.run(t)
	if _, err := FinishUpper(filepath.Join(c.Dir, "upper"), filepath.Join(c.Dir, "table")); err != nil {
		t.Error(err)
	}
}

// Before Linux 6.11 nobody may begin to receive without a call.
func TestStormPolled(t *testing.T) {
	ends := receiveEnds
	receiveEnds = func() bool { return false }
	t.Cleanup(func() { receiveEnds = ends })
	t.Run("storm", TestStorm)
	t.Run("signals", TestSignals)
}
