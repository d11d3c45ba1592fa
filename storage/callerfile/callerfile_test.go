package callerfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	if err := Write(short(), pipe, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("writing: ", err)
	}
	if _, err := OpenToWrite(short(), pipe); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("opening: ", err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := unix.Mkfifo(other, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = Write(context.Background(), other, []byte("content")) }()
	if got, err := os.ReadFile(other); string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
