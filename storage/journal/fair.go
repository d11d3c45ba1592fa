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
// 5.0). Who shares stands there no longer than courtesy, and for a moment where this process shares the lock
// already, and may be what is waited for. Who wants it alone goes on to wait for the lock itself when courtesy is over.
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
	turn := turnOf(path)
	if nobodyAt(turn) {
		if l, err := take(path, true, unix.LOCK_NB); l != nil || err != nil {
			return l, err
		}
	}
	w := standAt(turn)
	l, err := take(path, true, 0)
	w.leave()
	return l, err
}

func turnOf(path string) string { return filepath.Join(filepath.Dir(path), "turn.lock") }

// waited tells for how long who has the turn is waited for by now. He tells it by the file's time.
func waited(turn string) time.Duration {
	var st unix.Stat_t
	if unix.Stat(turn, &st) == nil {
		if ago := time.Since(time.Unix(st.Mtim.Unix())); ago >= 0 {
			return ago
		}
	}
	return 3 * courtesy // or by another clock
}

// nobodyAt tells whether nobody has the turn. It costs one call where nobody ever had it, three where nobody has.
func nobodyAt(turn string) bool {
	fd, err := unix.Open(turn, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	return flock(fd, unix.LOCK_SH|unix.LOCK_NB) != unix.EWOULDBLOCK
}

// goPast waits until nobody has the turn.
func goPast(turn string, patience time.Duration) {
	if nobodyAt(turn) {
		return
	}
	for until := time.Now().Add(patience); ; {
		left := min(courtesy-waited(turn), time.Until(until))
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

// stander waits for a lock that he wants alone, at its turn or behind it.
type stander struct {
	turn *Lock
	got  chan struct{} // closed when flock(2) has come back: the turn is his, unless it failed
	over chan struct{}
	told sync.WaitGroup
}

// standAt waits for the turn until courtesy for who has it is over; who waits on gets it all the same when it comes
// to him. nil where there can be no turn: it may take longer then.
func standAt(turn string) *stander {
	fd, err := openLock(turn)
	if err != nil {
		return nil
	}
	w := &stander{turn: &Lock{file: os.NewFile(uintptr(fd), turn)}, got: make(chan struct{}), over: make(chan struct{})}
	if flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		close(w.got)
	} else {
		go func() {
			_ = flock(fd, unix.LOCK_EX)
			close(w.got)
		}()
	}
	for begun, waiting := time.Now(), true; waiting; {
		// Those who go past have it for a moment, too.
		left := max(courtesy-waited(turn), time.Until(begun.Add(moment)))
		select {
		case <-w.got:
			w.begin()
			waiting = false
		case <-time.After(left):
			waiting = left > 0
		}
	}
	w.told.Go(func() { w.tell(turn) })
	return w
}

// begin has courtesy begin now.
func (w *stander) begin() { _ = unix.Futimes(int(w.turn.file.Fd()), nil) }

// tell begins courtesy again when it has been over for long: those who go past then, because it took too long, are
// many. That somebody waits for the lock counts, not who of them has the turn: he may be stopped.
func (w *stander) tell(turn string) {
	look := time.NewTicker(courtesy)
	defer look.Stop()
	for got := w.got; ; {
		select {
		case <-got:
			got = nil
			if waited(turn) >= courtesy {
				w.begin()
			}
		case <-look.C:
			if waited(turn) >= 3*courtesy {
				w.begin()
			}
		case <-w.over:
			return
		}
	}
}

// leave gives the turn back.
func (w *stander) leave() {
	if w == nil {
		return
	}
	close(w.over)
	w.told.Wait()
	select {
	case <-w.got:
		w.turn.Unlock()
	default:
		go func() { // flock(2) can not be called off
			<-w.got
			w.turn.Unlock()
		}()
	}
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
