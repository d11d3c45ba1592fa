package journal

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// alone takes the lock alone and gives it back.
func alone(path string) <-chan error {
	got := make(chan error, 1)
	go func() {
		l, err := TakeExclusive(path)
		got <- errors.Join(err, l.Unlock())
	}()
	return got
}

// taken tells whether somebody has the turn.
func taken(path string) bool {
	l, err := TryLock(turnOf(path), true)
	l.Unlock()
	return err == nil && l == nil
}

// soon and late fail when what is awaited does not come within a courtesy, or within seven.
func soon(t *testing.T, got <-chan error, otherwise string) {
	t.Helper()
	within(t, courtesy, got, otherwise)
}

func late(t *testing.T, got <-chan error, otherwise string) {
	t.Helper()
	within(t, 7*courtesy, got, otherwise)
}

func within(t *testing.T, long time.Duration, got <-chan error, otherwise string) {
	t.Helper()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(long):
		t.Error(otherwise)
	}
}

// sharing has others share the lock all the time, as other processes do, until the end.
func sharing(t *testing.T, path string, many int, hold time.Duration) {
	t.Helper()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			time.Sleep(time.Duration(i) * hold / time.Duration(many))
			for {
				select {
				case <-stop:
					return
				default:
				}
				goPast(turnOf(path), courtesy)
				l, err := take(path, false, 0)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(hold)
				l.Unlock()
			}
		})
	}
	t.Cleanup(func() {
		close(stop)
		all.Wait()
	})
}

// age makes whoever has the turn one who has it for so long.
func age(t *testing.T, path string, long time.Duration) {
	t.Helper()
	for !taken(path) || waited(turnOf(path)) >= courtesy {
		time.Sleep(time.Millisecond) // he has not told yet that he has it
	}
	at := time.Now().Add(-long)
	if err := os.Chtimes(turnOf(path), at, at); err != nil {
		t.Fatal(err)
	}
}

// Who waits for the lock alone gets it although others share it all the time.
func TestFair(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Unlock()
	if _, err := os.Stat(turnOf(path)); !os.IsNotExist(err) {
		t.Error("a turn where nobody waits: ", err)
	}
	sharing(t, path, 8, 10*time.Millisecond)
	got := alone(path)
	time.Sleep(50 * time.Millisecond)
	first.Unlock()
	soon(t, got, "those who share keep it from who wants it alone")
}

// Who waits for a holder that goes on for ever does not keep the others waiting as long.
func TestFairForAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stuck, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	got := alone(path)
	age(t, path, courtesy)
	l, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Unlock(), stuck.Unlock(), <-got); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(courtesy); taken(path); time.Sleep(time.Millisecond) { // one may be going past
		if time.Now().After(end) {
			t.Fatal("nobody waits any more")
		}
	}
}

// Who comes to share the lock is not kept for ever by those who want it alone, one after the other.
func TestFairToSharers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l, err := TakeExclusive(path)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(20 * time.Millisecond)
				l.Unlock()
			}
		})
	}
	for !taken(path) {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	l, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 2*courtesy {
		t.Errorf("it took %v", took)
	}
	// Nor does who has it wait for one that waits for him.
	for !taken(path) {
		time.Sleep(time.Millisecond)
	}
	begin = time.Now()
	again, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > courtesy/2 {
		t.Errorf("one more takes %v", took)
	}
	close(stop)
	if err := errors.Join(again.Unlock(), l.Unlock()); err != nil {
		t.Error(err)
	}
	all.Wait()
}

// Who waits and is stopped keeps neither those who share it nor those who want it alone, nor does he open the
// way for ever new ones who share it.
func TestFairBesideStopped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	stopped, err := take(turnOf(path), true, 0) // all that he holds
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Unlock()
	age(t, path, 3*courtesy)
	shared, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	got := alone(path)
	time.Sleep(20 * time.Millisecond)
	shared.Unlock()
	soon(t, got, "he waits for the one who is stopped")
	sharing(t, path, 4, 40*time.Millisecond)
	late(t, alone(path), "those who share keep it from who comes behind one who is stopped")
}

// Those who went past one who waits for long stand once more: else he would wait for ever.
func TestFairAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	slow, err := take(path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := alone(path)
	age(t, path, courtesy)
	sharing(t, path, 4, 40*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	slow.Unlock()
	late(t, got, "those who went past keep him for ever")
}

// Who left the turn to wait for the lock has it when the one who had it is gone.
func TestFairHandedOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	slow, err := take(path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	first, err := take(turnOf(path), true, 0)
	if err != nil {
		t.Fatal(err)
	}
	age(t, path, courtesy)
	got := alone(path)
	time.Sleep(3 * moment) // he waits for the lock by now
	first.Unlock()
	sharing(t, path, 4, 40*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	slow.Unlock()
	soon(t, got, "the turn is nobody's")
}

// Who waits beside one who does not get on leaves nothing behind, however often he asks, and waits once.
func TestFairLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stuck, err := take(path, false, 0) // as another process does
	if err != nil {
		t.Fatal(err)
	}
	const writers = 3
	var waiting []<-chan error
	for range writers {
		waiting = append(waiting, alone(path))
	}
	for !taken(path) {
		time.Sleep(time.Millisecond)
	}
	before, begin := openFiles(t), time.Now()
	for range 200 {
		l, err := TakeShared(path)
		if err != nil {
			t.Fatal(err)
		}
		l.Unlock()
	}
	if took := time.Since(begin); took >= 3*courtesy {
		t.Errorf("it took %v", took)
	}
	// One for all who share; those who want it alone have two.
	if now := openFiles(t); now > before+1+2*writers {
		t.Errorf("%d files are open, before %d", now, before)
	}
	stuck.Unlock()
	for _, w := range waiting {
		if err := <-w; err != nil {
			t.Error(err)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
