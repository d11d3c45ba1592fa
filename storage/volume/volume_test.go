package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dhow-containers/dhow/storage/journal"
)

func TestLife(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "volumes")}
	if l, err := s.List(); err != nil || len(l) != 0 {
		t.Fatalf("%v %v", l, err)
	}
	v, err := s.Create("data", map[string]string{"a": "b"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(v.Dir); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("%v %v", st, err)
	}
	if err := os.WriteFile(filepath.Join(v.Dir, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Create("data", nil, nil); err != nil || again.Labels["a"] != "b" || again.Dir != v.Dir {
		t.Errorf("made again: %+v %v", again, err)
	}
	anon, err := s.Create("", nil, nil)
	if err != nil || len(anon.Name) != 64 || !anon.Anonymous {
		t.Errorf("%+v %v", anon, err)
	}
	if err := s.MarkFilled("data"); err != nil {
		t.Error(err)
	}
	if v, err := s.Get("data"); err != nil || !v.Filled {
		t.Errorf("%+v %v", v, err)
	}
	used := func(string) ([]string, error) { return []string{"c1"}, nil }
	if err := s.Remove("data", used); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	if err := s.Remove("data", nil); err != nil {
		t.Error(err)
	}
	if err := s.Remove("data", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if l, err := s.List(); err != nil || len(l) != 1 || l[0].Name != anon.Name {
		t.Errorf("%v %v", l, err)
	}
}

func TestNames(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	for _, name := range []string{"..", ".", "a", "../x", "a/b", "/etc", "-x", ".hidden", "a b", "a\x00b", "ä"} {
		if _, err := s.Create(name, nil, nil); err == nil {
			t.Errorf("made %q", name)
		}
		if _, err := s.Get(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %q: %v", name, err)
		}
		if err := s.Remove(name, nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("removed %q: %v", name, err)
		}
	}
	if _, err := s.Create("ok", nil, map[string]string{"device": "/dev/sda"}); err == nil {
		t.Error("took an option it can not honour")
	}
}

func TestInterrupted(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	left := []string{".new-1", ".old-2"}
	for _, name := range left {
		if err := os.MkdirAll(filepath.Join(s.Dir, name, "_data", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	making, err := journal.ClaimDir(s.Dir, newPrefix) // of a command that is at it
	if err != nil {
		t.Fatal(err)
	}
	defer making.Close()
	if l, err := s.List(); err != nil || len(l) != 0 {
		t.Errorf("%v %v", l, err)
	}
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(s.Dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if _, err := os.Stat(making.Path); err != nil {
		t.Error("what is being made is gone: ", err)
	}
}

// After a power cut a record that was not flushed may be empty: the content must not be lost with it.
func TestAnEmptyRecordHidesNothing(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	v, err := s.Create("kept", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "kept", recordFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get("kept"); err != nil || got.Dir != v.Dir {
		t.Errorf("found %+v, %v", got, err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
	if err := s.MarkFilled("kept"); err != nil {
		t.Error(err)
	}
	if err := s.Remove("kept", nil); err != nil {
		t.Error(err)
	}
}
