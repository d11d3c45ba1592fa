package given

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	patience = 500 * time.Millisecond // the writers below are to come in time on a busy machine, too
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("small", []byte("content"))
	write("exact", make([]byte, 100))
	write("large", make([]byte, 101))
	for _, pipe := range []string{"nobody", "late", "silent", "empty"} {
		if err := unix.Mkfifo(at(pipe), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// writes is somebody at a pipe's other end.
	writes := func(name string, after time.Duration, text string, stay time.Duration) {
		go func() {
			time.Sleep(after)
			f, err := os.OpenFile(at(name), os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = f.WriteString(text)
			time.Sleep(stay)
			f.Close()
		}()
	}
	writes("late", 20*time.Millisecond, "late content", 0)
	writes("silent", 0, "begun", 10*patience)
	writes("empty", 0, "", 0)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() { // without a name there is no hurry
		time.Sleep(2 * patience)
		_, _ = w.WriteString("from a pipe")
		w.Close()
	}()
	for name, c := range map[string]struct{ path, want, says string }{
		"a file":                    {at("small"), "content", ""},
		"as large as it may be":     {at("exact"), string(make([]byte, 100)), ""},
		"larger":                    {at("large"), "", "is larger than 100 bytes"},
		"nothing":                   {at("nothing"), "", "no such file"},
		"a directory":               {dir, "", "is a directory"},
		"a pipe without a writer":   {at("nobody"), "", "nobody has written to this pipe"},
		"one whose writer is late":  {at("late"), "late content", ""},
		"one that falls silent":     {at("silent"), "", "nobody has written to this pipe"},
		"one with an empty message": {at("empty"), "", ""},
		"a shell's pipe":            {"/proc/self/fd/" + strconv.Itoa(int(r.Fd())), "from a pipe", ""},
		"no end":                    {"/dev/zero", "", "is larger than 100 bytes"},
		"null":                      {os.DevNull, "", ""},
	} {
		begun := time.Now()
		got, err := Read(c.path, 100)
		if took := time.Since(begun); took > 20*patience {
			t.Errorf("%s: took %v", name, took)
		}
		switch {
		case c.says == "" && (err != nil || string(got) != c.want):
			t.Errorf("%s: %q, %v", name, got, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, size := range map[string]int64{"small": 100, "large": 101} {
		if err := os.WriteFile(at(name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", at("zero")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.DevNull, at("null")); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"small": "", "null": "", "nothing": "", "large": "larger than 100 bytes", "pipe": "is not a file", "zero": "is not a file", ".": "is a directory",
	} {
		err := Check(at(name), 100)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
