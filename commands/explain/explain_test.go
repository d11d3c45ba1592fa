package explain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/dhow-containers/dhow/run/sandbox"
)

type cure struct{ error }

func (cure) Hint() string { return "do this" }

func TestLine(t *testing.T) {
	for _, c := range []struct {
		err    error
		line   string
		status int
	}{
		{errors.New("plain"), "plain", 1},
		{Silent(7), "", 7},
		{fmt.Errorf("outer: %w", &Error{Text: "inner", Hint: "look", Status: 64}), "outer: inner; look", 64},
		{Tool(errors.New("x")), "x", 125},
		{Tool(fmt.Errorf("starting: %w", &sandbox.StartError{Status: 127, Err: errors.New("not found")})), "starting: not found", 127},
		{Usage(errors.New("bad flag")), "bad flag", 125},
		{cure{errors.New("entering")}, "entering; do this", 1},
		{cure{errors.New("entering; do this")}, "entering; do this", 1},
		{fmt.Errorf("locking store: %w", &fs.PathError{Op: "lock", Path: "/d/store-1-root/lock", Err: syscall.EROFS}), `locking store: lock /d/store-1-root/lock: read-only file system; mount it for writing, or name another store with --root or XDG_DATA_HOME`, 1},
		{&fs.PathError{Op: "open", Path: "/mnt/out.tar", Err: syscall.EROFS}, `open /mnt/out.tar: read-only file system`, 1},
		{fmt.Errorf("writing: %w", syscall.ENOSPC), `writing: no space left on device; free space with "dhow builder prune" or "dhow rmi"`, 1},
		{errors.Join(errors.New("one"), errors.New("two\r\n")), "one; two", 1},
		{errors.New("denied: \x1b]0;owned\x07\u202e"), `denied: \x1b]0;owned\x07\u202e`, 1},
		{fmt.Errorf("pulling: %w", context.Canceled), "pulling: canceled", 1},
	} {
		line, status := Line(c.err)
		if line != c.line || status != c.status {
			t.Errorf("%v: got %q, %d, want %q, %d", c.err, line, status, c.line, c.status)
		}
	}
	if line, _ := Line(errors.New(strings.Repeat("ä", 1<<20))); len(line) > 5<<10 {
		t.Errorf("%d bytes of an endless error", len(line))
	}
}
