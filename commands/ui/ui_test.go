package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dhow-containers/dhow/storage/progress"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// story is a build: a pull with layers, two stages in parallel, a cached step, output with control
// sequences, a warning, an export.
func story(fail bool) []progress.Event {
	const layer = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	events := []progress.Event{
		{Time: at(0), ID: "def", Name: "[internal] load build definition from Dockerfile"},
		{Time: at(0), ID: "w", Name: "[final 3/3] RUN never", State: progress.Waiting},
		{Time: at(0.05), ID: "def", State: progress.Done, Warning: "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"},
		{Time: at(0.1), ID: "base", Name: "[build 1/3] FROM docker.io/library/debian:12"},
		{Time: at(0.2), ID: layer, Group: "base", Name: layer, Action: "downloading", Total: 3_620_000},
		{Time: at(0.3), ID: layer, Group: "base", Action: "downloading", Current: 1_200_000, Total: 3_620_000},
		{Time: at(0.31), ID: layer, Group: "base", Action: "downloading", Current: 1_210_000, Total: 3_620_000},
		{Time: at(0.9), ID: layer, Group: "base", Action: "extracting", Total: 3_620_000},
		{Time: at(1.2), ID: layer, Group: "base", State: progress.Done},
		{Time: at(1.2), ID: "base", State: progress.Done},
		{Time: at(1.2), ID: "copy", Name: "[build 2/3] COPY . .", State: progress.Cached},
		{Time: at(1.3), ID: "run", Name: "[build 3/3] RUN make"},
		{Time: at(1.3), ID: "other", Name: "[docs 2/2] RUN sleep 1"},
		{Time: at(1.4), ID: "run", Log: []byte("cc -c main.c\ncc -c \x1b[31mred\x1b[0m.c\n"), Stream: 1},
		{Time: at(1.5), ID: "other", Log: []byte("half a "), Stream: 1},
		{Time: at(1.6), ID: "other", Log: []byte("line\n10%\r100%\nno break"), Stream: 2},
		{Time: at(1.7), ID: "run", Log: []byte("title \x1b]0;owned\x07 \x1b[2Jgone\n"), Stream: 1},
		{Time: at(8.1), ID: "other", Log: []byte("\nlate\n"), Stream: 1},
	}
	if fail {
		return append(events,
			progress.Event{Time: at(9), ID: "run", State: progress.Failed, Err: errors.New(`process "/bin/sh -c make" did not complete successfully: exit code: 2`)},
			progress.Event{Time: at(9.1), ID: "other", State: progress.Canceled})
	}
	return append(events,
		progress.Event{Time: at(9), ID: "run", State: progress.Done},
		progress.Event{Time: at(9.1), ID: "other", State: progress.Done},
		progress.Event{Time: at(9.2), ID: "export", Name: "exporting to image", Action: "exporting layers"},
		progress.Event{Time: at(9.7), ID: "export", Action: "writing image sha256:2222"},
		progress.Event{Time: at(9.7), ID: "export", Action: "naming to docker.io/library/app:latest"},
		progress.Event{Time: at(9.8), ID: "export", State: progress.Done})
}

func TestPlain(t *testing.T) {
	for _, fail := range []bool{false, true} {
		var b bytes.Buffer
		p := newPlain(&b, false)
		for _, e := range story(fail) {
			p.event(e)
		}
		p.close(fail)
		golden(t, fmt.Sprintf("plain-%t.txt", fail), b.String())
		if strings.ContainsAny(b.String(), "\x1b\a") {
			t.Error("control characters of the output reached the log")
		}
	}
}

func TestRawJSON(t *testing.T) {
	var b bytes.Buffer
	j := newRawJSON(&b)
	for _, e := range story(false) {
		j.event(e)
	}
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil || len(v) == 0 {
			t.Errorf("%q: %v", line, err)
		}
	}
	golden(t, "rawjson.txt", b.String())
}

