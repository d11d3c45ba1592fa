package run

import (
	"os"
	"testing"
)

// A monitor is told that there is work, and that there is none to come.
func TestTold(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if told(r) {
		t.Error("told of nothing")
	}
	if _, err := w.Write([]byte{1}); err != nil || !told(r) {
		t.Error("not told of a message", err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil || told(r) {
		t.Error("told twice", err)
	}
	if w.Close(); !told(r) {
		t.Error("not told of the end")
	}
}

// Nothing is read of what the command sends.
func TestWarm(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	warm(r)
	if told(r) {
		t.Error("something was read or written")
	}
}
