package journal

import (
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// courtesy is how long somebody who waits for an exclusive lock is let pass, from when he came, and how long
// somebody who comes to share it lets others pass, all in all. After that he waits for a holder that is
// stopped, or that waits for those he keeps; or there is one of them after the other.
const courtesy = 3 * time.Second

// TakeShared and TakeExclusive are TakeLock for a lock that is shared often and for moments: flock(2) gives it
// to whoever shares as long as somebody does, and who wants it alone could wait for ever. So he says that he
// waits, by holding another file, and those who come to share it let him pass for a while. Where this process
// shares it already, that is a short one: it may be what is waited for.
func TakeShared(path string) (*Lock, error) {
	patience := courtesy
	if sharers.have(path) {
		patience = courtesy / 30
	}
	letPass(path, patience)
	l, err := take(path, false, 0)
	if err == nil {
		sharers.add(path, 1)
		l.ended = func() { sharers.add(path, -1) }
	}
	return l, err
}

func letPass(path string, patience time.Duration) {
	until := time.Now().Add(patience)
	for wait := time.Millisecond; somebodyWaits(turnOf(path)) && time.Now().Before(until); wait = min(2*wait, 20*time.Millisecond) {
		time.Sleep(wait)
	}
}

// TakeExclusive is for TakeShared.
func TakeExclusive(path string) (*Lock, error) {
	if l, err := take(path, true, unix.LOCK_NB); l != nil || err != nil {
		return l, err
	}
	// It only takes longer without: where there is no room for the file, or somebody is stopped who looks at it.
	for end := time.Now().Add(courtesy / 10); time.Now().Before(end); time.Sleep(time.Millisecond) {
		turn, err := take(turnOf(path), false, unix.LOCK_NB)
		if err != nil {
			break
		}
		if turn != nil {
			defer turn.Unlock()
			_ = unix.Futimes(int(turn.file.Fd()), nil) // since when
			break
		}
	}
	return take(path, true, 0)
}

func turnOf(path string) string { return filepath.Join(filepath.Dir(path), "turn.lock") }

// somebodyWaits tells whether there is one to let pass. It costs one call where nobody ever waited.
func somebodyWaits(turn string) bool {
	fd, err := unix.Open(turn, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// Who waits shares it with others who do. Another one who only looks is met for a moment.
	if flock(fd, unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false
	}
	since := time.Since(time.Unix(st.Mtim.Unix()))
	return since >= 0 && since < courtesy
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
