package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

type doc struct {
	Names []string       `json:"names"`
	Count map[string]int `json:"count"`
}

func TestUpdate(t *testing.T) {
	f := File[doc]{Path: filepath.Join(t.TempDir(), "r.json"), Version: 2, Durable: true}
	if d, err := f.Read(); err != nil || !reflect.DeepEqual(d, doc{}) {
		t.Fatalf("no record: %+v %v", d, err)
	}
	stop := errors.New("no")
	if err := f.Update(func(d *doc) error { d.Names = []string{"x"}; return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if d, _ := f.Read(); d.Names != nil {
		t.Error("a refused change was written")
	}
	// Many writers: none is lost.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				if err := f.Update(func(d *doc) error {
					if d.Count == nil {
						d.Count = map[string]int{}
					}
					d.Count[fmt.Sprint(i)]++
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	d, err := f.Read()
	if err != nil || len(d.Count) != 8 {
		t.Fatalf("%+v %v", d, err)
	}
	for k, n := range d.Count {
		if n != 10 {
			t.Errorf("%s counts %d", k, n)
		}
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if err := f.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(f.Path)); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := File[doc]{Path: path, Version: 2}
	write(`{"version":3,"data":{}}`)
	if _, err := f.Read(); !errors.Is(err, ErrNewer) {
		t.Errorf("newer: %v", err)
	}
	if err := f.Update(func(*doc) error { return nil }); !errors.Is(err, ErrNewer) {
		t.Errorf("newer, updated: %v", err)
	}
	write(`{"version":1,"data":["a"]}`)
	if _, err := f.Read(); err == nil {
		t.Error("an old record was read without an upgrade")
	}
	f.Upgrade = func(v int, data json.RawMessage) (d doc, err error) { return d, json.Unmarshal(data, &d.Names) }
	if d, err := f.Read(); err != nil || len(d.Names) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	f.Lossy = true
	write("")
	if d, err := f.Read(); err != nil || d.Names != nil {
		t.Errorf("an empty one that may be lost: %+v %v", d, err)
	}
	write(`{"version":3,"data":{}}`)
	if _, err := f.Read(); !errors.Is(err, ErrNewer) {
		t.Errorf("newer, not lost: %v", err)
	}
	f.Lossy = false
	for _, bad := range []string{"", "{", `{"data":{}}`, `{"version":-1,"data":[]}`, `{"version":2,"data":[]}`, "null"} {
		write(bad)
		if _, err := f.Read(); err == nil {
			t.Errorf("read %q", bad)
		}
	}
}

func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	one, err := TakeLock(path, false)
	if err != nil {
		t.Fatal(err)
	}
	two, err := TryLock(path, false)
	if err != nil || two == nil {
		t.Fatalf("two readers: %v %v", two, err)
	}
	if w, err := TryLock(path, true); w != nil || err != nil {
		t.Errorf("a writer beside readers: %v %v", w, err)
	}
	if err := errors.Join(one.Unlock(), two.Unlock(), two.Unlock()); err != nil {
		t.Error(err)
	}
	w, err := TryLock(path, true)
	if err != nil || w == nil {
		t.Fatalf("%v %v", w, err)
	}
	// The holder removes the file: who waited for it must get a lock on the new one.
	got := make(chan *Lock)
	go func() { l, _ := TakeLock(path, true); got <- l }()
	if err := errors.Join(os.Remove(path), w.Unlock()); err != nil {
		t.Fatal(err)
	}
	l := <-got
	if other, _ := TryLock(path, true); other != nil {
		t.Error("two hold the lock")
	}
	l.Unlock()
	if err := os.Symlink("elsewhere", path+"2"); err != nil {
		t.Fatal(err)
	}
	if _, err := TakeLock(path+"2", true); err == nil {
		t.Error("a lock through a symlink")
	}
}

// FuzzRecord: whatever a file holds, reading it gives an error or a record that survives writing.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{`{"version":1,"data":{"names":["a"],"count":{"x":1}}}`, `{}`, `[]`, `{"version":1e99}`, `{"version":1,"data":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := File[doc]{Version: 1}
		d, err := r.parse(data)
		if err != nil {
			if !reflect.DeepEqual(d, doc{}) {
				t.Errorf("an error and %+v", d)
			}
			return
		}
		again, err := r.format(d)
		if err != nil {
			t.Fatal(err)
		}
		d2, err := r.parse(again)
		if err != nil || !reflect.DeepEqual(d, d2) {
			t.Errorf("%+v became %+v, %v", d, d2, err)
		}
	})
}

// A flush that fails after the rename leaves the next writer its temporary file.
func TestReplaceLeavesTheNextWriterAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	next := filepath.Join(filepath.Dir(path), ".new-record")
	syncReplaced = func(string) error { return errors.Join(os.WriteFile(next, nil, 0o600), unix.EIO) }
	t.Cleanup(func() { syncReplaced = SyncDir })
	if err := Replace(path, []byte("x"), 0o600, true); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
	if _, err := os.Lstat(next); err != nil {
		t.Error(err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for size, most := range map[int]int64{0: Whole, 1: Whole, 4096: Whole, 100000: 10, 10: 10, 11: 10, 9: 10} {
		text := strings.Repeat("x", size)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path, most)
		if want := text[:min(int64(size), most)]; err != nil || string(got) != want {
			t.Errorf("%d bytes of %d: %d, %v", most, size, len(got), err)
		}
	}
	// The kernel gives the size of what it makes up as 0.
	if got, err := ReadFile("/proc/self/status", Whole); err != nil || !strings.HasSuffix(string(got), "\n") || len(got) < 500 {
		t.Errorf("%q %v", got, err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none"), Whole); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadFile(dir, Whole); !errors.Is(err, unix.EISDIR) {
		t.Error(err)
	}
}
