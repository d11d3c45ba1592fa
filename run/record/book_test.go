package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/storage/journal"
)

func create(t *testing.T, b Book, name string) *Entry {
	t.Helper()
	e, err := b.Create(Container{ID: NewID(), Name: name, Created: time.Now(), Image: "busybox"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLife(t *testing.T) {
	b := Book{Dir: filepath.Join(t.TempDir(), "containers")}
	if all, err := b.List(); err != nil || len(all) != 0 {
		t.Fatalf("before the first: %v, %v", all, err)
	}
	e := create(t, b, "web")
	if err := e.SetState(State{Status: Running, Pid: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"web", "/web", e.ID, e.ID[:12], e.ID[:4]} {
		if f, err := b.Find(name); err != nil || f.ID != e.ID || f.State.Status != Running {
			t.Errorf("finding %q: %+v, %v", name, f.State, err)
		}
	}
	if _, err := b.Take(e.ID); !errors.Is(err, ErrRunning) {
		t.Errorf("taking a running container: %v", err)
	}
	if err := e.SetState(State{Status: Exited, ExitCode: 3}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Find("web"); err != nil || f.State.ExitCode != 3 || f.Image != "busybox" {
		t.Errorf("after the end: %+v, %v", f, err)
	}
	taken, err := b.Take(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Find("web"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after its removal: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(b.Dir, "*"))
	names, _ := filepath.Glob(filepath.Join(b.Dir, "names", "[^.]*"))
	if len(left) != 1 || len(names) != 0 {
		t.Errorf("left behind: %q %q", left, names)
	}
}

// The monitor was killed: its lock is free, and the state it left says "running".
func TestKilledMonitor(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	e := create(t, b, "")
	if err := e.SetState(State{Status: Running, Started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := b.Find(e.Name)
	if err != nil || f.State.Status != Exited || f.State.ExitCode != 137 {
		t.Errorf("got %+v, %v", f.State, err)
	}
}

func TestNames(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	e := create(t, b, "web")
	if _, err := b.Create(Container{ID: NewID(), Name: "web"}); !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), e.ID) {
		t.Errorf("a taken name: %v", err)
	}
	if dirs, _ := filepath.Glob(filepath.Join(b.Dir, "*")); len(dirs) != 2 { // the first, and names
		t.Errorf("the refused container left something: %q", dirs)
	}
	// A removal that was cut short leaves the link.
	if err := os.RemoveAll(e.Dir()); err != nil {
		t.Fatal(err)
	}
	if again, err := b.Create(Container{ID: NewID(), Name: "web"}); err != nil {
		t.Errorf("a name whose container is gone: %v", err)
	} else if f, err := b.Find("web"); err != nil || f.ID != again.ID {
		t.Errorf("it names %s, %v", f.ID, err)
	}
	for _, bad := range []string{"../x", "a/b", ".", "..", "a", "-x", "_x", "a b", "ü1", "a\x00b", strings.Repeat("a", 5000), "\u202eabc"} {
		if _, err := b.Create(Container{ID: NewID(), Name: bad}); err == nil {
			t.Errorf("%q was taken for a name", bad)
		}
	}
	seen := map[string]bool{}
	for range 50 {
		e := create(t, b, "")
		if seen[e.Name] || CheckName(e.Name) != nil {
			t.Errorf("random name %q", e.Name)
		}
		seen[e.Name] = true
	}
}

// Many at once take one name: one wins.
func TestNameRace(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	var wg sync.WaitGroup
	won := make(chan string, 50)
	for range 50 {
		wg.Go(func() {
			if e, err := b.Create(Container{ID: NewID(), Name: "one"}); err == nil {
				won <- e.ID
			} else if !errors.Is(err, ErrNameTaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d won", len(won))
	}
	if f, err := b.Find("one"); err != nil || f.ID != <-won {
		t.Errorf("the name leads to %s, %v", f.ID, err)
	}
}

// Many at once meet a link whose container is gone: one wins, whoever cleared it away.
func TestStaleNameRace(t *testing.T) {
	for range 30 {
		b := Book{Dir: t.TempDir()}
		if err := os.Mkdir(filepath.Join(b.Dir, "names"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(NewID(), filepath.Join(b.Dir, "names", "one")); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		won := make(chan string, 50)
		for range 20 {
			wg.Go(func() {
				e, err := b.Create(Container{ID: NewID(), Name: "one"})
				if err == nil {
					won <- e.ID
				} else if !errors.Is(err, ErrNameTaken) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d won", len(won))
		}
		if f, err := b.Find("one"); err != nil || f.ID != <-won {
			t.Errorf("the name leads to %s, %v", f.ID, err)
		}
	}
}

// A creation that was killed: before its lock, before its config, and one still on its way.
func TestHalfCreated(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	bare, named, locked := NewID(), NewID(), NewID()
	for _, id := range []string{bare, named, locked} {
		if err := os.Mkdir(filepath.Join(b.Dir, id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := journal.TakeLock(filepath.Join(b.Dir, locked, "lock"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	link := filepath.Join(b.Dir, "names", "one")
	if err := errors.Join(os.Mkdir(filepath.Dir(link), 0o700), os.Symlink(named, link), os.Mkdir(filepath.Join(b.Dir, gone+NewID()), 0o700)); err != nil {
		t.Fatal(err)
	}
	if all, err := b.List(); err != nil || len(all) != 0 {
		t.Errorf("listed %v, %v", all, err)
	}
	for id, want := range map[string]bool{bare: false, named: false, locked: true} {
		if _, err := os.Stat(filepath.Join(b.Dir, id)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", id, err, want)
		}
	}
	if _, err := os.Lstat(link); err == nil {
		t.Error("the name is left")
	}
	if left, _ := filepath.Glob(filepath.Join(b.Dir, ".gone-*")); len(left) != 0 {
		t.Errorf("a removal was not completed: %q", left)
	}
}

// Who lists takes nothing away from those who create meanwhile.
func TestCreateWhileOthersList(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	stop := make(chan struct{})
	var listing, creating sync.WaitGroup
	listing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := b.List(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 4 {
		creating.Go(func() {
			for range 50 {
				e, err := b.Create(Container{ID: NewID()})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(filepath.Join(e.Dir(), "config.json")); err != nil {
					t.Error(err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	creating.Wait()
	close(stop)
	listing.Wait()
	if all, err := b.List(); err != nil || len(all) != 200 {
		t.Errorf("listed %d, %v", len(all), err)
	}
}

// One broken record must not hide the others nor be in their way, and can be removed. After a power cut
// it may be empty.
func TestBrokenRecord(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	good, bad := create(t, b, "good"), create(t, b, "bad")
	for _, e := range []*Entry{good, bad} {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state.json", "config.json"} {
		for _, content := range []string{"", "{", `{"version":1}`, "null", "\x00\x00"} {
			if err := os.WriteFile(filepath.Join(bad.Dir(), name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			all, err := b.List()
			if len(all) != 2 || err != nil {
				t.Errorf("with %s %q: listed %d, %v", name, content, len(all), err)
			}
			if f, err := b.Find(bad.ID); err != nil || f.ID != bad.ID || f.State.Status != Exited || f.State.Error == "" {
				t.Errorf("with %s %q: found %+v, %v", name, content, f, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(bad.Dir(), "config.json"), []byte(`{"version":9,"data":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := b.List(); len(all) != 1 || all[0].ID != good.ID || !errors.Is(err, journal.ErrNewer) {
		t.Errorf("with a newer record: listed %d, %v", len(all), err)
	}
	e, err := b.Take(bad.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(); err != nil {
		t.Error(err)
	}
}

func TestStartTime(t *testing.T) {
	start, err := StartTime(os.Getpid())
	if err != nil || start == 0 {
		t.Fatal(start, err)
	}
	if !(State{Pid: os.Getpid(), StartTime: start}).Alive() {
		t.Error("this process does not live")
	}
	if (State{Pid: os.Getpid(), StartTime: start + 1}).Alive() {
		t.Error("a reused pid passes for the container's")
	}
}

func TestNewID(t *testing.T) {
	for range 1000 {
		if id := NewID(); !isID(id) || strings.Trim(id[:12], "0123456789") == "" {
			t.Fatalf("%q", id)
		}
	}
}
