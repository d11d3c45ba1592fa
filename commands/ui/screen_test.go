package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A text stays in its place: what is too wide or too long is cut.
func TestScreen(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := NewScreen(f)
	s.Close()
	if err := s.Show(strings.Repeat("é", 100) + "\n" + strings.Repeat("line\n", 30)); err != nil {
		t.Fatal(err)
	}
	if err := s.Show("one\n"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := "\x1b[?25l\x1b[2J\x1b[H" + strings.Repeat("é", 80) + "\x1b[K\r\n" + strings.Repeat("line\x1b[K\r\n", 22) + "\x1b[J" +
		"\x1b[Hone\x1b[K\r\n\x1b[J\x1b[?25h"
	if string(b) != want {
		t.Errorf("got  %q\nwant %q", b, want)
	}
}
