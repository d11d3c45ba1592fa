package journal

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// courtesy is how long whoever stands at the turn is waited for. He may be stopped, or wait for one that is
// stopped, or for those who stand behind him; or there is one of them after the other.
const (
	courtesy = 3 * time.Second
	moment   = courtesy / 30
)

// TakeShared and TakeExclusive are TakeLock for a lock that is shared often and for moments: flock(2) gives it
// to whoever shares as long as somebody does, and who wants it alone could wait for ever. So there is a
// turn beside it, another lock: who wants it alone has the turn while he waits, and who comes to share it goes
// past when nobody has it. The kernel lets them come to the turn in the order in which they came. Nobody
// stands there for longer than courtesy, or for a moment where this process shares the lock already, and may be
// what is waited for.
func TakeShared(path string) (*Lock, error) {
	patience := courtesy
	if sharers.have(path) {
		patience = moment
	}
	goPast(turnOf(path), patience)
	l, err := take(path, false, 0)
	if err == nil {
		sharers.add(path, 1)
		l.ended = func() { sharers.add(path, -1) }
	}
	return l, err
}

// TakeExclusive is for TakeShared.
func TakeExclusive(path string) (*Lock, error) {
	if l, err := take(path, true, unix.LOCK_NB); l != nil || err != nil {
		return l, err
	}
	turn := takeTurn(turnOf(path))
	defer turn.Unlock()
	return take(path, true, 0)
}

func turnOf(path string) string { return filepath.Join(filepath.Dir(path), "turn.lock") }

// goPast waits until nobody has the turn. It costs one call where nobody ever had it, three where nobody has.
func goPast(turn string, patience time.Duration) {
	fd, err := unix.Open(turn, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	queue(fd, unix.LOCK_SH, time.Now().Add(patience)).Unlock()
}

// takeTurn gives the turn; nil where there is no room for its file: then it only takes longer. A turn that is
// taken by one who does not get on is thrown away for a new one.
func takeTurn(turn string) *Lock {
	for {
		fd, err := openLock(turn)
		if err != nil {
			return nil
		}
		var own unix.Stat_t
		if err := unix.Fstat(fd, &own); err != nil {
			unix.Close(fd)
			return nil
		}
		got := queue(fd, unix.LOCK_EX, time.Time{})
		var named unix.Stat_t
		err = unix.Stat(turn, &named)
		same := err == nil && named.Ino == own.Ino && named.Dev == own.Dev
		if got != nil && same {
			_ = unix.Futimes(fd, nil) // since when
			return got
		}
		got.Unlock()
		if err != nil && err != unix.ENOENT {
			return nil
		}
		if got == nil && same {
			if err := unix.Unlink(turn); err != nil && err != unix.ENOENT {
				return nil
			}
		}
	}
}

// queue waits for the lock of fd, which it takes over: until the time is over, if there is one, and for courtesy
// since the file's time, by which those who have it tell when they got it. nil is for nothing.
func queue(fd, how int, until time.Time) *Lock {
	l := &Lock{file: os.NewFile(uintptr(fd), "turn.lock")}
	if flock(fd, how|unix.LOCK_NB) == nil {
		return l
	}
	got := make(chan error, 1)
	go func() { got <- flock(fd, how) }()
	for begun := time.Now(); ; {
		left := courtesyLeft(fd)
		if until.IsZero() {
			left = max(left, time.Until(begun.Add(moment))) // somebody may be going past
		} else {
			left = min(left, time.Until(until))
		}
		if left <= 0 {
			break
		}
		select {
		case err := <-got:
			if err != nil {
				l.Unlock()
				return nil
			}
			return l
		case <-time.After(left):
		}
	}
	go func() { // flock(2) can not be called off
		<-got
		l.Unlock()
	}()
	return nil
}

// courtesyLeft tells how long who has the turn is still waited for.
func courtesyLeft(fd int) time.Duration {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	ago := time.Since(time.Unix(st.Mtim.Unix()))
	if ago < 0 { // by another clock
		return 0
	}
	return courtesy - ago
}

// sharers counts what this process has of shared locks, by path.
var sharers counts

type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) have(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[path] > 0
}

func (c *counts) add(path string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	if c.of[path] += n; c.of[path] == 0 {
		delete(c.of, path)
	}
}

