package record

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A removal frees its name only under the lock of the names: who wants the name may have found the
// directory gone, and is replacing the link.
func TestRemoveWaitsForTheNames(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	old := create(t, b, "web")
	lock, err := b.lockNames()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	removed := make(chan error, 1)
	go func() { removed <- old.Remove() }()
	select {
	case err := <-removed:
		t.Errorf("removed while another one had the names: %v", err)
		return
	case <-time.After(100 * time.Millisecond):
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(b.Dir, "names", "web")); err == nil {
		t.Error("the name is left")
	}
}

// A sweep took the directory of a creation just before its lock; that made it again and has its name.
func TestSweptCreationKeepsItsName(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	e := create(t, b, "web")
	defer e.Close()
	if err := os.Mkdir(filepath.Join(b.Dir, gone+e.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	if all, err := b.List(); err != nil || len(all) != 1 {
		t.Errorf("listed %v, %v", all, err)
	}
	if f, err := b.Find("web"); err != nil || f.ID != e.ID {
		t.Errorf("the name leads to %q, %v", f.ID, err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.Dir, gone+"*")); len(left) != 0 {
		t.Errorf("the sweep was not completed: %q", left)
	}
}

// Many make and remove containers of one name while others list: who has the name keeps it.
func TestNameKeptWhileOthersRemoveAndList(t *testing.T) {
	b := Book{Dir: t.TempDir()}
	end := time.Now().Add(2500 * time.Millisecond)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				e, err := b.Create(Container{ID: NewID(), Name: "web"})
				if errors.Is(err, ErrNameTaken) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if f, err := b.Find("web"); err != nil || f.ID != e.ID {
					t.Errorf("the name of %.12s leads to %q, %v", e.ID, f.ID, err)
				}
				if err := e.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 1 {
		all.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				if _, err := b.List(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	left, _ := filepath.Glob(filepath.Join(b.Dir, "names", "[^.]*"))
	if len(left) != 0 {
		t.Errorf("names are left: %q", left)
	}
}
