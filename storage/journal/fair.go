package journal

import (
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// courtesy is how long somebody who waits for an exclusive lock is let pass. After that he waits for a holder
// that is stopped, or that waits for those he keeps: the others go on.
const courtesy = 3 * time.Second

// TakeShared and TakeExclusive are TakeLock for a lock that is shared often and for moments: flock(2) gives it
// to whoever shares as long as somebody does, and who wants it alone could wait for ever. So he says that he
// waits, by the lock of another file, and those who come to share later let him pass, for courtesy from then.
func TakeShared(path string) (*Lock, error) {
	for wait := time.Millisecond; somebodyWaits(turnOf(path)); wait = min(2*wait, 20*time.Millisecond) {
		time.Sleep(wait)
	}
	return take(path, false, 0)
}

// TakeExclusive is for TakeShared.
func TakeExclusive(path string) (*Lock, error) {
	if l, err := take(path, true, unix.LOCK_NB); l != nil || err != nil {
		return l, err
	}
	// Without a turn, where there is no room for its file, it only takes longer.
	if turn, err := take(turnOf(path), true, 0); err == nil {
		defer turn.Unlock()
		// Now the others can see that somebody waits, and since when.
		_ = unix.Futimes(int(turn.file.Fd()), nil)
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
	if flock(fd, unix.LOCK_SH|unix.LOCK_NB) != unix.EWOULDBLOCK {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false
	}
	since := time.Since(time.Unix(st.Mtim.Unix()))
	return since >= 0 && since < courtesy
}
