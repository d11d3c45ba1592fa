package journal

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Who waits for the lock alone gets it although others share it all the time.
func TestFair(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := TakeShared(path)
	if err != nil {
		t.Fatal(err)
	}
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
				l, err := TakeShared(path)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(10 * time.Millisecond)
				l.Unlock()
			}
		})
	}
	got := make(chan error)
	go func() {
		l, err := TakeExclusive(path)
		got <- errors.Join(err, l.Unlock())
	}()
	time.Sleep(50 * time.Millisecond)
	first.Unlock()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(courtesy):
		t.Error("those who share keep it from who wants it alone")
	}
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
	got := make(chan error)
	go func() {
		l, err := TakeExclusive(path)
		got <- errors.Join(err, l.Unlock())
	}()
	for !somebodyWaits(turnOf(path)) {
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
	if somebodyWaits(turnOf(path)) {
		t.Error("nobody waits any more")
	}
}
