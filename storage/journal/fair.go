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
// past when nobody has it. The kernel lets them come to the turn in the order in which they came (since Linux
// 5.0). Nobody stands there for longer than courtesy, or for a moment where this process shares the lock already,
// and may be what is waited for.
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
	if turn == nil {
		return take(path, true, 0)
	}
	// Those who went past because it took too long are many: now and then they stand once more.
	renewing := time.NewTicker(3 * courtesy)
	over := make(chan struct{})
	var renewed sync.WaitGroup
	renewed.Go(func() {
		for {
			select {
			case <-renewing.C:
				turn.begin()
			case <-over:
				return
			}
		}
	})
	l, err := take(path, true, 0)
	renewing.Stop()
	close(over)
	renewed.Wait()
	turn.Unlock()
	return l, err
}

func turnOf(path string) string { return filepath.Join(filepath.Dir(path), "turn.lock") }

// begin has courtesy begin now.
func (l *Lock) begin() { _ = unix.Futimes(int(l.file.Fd()), nil) }

// courtesyLeft tells how long who has the turn is still waited for.
func courtesyLeft(turn string) time.Duration {
	var st unix.Stat_t
	if unix.Stat(turn, &st) != nil {
		return 0
	}
	ago := time.Since(time.Unix(st.Mtim.Unix()))
	if ago < 0 { // by another clock
		return 0
	}
	return courtesy - ago
}

// goPast waits until nobody has the turn. It costs one call where nobody ever had it, three where nobody has.
func goPast(turn string, patience time.Duration) {
	fd, err := unix.Open(turn, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	err = flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	unix.Close(fd)
	if err != unix.EWOULDBLOCK {
		return
	}
	for until := time.Now().Add(patience); ; {
		left := min(courtesyLeft(turn), time.Until(until))
		if left <= 0 {
			return
		}
		select {
		case <-passers.join(turn):
			return
		case <-time.After(left):
		}
	}
}

// takeTurn gives the turn; nil where it can not be had: then it only takes longer.
func takeTurn(turn string) *Lock {
	fd, err := openLock(turn)
	if err != nil {
		return nil
	}
	l := &Lock{file: os.NewFile(uintptr(fd), turn)}
	if err = flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		got := make(chan struct{})
		go func() {
			err = flock(fd, unix.LOCK_EX)
			close(got)
		}()
		for begun, waiting := time.Now(), true; waiting; {
			// Those who go past have it for a moment, too.
			left := max(courtesyLeft(turn), time.Until(begun.Add(moment)))
			if left <= 0 {
				go func() { // flock(2) can not be called off
					<-got
					l.Unlock()
				}()
				return nil
			}
			select {
			case <-got:
				waiting = false
			case <-time.After(left):
			}
		}
	}
	if err != nil {
		l.Unlock()
		return nil
	}
	l.begin()
	return l
}

// passers are those of this process who wait to go past, by turn. They do it together: to wait takes a thread
// and a descriptor, which who goes away leaves waiting.
var passers together

type together struct {
	mu sync.Mutex
	at map[string]chan struct{}
}

// join gives what is closed when nobody has the turn.
func (t *together) join(turn string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if past, ok := t.at[turn]; ok {
		return past
	}
	if t.at == nil {
		t.at = map[string]chan struct{}{}
	}
	past := make(chan struct{})
	t.at[turn] = past
	go func() {
		if fd, err := unix.Open(turn, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err == nil {
			_ = flock(fd, unix.LOCK_SH)
			unix.Close(fd)
		}
		t.mu.Lock()
		delete(t.at, turn)
		t.mu.Unlock()
		close(past)
	}()
	return past
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