func TestFrames(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		after         float64
		width, height int
		final         bool
	}{{0.3, 80, 24, false}, {1.75, 80, 24, false}, {1.75, 40, 8, false}, {1.75, 15, 4, false}, {9.8, 80, 24, true}} {
		tr := &tty{trace: newTrace(), now: func() time.Time { return at(c.after) }, begun: start, tail: tailLines}
		for _, e := range story(false) {
			if !e.Time.After(at(c.after)) {
				tr.trace.apply(e)
			}
		}
		lines := tr.frame(c.width, c.height, c.final)
		fmt.Fprintf(&b, "--- %.2fs in %dx%d\n", c.after, c.width, c.height)
		for _, l := range lines {
			b.WriteString(l.text + "\n")
			if n := utf8.RuneCountInString(l.text); n >= c.width {
				t.Errorf("%q is %d cells wide on a terminal of %d", l.text, n, c.width)
			}
		}
		if !c.final && len(lines) >= c.height {
			t.Errorf("%d lines on a terminal of %d", len(lines), c.height)
		}
	}
	golden(t, "frames.txt", b.String())
}

func TestRate(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		points         []point
		current, total int64
		want           string
	}{
		{nil, 0, 10, ""},
		{[]point{{at(0), 0}, {at(100), 1e6}}, 1e6, 4e6, ""},
		{[]point{{at(0), 0}, {at(1000), 1e6}}, 1e6, 4e6, "  1MB/s 3s"},
		{[]point{{at(0), 5e6}, {at(2000), 6e6}}, 6e6, 7e6, "  500kB/s 2s"}, // taken up at 5 MB
		{[]point{{at(0), 9e6}, {at(100), 0}, {at(1100), 1e6}}, 1e6, 0, "  1MB/s"},
		{[]point{{at(0), 0}, {at(20000), 8e6}, {at(26000), 14e6}}, 14e6, 14e6, "  1MB/s"},
		{[]point{{at(0), 4}, {at(60000), 4}}, 4, 10, ""},
	} {
		var r rate
		for _, p := range c.points {
			r.add(p.at, p.bytes)
		}
		if got := r.words(c.current, c.total); got != c.want {
			t.Errorf("%v: %q, want %q", c.points, got, c.want)
		}
	}
}

func TestTransferLines(t *testing.T) {
	var b bytes.Buffer
	tr := &Transfer{dir: Pulling, w: &b, byID: map[string]*item{}, stop: make(chan struct{}), size: func() (int, int) { return 120, 24 }}
	id := "sha256:" + strings.Repeat("ab", 32)
	for _, e := range []progress.Event{
		{ID: "pull", Name: "docker.io/library/x:1"},
		{ID: id, Group: "pull", Name: "layer"},
		{ID: id, Group: "pull", Action: "downloading", Current: 10, Total: 100},
		{ID: id, Group: "pull", Action: "downloading", Current: 60, Total: 100},
		{ID: id, Group: "pull", Action: "extracting", Current: 1, Total: 100},
		{ID: id, Group: "pull", State: progress.Done},
		{ID: "pull", State: progress.Done},
	} {
		tr.Event(e)
	}
	tr.Close()
	want := "abababababab: Pulling fs layer\nabababababab: Downloading\nabababababab: Extracting\nabababababab: Pull complete\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	it := item{label: "abababababab", status: "Downloading", bar: true, current: 1_000_000, total: 4_000_000}
	if got, want := it.line(120), "abababababab: Downloading [============>                                     ]  1MB/4MB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

type sample struct {
	ID     string `header:"IMAGE ID"`
	Name   string `header:"NAME"`
	labels map[string]string
}

func (r sample) Label(k string) string { return r.labels[k] }

func TestFormat(t *testing.T) {
	rows := []sample{{"abc", "one\x1b[2J", map[string]string{"a.b-c": "v"}}, {"defghi", "two<", nil}}
	for _, c := range []struct{ format, standard, want string }{
		{"", "table {{.ID}}\t{{.Name}}", "IMAGE ID   NAME\nabc        one\\x1b[2J\ndefghi     two<\n"},
		{`table {{.Name}}\t{{.ID}}`, "x", "NAME         IMAGE ID\none\\x1b[2J   abc\ntwo<         defghi\n"},
		{`table {{upper .ID}}\t{{.Label "a.b-c"}}`, "x", "IMAGE ID   b c\nABC        v\nDEFGHI     \n"},
		{"{{.ID}}", "x", "abc\ndefghi\n"},
		{"json", "x", "{\"ID\":\"abc\",\"Name\":\"one\\u001b[2J\"}\n{\"ID\":\"defghi\",\"Name\":\"two<\"}\n"},
		{`{{json .Name}} {{split .ID "b"}} {{join (split .ID "b") "-"}} {{title .ID}} {{pad .ID 1 2}}{{truncate .ID 1}}`, "x",
			"\"one\\u001b[2J\" [a c] a-c Abc  abc  a\n\"two<\" [defghi] defghi Defghi  defghi  d\n"},
	} {
		f, err := ParseFormat(c.format, c.standard)
		if err != nil {
			t.Errorf("%q: %v", c.format, err)
			continue
		}
		var b bytes.Buffer
		if err := Write(&b, f, rows, false); err != nil || b.String() != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.format, b.String(), err, c.want)
		}
	}
	if _, err := ParseFormat("{{.ID", ""); err == nil || !strings.Contains(err.Error(), "template parsing error") {
		t.Errorf("a broken template gives %v", err)
	}
	f, _ := ParseFormat("{{.Nope}}", "")
	if err := Write(&bytes.Buffer{}, f, rows, false); err == nil {
		t.Error("an unknown field is no error")
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain äö 漢": "plain äö 漢", "a\x1b]52;c;x\x07": `a\x1b]52;c;x\x07`, "a\nb\tc\rd": `a\nb\tc\rd`,
		"\u202egnp.exe": `\u202egnp.exe`, "bad\xff": `bad\xff`, "\u009b2J": `\u009b2J`, "\x7f\b": `\x7f\x08`, "👩\u200d🚀": "👩\u200d🚀",
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := EscapeLines("a\n\tb\r"); got != "a\n\tb\\r" {
		t.Errorf("got %q", got)
	}
}

