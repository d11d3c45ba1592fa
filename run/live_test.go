package run

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/storage/working"
)

// TestLateExec: somebody asks for a process just when the run ends and the container is put away for the
// next one. He is told that it has gone; the monitor lives on.
func TestLateExec(t *testing.T) {
	dir := t.TempDir()
	e, err := (record.Book{Dir: filepath.Join(dir, "containers")}).Create(record.Container{ID: record.NewID(), Name: "late"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := &container{entry: e, box: new(sandbox.Container), work: &working.Work{Dir: e.Dir()}, o: Options{Dir: dir}}
	if err := os.MkdirAll(c.work.Merged(), 0o700); err != nil {
		t.Fatal(err)
	}
	p := &post{dismissed: make(chan struct{})}
	p.set(c.live())
	h := &held{p: p}
	var wg sync.WaitGroup
	for range 4 {
		l := p.current()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				if _, err := h.join(l, monitor.Exec{Args: []string{"true"}}, [3]*os.File{}, 0, 0); !errors.Is(err, os.ErrProcessDone) {
					t.Errorf("got %v", err)
					return
				}
			}
		}()
	}
	// What rest does, beside them.
	p.set(nil)
	c.box, c.work, c.owners = nil, nil, nil
	c.entry.Name, c.w.Limits.PidsLimit, c.w.Args = "renamed", 7, []string{"other"}
	wg.Wait()
	if _, err := h.Exec(t.Context(), monitor.Exec{}, [3]*os.File{}, 0, 0); err == nil || errors.Is(err, os.ErrProcessDone) {
		t.Errorf("between two runs: %v", err)
	}
}

// TestReusedMonitor: a process that was given the number of a monitor that is gone is not killed for it.
func TestReusedMonitor(t *testing.T) {
	dir := t.TempDir()
	b := record.Book{Dir: filepath.Join(dir, "containers")}
	e, err := b.Create(record.Container{ID: record.NewID(), Name: "reused"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() // its lock is held, as by a monitor that does not answer
	other := exec.Command("sleep", "100")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	start, err := record.StartTime(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	kill := func(at uint64) {
		t.Helper()
		if err := e.SetState(record.State{Status: record.Running, Pid: 1, StartTime: 1, Monitor: other.Process.Pid, MonitorStart: at}); err != nil {
			t.Fatal(err)
		}
		f, err := b.Find("reused")
		if err == nil {
			err = killMonitor(b, f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	kill(start - 1)
	if now, err := record.StartTime(other.Process.Pid); err != nil || now != start {
		t.Fatalf("it was killed (%v)", err)
	}
	kill(start)
	if err := other.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("a monitor with its own number: %v", err)
	}
}
