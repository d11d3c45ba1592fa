package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/storage/journal"
)

const (
	keyA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	keyB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// fakeStore stands in for the image store.
type fakeStore struct {
	dir string
	mu  sync.Mutex
	pin map[string]string
	// full is what keeping a layer fails with.
	full error
}

func (s *fakeStore) Pin(id, owner string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin[owner] = id
	return nil
}

func (s *fakeStore) UnpinOwner(owner string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.pin[owner]
	if !ok {
		return nil
	}
	delete(s.pin, owner)
	return os.RemoveAll(filepath.Join(s.dir, id))
}

func (s *fakeStore) PinOwners(prefix string) (owners []string, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.pin {
		if strings.HasPrefix(o, prefix) {
			owners = append(owners, o)
		}
	}
	return owners, nil
}

func (s *fakeStore) Hold(id string) (string, error) {
	dir, err := s.LayerDir(id)
	if err != nil {
		return "", nil
	}
	return dir, s.full
}

func (s *fakeStore) LayerDir(id string) (string, error) {
	p := filepath.Join(s.dir, id)
	_, err := os.Stat(p)
	return p, err
}

func open(t *testing.T) (*Cache, *fakeStore) {
	t.Helper()
	s := &fakeStore{dir: t.TempDir(), pin: map[string]string{}}
	c, err := Open(filepath.Join(t.TempDir(), "cache"), s)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// make puts a layer with one file in the cache.
func put(t *testing.T, c *Cache, key, content string, fresh bool) *Layer {
	t.Helper()
	f, l, err := c.Make(context.Background(), key, "", fresh, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l != nil {
		t.Fatalf("the layer of %s is there already", key)
	}
	s, err := c.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := filepath.Join(s.Dir, "upper")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
	l, err = f.Keep(Made{Dir: dir, Name: "RUN x", Size: int64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func read(t *testing.T, l *Layer) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.Dir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKeepAndFind(t *testing.T) {
	c, _ := open(t)
	if l, err := c.Find(keyA, ""); l != nil || err != nil {
		t.Fatalf("found %v, %v in an empty cache", l, err)
	}
	l := put(t, c, keyA, "one", false)
	created := l.Created
	l.Release()
	l.Release()
	l, err := c.Find(keyA, "")
	if err != nil || l == nil {
		t.Fatalf("not found: %v", err)
	}
	if read(t, l) != "one" || !l.Created.Equal(created) || l.Name != "RUN x" {
		t.Errorf("found %+v", l.Record)
	}
	l.Release()
	list, err := c.Usage()
	if err != nil || len(list) != 1 || list[0].Uses != 2 || list[0].Size != 3 || list[0].InUse {
		t.Errorf("usage: %+v %v", list, err)
	}
	for _, bad := range []string{"", "x", "../" + keyA[3:], strings.ToUpper(keyA)} {
		if _, err := c.Find(bad, ""); err == nil {
			t.Errorf("key %q was taken", bad)
		}
	}
}

func TestOneMakerAtATime(t *testing.T) {
	c, _ := open(t)
	f, _, err := c.Make(context.Background(), keyA, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.Make(ctx, keyA, "", false, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second maker got in: %v", err)
	}
	done := make(chan string)
	go func() {
		_, l, err := c.Make(context.Background(), keyA, "", false, nil)
		if err != nil || l == nil {
			done <- "no layer"
			return
		}
		defer l.Release()
		done <- l.Name
	}()
	s, err := c.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, "u")
	os.Mkdir(dir, 0o755)
	l, err := f.Keep(Made{Dir: dir, Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if got := <-done; got != "first" {
		t.Errorf("the one who waited got %q", got)
	}
}

func TestFreshReplacesOrStaysApart(t *testing.T) {
	c, _ := open(t)
	put(t, c, keyA, "old", false).Release()
	put(t, c, keyA, "new", true).Release()
	l, _ := c.Find(keyA, "")
	if l == nil || read(t, l) != "new" {
		t.Fatal("a fresh layer did not replace the old one")
	}
	// Now it is in use: a fresh one must neither wait nor pull the tree away.
	l2 := put(t, c, keyA, "newer", true)
	if read(t, l) != "new" || read(t, l2) != "newer" {
		t.Error("layers in use were mixed up")
	}
	l2.Release()
	l.Release()
	list, err := c.Usage()
	if err != nil || len(list) != 1 {
		t.Errorf("a layer for one build stayed: %+v %v", list, err)
	}
}

func TestOnceIsNotFoundAgain(t *testing.T) {
	c, _ := open(t)
	f, _, err := c.Make(t.Context(), keyA, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := f.Keep(Made{Dir: dir, Name: "COPY . .", Once: true})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.Find(keyA, ""); found != nil || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	l.Release()
	if list, err := c.Usage(); err != nil || len(list) != 0 {
		t.Errorf("it stayed: %+v %v", list, err)
	}
	put(t, c, keyA, "next", false).Release() // nobody is in the way
}

func TestALayerCountsOnlyOnTheOneItWasMadeOn(t *testing.T) {
	c, _ := open(t)
	low := put(t, c, keyA, "low", false)
	on := func(below string) *Layer {
		f, l, err := c.Make(context.Background(), keyB, below, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if l != nil {
			return l
		}
		s, _ := c.Scratch()
		dir := filepath.Join(s.Dir, "u")
		os.Mkdir(dir, 0o755)
		os.WriteFile(filepath.Join(dir, "f"), []byte("on "+below), 0o644)
		if l, err = f.Keep(Made{Dir: dir, Name: "high"}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		return l
	}
	high := on(low.Serial)
	again := put(t, c, keyA, "low again", true)
	if again.Serial == low.Serial {
		t.Fatal("a layer made again has the serial of the old one")
	}
	if l, err := c.Find(keyB, again.Serial); l != nil || err != nil {
		t.Errorf("found a layer that was made on another one: %v", err)
	}
	// While the old one is in use the new one stands beside it, without waiting.
	other := on(again.Serial)
	if read(t, high) != "on "+low.Serial || read(t, other) != "on "+again.Serial {
		t.Error("layers on different ones were mixed up")
	}
	for _, l := range []*Layer{low, high, again, other} {
		l.Release()
	}
	on("other").Release()
	if l, _ := c.Find(keyB, "other"); l == nil {
		t.Error("an unused layer on another one was not replaced")
	} else {
		l.Release()
	}
}

// Who is killed while a layer moves leaves nothing that the next command does not clear away.
func TestMoveKilled(t *testing.T) {
	c, s := open(t)
	l := put(t, c, keyA, "x", false)
	var left string
	if err := l.Move("P", func(dir string) (string, error) {
		names, err := filepath.Glob(filepath.Join(c.Dir(), "tmp", "*"))
		if err != nil || len(names) != 1 {
			t.Errorf("locks: %v %v", names, err)
		} else {
			left = names[0]
		}
		return "L1", os.Rename(dir, filepath.Join(s.dir, "L1"))
	}); err != nil {
		t.Fatal(err)
	}
	l.Release()
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c.Dir(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); err == nil {
		t.Error("it is left: ", left)
	}
}

// What keeps a layer from being held is told: the layer is there, and to look for it again is for ever.
func TestHoldFails(t *testing.T) {
	c, s := open(t)
	l := put(t, c, keyA, "x", false)
	if err := l.Move("P", func(dir string) (string, error) {
		return "L1", os.Rename(dir, filepath.Join(s.dir, "L1"))
	}); err != nil {
		t.Fatal(err)
	}
	l.Release()
	s.full = errors.New("no room")
	if _, _, err := c.Make(context.Background(), keyA, "", false, nil); !errors.Is(err, s.full) {
		t.Errorf("got %v", err)
	}
}

func TestMoveIntoTheStore(t *testing.T) {
	c, s := open(t)
	l := put(t, c, keyA, "x", false)
	other, err := c.Find(keyA, "") // another process that uses it meanwhile
	if err != nil || other == nil {
		t.Fatal(err)
	}
	adopted := 0
	adopt := func(dir string) (string, error) {
		adopted++
		return "L1", os.Rename(dir, filepath.Join(s.dir, "L1"))
	}
	if err := l.Move("P", adopt); err != nil {
		t.Fatal(err)
	}
	if err := other.Move("P", adopt); err != nil {
		t.Fatal(err)
	}
	if adopted != 1 || other.StoreLayer != "L1" || other.StoreParent != "P" || read(t, l) != "x" || read(t, other) != "x" {
		t.Errorf("adopted %d times, record %+v", adopted, other.Record)
	}
	l.Release()
	other.Release()
	l, err = c.Find(keyA, "")
	if err != nil || l == nil || read(t, l) != "x" {
		t.Fatalf("lost after the move: %v", err)
	}
	if gone, err := c.Prune(PruneOptions{All: true}); err != nil || len(gone) != 0 {
		t.Errorf("pruned a layer in use: %v %v", gone, err)
	}
	l.Release()
	if gone, err := c.Prune(PruneOptions{All: true}); err != nil || len(gone) != 1 {
		t.Errorf("pruned %v %v", gone, err)
	}
	if len(s.pin) != 0 {
		t.Errorf("pins left: %v", s.pin)
	}
	// A layer that vanished from the store is a miss, not an error.
	l = put(t, c, keyB, "y", false)
	if err := l.Move("", adopt2(s)); err != nil {
		t.Fatal(err)
	}
	l.Release()
	os.RemoveAll(filepath.Join(s.dir, "L2"))
	if l, err := c.Find(keyB, ""); l != nil || err != nil {
		t.Errorf("found a layer the store lost: %v %v", l, err)
	}
}

// A layer that the store has already must stay readable for those who use it, and go with the last of
// them.
func TestADuplicateGoesWithItsLastUser(t *testing.T) {
	c, s := open(t)
	l := put(t, c, keyA, "same", false)
	other, err := c.Find(keyA, "")
	if other == nil || err != nil {
		t.Fatalf("%v %v", other, err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "L"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.Move("P", func(string) (string, error) { return "L", nil }); err != nil {
		t.Fatal(err)
	}
	l.Release()
	if got := read(t, other); got != "same" {
		t.Errorf("a user reads %q", got)
	}
	other.Release()
	if left, _ := os.ReadDir(filepath.Join(c.dir, "layers")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if r, err := c.Peek(keyA, ""); err != nil || r == nil || r.StoreLayer != "L" {
		t.Errorf("the record is %+v, %v", r, err)
	}
}

func adopt2(s *fakeStore) func(string) (string, error) {
	return func(dir string) (string, error) { return "L2", os.Rename(dir, filepath.Join(s.dir, "L2")) }
}

func TestCrashLeftovers(t *testing.T) {
	c, _ := open(t)
	s, err := c.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(s.Dir, "f"), nil, 0o600)
	// A living owner's folder stays.
	if _, err := Open(c.Dir(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir); err != nil {
		t.Fatal("work in progress was swept")
	}
	s.lock.Close() // as the kernel does for a dead process
	os.Mkdir(filepath.Join(c.Dir(), "tmp", "nolock"), 0o700)
	if _, err := Open(c.Dir(), nil); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(c.Dir(), "tmp")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	// A tree whose record was never written does not count and goes.
	os.Mkdir(c.layerPath(keyA), 0o700)
	if l, err := c.Find(keyA, ""); l != nil || err != nil {
		t.Errorf("a tree without record was found: %v", err)
	}
	put(t, c, keyA, "again", false).Release()
	os.Mkdir(c.layerPath(keyB), 0o700)
	os.WriteFile(c.recordPath(keyA), []byte("{torn"), 0o600)
	if l, err := c.Find(keyA, ""); l != nil || err != nil {
		t.Errorf("a torn record was used: %v", err)
	}
	if _, err := c.Prune(PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	f, _, err := c.Make(context.Background(), keyB, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Close() // a step that failed
	if _, err := c.Prune(PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"layers", "records", "locks"} {
		if left, _ := os.ReadDir(filepath.Join(c.Dir(), d)); len(left) != 0 {
			t.Errorf("orphans stay in %s: %v", d, left)
		}
	}
}

func TestRecordsOfAnotherBoot(t *testing.T) {
	c, _ := open(t)
	l := put(t, c, keyA, "x", false)
	l.Release()
	r, _ := c.read(keyA)
	r.Boot, r.Uptime = "00000000-0000-4000-8000-000000000000", 100
	if err := c.write(*r); err != nil {
		t.Fatal(err)
	}
	if l, _ := c.Find(keyA, ""); l != nil {
		t.Error("an unflushed layer of another boot was used")
	}
	os.MkdirAll(filepath.Join(c.Dir(), "synced"), 0o700)
	mark := filepath.Join(c.Dir(), "synced", r.Boot)
	for value, want := range map[string]bool{"99\n": false, "100\n": true, "x": false, "": false} {
		os.WriteFile(mark, []byte(value), 0o600)
		l, _ := c.Find(keyA, "")
		if (l != nil) != want {
			t.Errorf("mark %q: found %v", value, l != nil)
		}
		if l != nil {
			l.Release()
		}
	}
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir(), "synced", bootID())); err != nil {
		t.Error("no mark after Sync")
	}
}

// A build that was killed before its Sync leaves layers that the next one finds: it has to flush them.
func TestFlushed(t *testing.T) {
	c, _ := open(t)
	l := put(t, c, keyA, "aaaa", false)
	defer l.Release()
	if c.Flushed(&l.Record) {
		t.Error("flushed before any Sync")
	}
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	if !c.Flushed(&l.Record) {
		t.Error("not flushed after Sync")
	}
	later := put(t, c, keyB, "bbbb", false)
	defer later.Release()
	if c.Flushed(&later.Record) {
		t.Error("a layer made after Sync counts as flushed")
	}
}

func TestPruneFilters(t *testing.T) {
	c, _ := open(t)
	put(t, c, keyA, "aaaa", false).Release()
	put(t, c, keyB, "bbbb", false).Release()
	old := time.Now().Add(-time.Hour)
	os.Chtimes(c.usesPath(keyA), old, old)
	os.Mkdir(filepath.Join(c.MountsDir(), "m1"), 0o755)
	os.WriteFile(filepath.Join(c.MountsDir(), "m1", "f"), []byte("12345"), 0o644)
	os.WriteFile(filepath.Join(c.MountsDir(), "m1.json"), []byte(`{"version":1,"id":"npm"}`), 0o600)

	gone, err := c.Prune(PruneOptions{Until: time.Now().Add(-time.Minute)})
	if err != nil || len(gone) != 1 || gone[0].ID != keyA {
		t.Errorf("until: %+v %v", gone, err)
	}
	gone, err = c.Prune(PruneOptions{All: true, KeepBytes: 1000})
	if err != nil || len(gone) != 0 {
		t.Errorf("keep: %+v %v", gone, err)
	}
	gone, err = c.Prune(PruneOptions{})
	if err != nil || len(gone) != 1 || gone[0].ID != keyB {
		t.Errorf("plain: %+v %v", gone, err)
	}
	gone, err = c.Prune(PruneOptions{All: true})
	if err != nil || len(gone) != 1 || gone[0].Name != "npm" || gone[0].Size != 5 {
		t.Errorf("all: %+v %v", gone, err)
	}
}

func TestNotes(t *testing.T) {
	c, _ := open(t)
	if v, ok := c.Note(keyA); ok {
		t.Errorf("found %q", v)
	}
	if err := c.SetNote(keyA, "x"); err != nil {
		t.Fatal(err)
	}
	if v, ok := c.Note(keyA); !ok || v != "x" {
		t.Errorf("noted %q, %v", v, ok)
	}
	if err := c.SetNote("../x", "y"); err == nil {
		t.Error("a path was taken for a key")
	}
	for _, left := range []string{"", keyB, keyB + "\n", keyA + "\nx", strings.Repeat("\x00", 72), keyB + "\n" + strings.Repeat("\x00", 72)} {
		os.WriteFile(c.notePath(keyB), []byte(left), 0o600) // what a power cut leaves
		if v, ok := c.Note(keyB); ok {
			t.Errorf("%q gave the note %q", left, v)
		}
	}
	old, stray := time.Now().Add(-2*noteAge), filepath.Join(c.Dir(), "notes", ".new-1")
	young, err := journal.TakeLock(filepath.Join(c.Dir(), "records", ".new-2"), true)
	if err := errors.Join(err, os.WriteFile(stray, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	defer young.Unlock()
	os.Chtimes(c.notePath(keyB), old, old)
	if _, err := c.Prune(PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(c.Dir(), "notes")); len(left) != 1 {
		t.Errorf("notes left: %v", left)
	}
	if _, err := os.Stat(young.File().Name()); err != nil {
		t.Errorf("what another process writes just now was taken away: %v", err)
	}
}
