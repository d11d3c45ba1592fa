package log

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func collect(t *testing.T, path string, o ReadOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Read(context.Background(), path, o, func(e Entry) error { b.WriteString(e.Log); return nil }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPieces(t *testing.T) {
	long := strings.Repeat("x", longestPiece)
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"lines":             {[]string{"a\nb\n"}, []string{"a\n", "b\n"}},
		"parts":             {[]string{"a", "b", "c\nd", "\n"}, []string{"abc\n", "d\n"}},
		"no end":            {[]string{"a\nrest"}, []string{"a\n", "rest"}},
		"long":              {[]string{long + long + "y\n"}, []string{long, long, "y\n"}},
		"long in parts":     {[]string{"z", long, "y\n"}, []string{"z" + long[1:], "xy\n"}},
		"exactly one piece": {[]string{long, "\n"}, []string{long, "\n"}},
		"nothing":           {nil, nil},
	} {
		path := Path(t.TempDir(), "id")
		w, err := Create(path, Options{MaxSizeBytes: -1, MaxFiles: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.writes {
			w.Write("stdout", []byte(s))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := Read(context.Background(), path, ReadOptions{Tail: -1}, func(e Entry) error { got = append(got, e.Log); return nil }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || len(got) != len(c.want) {
			t.Errorf("%s: %d pieces, want %d", name, len(got), len(c.want))
		}
	}
}

func TestRotation(t *testing.T) {
	path := Path(t.TempDir(), "id")
	w, err := Create(path, Options{MaxSizeBytes: 300, MaxFiles: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		w.Write("stdout", fmt.Appendf(nil, "line %d\n", i))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(path + "*")
	if len(names) != 3 {
		t.Errorf("%d files: %q", len(names), names)
	}
	for _, n := range names {
		if st, _ := os.Stat(n); st.Size() > 300 {
			t.Errorf("%s has %d bytes", n, st.Size())
		}
	}
	all := collect(t, path, ReadOptions{Tail: -1})
	if !strings.HasSuffix(all, "line 98\nline 99\n") {
		t.Errorf("the end is %q", all)
	}
	for n := range 8 {
		want := all
		lines := strings.SplitAfter(strings.TrimSuffix(all, "\n"), "\n")
		if n < len(lines) {
			want = strings.Join(lines[len(lines)-n:], "")
			if n > 0 {
				want += "\n"
			}
		}
		if got := collect(t, path, ReadOptions{Tail: n}); got != want {
			t.Errorf("tail %d: %q, want %q", n, got, want)
		}
	}
}

func TestFollow(t *testing.T) {
	path := Path(t.TempDir(), "id")
	ended := make(chan bool)
	go func() {
		time.Sleep(20 * time.Millisecond)
		w, err := Create(path, Options{MaxSizeBytes: 1000, MaxFiles: 9})
		if err != nil {
			t.Error(err)
		}
		for i := range 60 {
			w.Write("stderr", fmt.Appendf(nil, "%d\n", i))
			time.Sleep(time.Millisecond)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		close(ended)
	}()
	n := 0
	err := Read(context.Background(), path, ReadOptions{Tail: -1, Follow: true, Ended: func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}}, func(e Entry) error {
		if e.Log != fmt.Sprintf("%d\n", n) {
			return fmt.Errorf("entry %d is %q", n, e.Log)
		}
		n++
		return nil
	})
	if err != nil || n != 60 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// Somebody empties the file that is followed, as people do with docker's, and deletes it.
func TestFollowEmptied(t *testing.T) {
	path := Path(t.TempDir(), "id")
	w, err := Create(path, Options{MaxSizeBytes: -1, MaxFiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	next, end := make(chan string), make(chan error)
	ended := make(chan bool)
	go func() {
		end <- Read(context.Background(), path, ReadOptions{Tail: -1, Follow: true, Ended: func() bool {
			select {
			case <-ended:
				return true
			default:
				return false
			}
		}}, func(e Entry) error { next <- e.Log; return nil })
	}()
	for i, before := range []func() error{
		func() error { return nil },
		func() error { return os.Truncate(path, 0) },
		func() error { return os.Remove(path) },
		func() error { return nil },
	} {
		if err := before(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * poll) // it is looked at before something new makes it as long again
		want := fmt.Sprintf("line %d\n", i)
		w.Write("stdout", []byte(want))
		select {
		case got := <-next:
			if got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%q does not come", want)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	close(ended)
	if err := <-end; err != nil {
		t.Fatal(err)
	}
}

// A monitor that was killed in the middle of a line spoils only that line.
func TestCutShort(t *testing.T) {
	path := Path(t.TempDir(), "id")
	if err := os.WriteFile(path, []byte(`{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}`+"\n"+`{"log":"b`), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Create(path, Options{MaxSizeBytes: -1, MaxFiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.Write("stdout", []byte("c\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, path, ReadOptions{Tail: -1}); got != "a\nc\n" {
		t.Errorf("got %q", got)
	}
	if got := collect(t, path, ReadOptions{Tail: -1, Until: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}); got != "a\n" {
		t.Errorf("until: got %q", got)
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		driver string
		opts   map[string]string
		ok     bool
	}{
		"default": {"", nil, true}, "none": {"none", nil, true},
		"limits": {"json-file", map[string]string{"max-size": "10m", "max-file": "3"}, true},
		"driver": {"syslog", nil, false}, "size": {"", map[string]string{"max-size": "-1"}, false},
		"files alone": {"", map[string]string{"max-file": "3"}, false}, "unknown": {"", map[string]string{"x": "1"}, false},
	} {
		if _, err := ParseOptions(c.driver, c.opts); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}\n{}\nx"), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		path := Path(t.TempDir(), "id")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		all, some := 0, 0
		_ = Read(context.Background(), path, ReadOptions{Tail: -1}, func(Entry) error { all++; return nil })
		_ = Read(context.Background(), path, ReadOptions{Tail: n}, func(Entry) error { some++; return nil })
		if some > all || n >= 0 && some > n {
			t.Errorf("%d entries, the last %d are %d", all, n, some)
		}
	})
}
