package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/log"
)

func TestKeys(t *testing.T) {
	for text, want := range map[string]string{"": "\x10\x11", "a": "a", "ctrl-a": "\x01", "ctrl-@,ctrl-_": "\x00\x1f", "ctrl-],q": "\x1dq", "ctrl-ä": "!", "ctrl-": "!", "xy": "!", "ctrl-1": "!"} {
		got, err := ParseKeys(text)
		if (err != nil) != (want == "!") || err == nil && string(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, c := range []struct {
		typed []string
		pass  string
		found bool
	}{
		{[]string{"abc"}, "abc", false}, {[]string{"a\x10\x11b"}, "a", true}, {[]string{"\x10", "\x11"}, "", true},
		{[]string{"\x10x", "\x10"}, "\x10x", false}, {[]string{"\x10\x10\x11"}, "\x10", true},
	} {
		k := keyReader{keys: DefaultKeys}
		var pass []byte
		found := false
		for _, s := range c.typed {
			p, f := k.filter([]byte(s))
			pass, found = append(pass, p...), found || f
		}
		if string(pass) != c.pass || found != c.found {
			t.Errorf("%q: %q, %v", c.typed, pass, found)
		}
	}
}

// What follows the line of a message stays in the socket, and descriptors arrive.
func TestMessages(t *testing.T) {
	a, b, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	long := strings.Repeat("x", 100<<10)
	go func() {
		_ = send(a, Request{Op: "exec", Exec: &Exec{Args: []string{long}}}, w)
		w.Close()
		_, _ = a.Write([]byte("rest"))
		_ = a.CloseWrite()
	}()
	var got Request
	files, err := receive(b, &got)
	if err != nil || len(files) != 1 || got.Exec == nil || got.Exec.Args[0] != long {
		t.Fatalf("%d descriptors, %v", len(files), err)
	}
	files[0].Close()
	if rest, err := io.ReadAll(b); string(rest) != "rest" || err != nil {
		t.Errorf("after the line: %q, %v", rest, err)
	}
	if end, err := io.ReadAll(r); len(end) != 0 || err != nil {
		t.Errorf("the pipe has another writer: %q, %v", end, err)
	}
}

// A payload that has ended while its monitor still answers is gone, and the monitor is not to be killed
// for it: it is noting the end.
func TestGone(t *testing.T) {
	a, b, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	for cause, want := range map[error]error{os.ErrProcessDone: ErrGone, fmt.Errorf("x: %w", os.ErrProcessDone): ErrGone, nil: nil} {
		if err := send(a, refusal(cause)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := receiveReply(b); !errors.Is(err, want) {
			t.Errorf("%v arrives as %v, want %v", cause, err, want)
		}
	}
	if err := send(a, refusal(unix.EPERM)); err != nil {
		t.Fatal(err)
	}
	var refused *Refusal
	if _, _, err := receiveReply(b); !errors.As(err, &refused) {
		t.Errorf("a refusal arrives as %v", err)
	}
}

// A door that closes while somebody stands before it is that of a container that has ended, whatever the
// kernel calls that: "stop -t 0" would kill the monitor, which is just noting the end.
func TestDoorCloses(t *testing.T) {
	dir := t.TempDir()
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := send(before, Request{Op: "signal"}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("the attack does not work: %v", err)
	}
	if err := request(before, Request{Op: "signal"}); !errors.Is(err, ErrGone) {
		t.Errorf("%v, want %v", err, ErrGone)
	}
	if _, err := Ask(dir, Request{Op: "signal"}, time.Second); !errors.Is(err, ErrGone) {
		t.Errorf("afterwards: %v, want %v", err, ErrGone)
	}
}

// A caller that does not read neither holds up the log for ever nor gets less than what came before.
func TestSlowCaller(t *testing.T) {
	path := log.Path(t.TempDir(), "x")
	w, err := log.Create(path, log.Options{MaxSizeBytes: -1, MaxFiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	h := NewHub(w)
	in, out, errOut, err := h.Open(true)
	if err != nil || in == nil {
		t.Fatal(err)
	}
	stalled, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	h.Attach(theirs, false)
	payload, err := os.OpenFile("/proc/self/fd/"+itoa(out.Fd()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	h.Started()
	_ = errOut
	written := make(chan error, 1)
	go func() {
		_, err := payload.Write(bytes.Repeat([]byte("0123456789abcde\n"), 1<<18))
		payload.Close()
		written <- err
	}()
	select {
	case <-written:
		t.Fatal("4 MB went to somebody who does not read")
	case <-time.After(200 * time.Millisecond):
	}
	h.Hurry()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := h.Finish(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the end took %v", took)
	}
	if st, err := os.Stat(path); err != nil || st.Size() < 4<<20 {
		t.Errorf("the log is not whole: %v", st)
	}
}

func itoa(n uintptr) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func TestFrames(t *testing.T) {
	h := NewHub(nil)
	ours, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	h.Attach(theirs, false)
	h.pass(stdout, []byte("out"))
	h.pass(stderr, []byte("err"))
	if err := h.Finish(time.Second); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files [2]*os.File
	for i := range files {
		if files[i], err = os.Create(filepath.Join(dir, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := output(ours, files[0], files[1]); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"out", "err"} {
		if got, _ := os.ReadFile(files[i].Name()); string(got) != want {
			t.Errorf("stream %d: %q", i, got)
		}
	}
}

// Nothing a stranger may send makes the door do more than hang up.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("{\"Op\":\"signal\",\"Signal\":9}\n"))
	f.Add([]byte("{}\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b, err := Pair()
		if err != nil {
			t.Skip(err)
		}
		defer b.Close()
		go func() { _, _ = a.Write(data); a.Close() }()
		var r Request
		files, err := receive(b, &r)
		if len(files) > 0 || err == nil && !bytes.Contains(data, []byte{'\n'}) {
			t.Errorf("%d files, %v", len(files), err)
		}
	})
}

// Whatever comes as frames, the caller gets no byte that was not in one, and no end but a clean one.
func FuzzOutput(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x03out\x02\x00\x00\x00\x00\x00\x00\x01e"))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xffshort"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Skip(err)
		}
		defer out.Close()
		_ = output(bytes.NewReader(data), out, out)
		if st, err := out.Stat(); err == nil && st.Size() > max(0, int64(len(data))-8) {
			t.Errorf("%d bytes of %d", st.Size(), len(data))
		}
	})
}
