package record

import (
	"context"
	"testing"
	"time"
)

// Whoever waits gets the status of the run that he has seen, also when the next one goes on.
func TestTurns(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	e, err := b.Create(Container{ID: NewID(), Name: "web", Restart: Restart{Name: RestartAlways}})
	if err != nil {
		t.Fatal(err)
	}
	var turns [4]*Turn
	begin := func(n int, status Status) Found {
		t.Helper()
		if turns[n], err = e.NewTurn(n); err == nil {
			err = e.SetState(State{Status: status, Restarts: n})
		}
		f, ferr := b.Find("web")
		if err != nil || ferr != nil {
			t.Fatal(err, ferr)
		}
		return f
	}
	wait := func(f Found) chan int {
		got := make(chan int, 1)
		go func() {
			status, err := b.Wait(context.Background(), f)
			if err != nil {
				t.Error(err)
			}
			got <- status
		}()
		time.Sleep(20 * time.Millisecond)
		return got
	}
	expect := func(got chan int, want int) {
		t.Helper()
		select {
		case status := <-got:
			if status != want {
				t.Errorf("got %d, want %d", status, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("nothing came, want %d", want)
		}
	}
	first := begin(0, Running)
	waiting := wait(first)
	second := begin(1, Restarting)
	if err := turns[0].End(3); err != nil {
		t.Fatal(err)
	}
	expect(waiting, 3)
	expect(wait(first), 3) // who comes late, too
	waiting = wait(second)
	select {
	case status := <-waiting:
		t.Fatalf("the run that is awaited has ended with %d", status)
	case <-time.After(50 * time.Millisecond):
	}
	begin(2, Restarting)
	if err := turns[1].End(4); err != nil {
		t.Fatal(err)
	}
	expect(waiting, 4)
	// The monitor is killed: its locks go, and what it has not said is 137.
	third, err := b.Find("web")
	if err != nil {
		t.Fatal(err)
	}
	waiting = wait(third)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := turns[2].lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	expect(waiting, 137)
	if f, err := b.Find("web"); err != nil || f.State.Status != Exited {
		t.Errorf("%+v, %v", f.State, err)
	}
}