func TestLogLine(t *testing.T) {
	for _, c := range []struct {
		in, plain, colour string
	}{
		{"x", "x", "x"},
		{"\x1b[1;31mred\x1b[0m", "red", "\x1b[1;31mred\x1b[0m\x1b[0m"},
		{"a\x1b[2Kb\x1b[?25hc", "abc", "abc"},
		{"10%\r50%\r", "50%", "50%"},
		{"t\x1b]0;owned\x07u\x1b]8;;http://x\x1b\\v", "tuv", "tuv"},
		{"\x1b[>4;2mx", "x", "x"},
		{"cut\x1b[", "cut", "cut"},
		{"\x1bPq#0\x1b\\z\x1b(Bw", "zw", "zw"},
		{"bad\xffutf", "bad\uFFFDutf", "bad\uFFFDutf"},
	} {
		if got := LogLine([]byte(c.in), false); got != c.plain {
			t.Errorf("%q: got %q, want %q", c.in, got, c.plain)
		}
		if got := LogLine([]byte(c.in), true); got != c.colour {
			t.Errorf("%q in colour: got %q, want %q", c.in, got, c.colour)
		}
	}
}

// FuzzLogLine: whatever a step prints, without colour no control character is left, with colour only
// SGR sequences, and the text is valid UTF-8.
func FuzzLogLine(f *testing.F) {
	for _, s := range []string{"\x1b[31mred", "\x1b]0;x\x07", "a\rb", "\x1b[\x1b[m", "\xc2\x9b2J", "\x1b\x1b[mx"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		plain := LogLine(in, false)
		for _, r := range plain {
			if r != '\t' && (r < ' ' || r == 0x7f || drives(r)) {
				t.Fatalf("%q gives %q", in, plain)
			}
		}
		rest := LogLine(in, true)
		if !utf8.ValidString(plain) || !utf8.ValidString(rest) {
			t.Fatalf("%q gives invalid text", in)
		}
		for rest != "" {
			i := strings.IndexByte(rest, 0x1b)
			if i < 0 {
				break
			}
			n, sgr := controlSequence([]byte(rest[i:]))
			if !sgr || n == 0 {
				t.Fatalf("%q keeps %q", in, rest[i:])
			}
			rest = rest[i+n:]
		}
		if e := Escape(string(in)); e != Escape(e) && !strings.Contains(string(in), `\`) {
			t.Fatalf("%q: escaping %q again changes it", in, e)
		}
	})
}
