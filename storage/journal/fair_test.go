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
	got := make(chan error)
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

func soon(t *testing.T, got <-chan error, otherwise string) {
	t.Helper()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(courtesy):
		t.Error(otherwise)
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
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				goPast(turnOf(path), courtesy) // as another process does
				l, err := take(path, false, 0)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(10 * time.Millisecond)
				l.Unlock()
			}
		})
	}
	got := alone(path)
	time.Sleep(50 * time.Millisecond)
	first.Unlock()
	soon(t, got, "those who share keep it from who wants it alone")
	close(stop)
	all.Wait()
}

// Who waits for a holder that goes on for ever does not keep the others waiting as long.
func TestFairForAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stuck, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	got := alone(path)
	for !taken(path) {
		time.Sleep(time.Millisecond)
	}
	long := time.Now().Add(-courtesy)
	if err := os.Chtimes(turnOf(path), long, long); err != nil {
		t.Fatal(err)
	}
	l, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Unlock(), stuck.Unlock(), <-got); err != nil {
		t.Error(err)
	}
	if taken(path) {
		t.Error("nobody waits any more")
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
	if took := time.Since(begin); took >= courtesy { // it is served when it is its turn
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

// Who waits and is stopped keeps neither those who share it nor those who want it alone.
func TestFairBesideStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stopped, err := take(turnOf(path), true, 0) // all that he holds
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Unlock()
	long := time.Now().Add(-courtesy)
	if err := os.Chtimes(turnOf(path), long, long); err != nil {
		t.Fatal(err)
	}
	shared, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
	got := alone(path)
	time.Sleep(20 * time.Millisecond)
	shared.Unlock()
	soon(t, got, "he waits for the one who is stopped")
}

// Who waits beside one who does not get on leaves nothing behind, however often he asks, and waits once.
func TestFairLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stuck, err := take(path, false, 0) // as another process does
	if err != nil {
		t.Fatal(err)
	}
	var waiting []<-chan error
	for range 3 {
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
	if took := time.Since(begin); took >= 2*courtesy {
		t.Errorf("it took %v", took)
	}
	if now := openFiles(t); now > before+len(waiting) { // of one for all, and of those who left the turn to wait for the lock
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

// Those who went past one who waits for long stand once more: else he would wait for ever.
func TestFairAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	slow, err := take(path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := alone(path)
	for !taken(path) {
		time.Sleep(time.Millisecond)
	}
	long := time.Now().Add(-courtesy)
	if err := os.Chtimes(turnOf(path), long, long); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			time.Sleep(time.Duration(i) * 10 * time.Millisecond)
			for {
				select {
				case <-stop:
					return
				default:
				}
				goPast(turnOf(path), courtesy) // as another process does
				l, err := take(path, false, 0)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(40 * time.Millisecond)
				l.Unlock()
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	slow.Unlock()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * courtesy):
		t.Error("those who went past keep him for ever")
	}
	close(stop)
	all.Wait()
	if t.Failed() {
		<-got
	}
}
