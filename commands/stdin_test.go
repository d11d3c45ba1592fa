package commands

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// TestStdinEndsWithTheSignal: a read that waits for more ends when the command is canceled, and what is
// there is read before that.
func TestStdinEndsWithTheSignal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	in, err := waitable(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("some"); err != nil {
		t.Fatal(err)
	}
	var got [4]byte
	if _, err := io.ReadFull(in, got[:]); err != nil || string(got[:]) != "some" {
		t.Fatalf("%q, %v", got, err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := in.Read(got[:]); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
