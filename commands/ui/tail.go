package ui

import (
	"bytes"
	"slices"
)

const (
	maxLine      = 64 << 10 // a longer line of output is cut into several
	maxKeptBytes = 64 << 10 // of a step's last output, kept for the report of its failure
)

// lines cuts a step's output into lines and remembers the last of them.
type lines struct {
	partial []byte
	kept    []logLine
	bytes   int
}

// logLine is one line with the seconds since its step began.
type logLine struct {
	text []byte
	at   float64
}

// write takes output and gives the lines it completed.
func (l *lines) write(data []byte, at float64) []logLine {
	var out []logLine
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		whole := n >= 0
		if !whole {
			n = len(data)
		}
		if room := maxLine - len(l.partial); n > room {
			n, whole = room, false
		}
		l.partial = append(l.partial, data[:n]...)
		data = data[n:]
		if whole {
			data = data[1:]
		}
		if whole || len(l.partial) >= maxLine {
			out = append(out, l.cut(at))
		}
	}
	return out
}

// end gives the last line when it had no line break.
func (l *lines) end(at float64) []logLine {
	if len(l.partial) == 0 {
		return nil
	}
	return []logLine{l.cut(at)}
}

func (l *lines) cut(at float64) logLine {
	line := logLine{text: slices.Clone(l.partial), at: at}
	l.partial = l.partial[:0]
	l.kept = append(l.kept, line)
	l.bytes += len(line.text) + 1
	for l.bytes > maxKeptBytes && len(l.kept) > 1 {
		l.bytes -= len(l.kept[0].text) + 1
		l.kept = l.kept[1:]
	}
	return line
}

// window gives the last n lines that are not blank, with the unfinished one, for the folded tail
// under a running step.
func (l *lines) window(n int) []string {
	var out []string
	if s := LogLine(l.partial, false); notBlank(s) {
		out = append(out, s)
	}
	for i := len(l.kept) - 1; i >= 0 && len(out) < n; i-- {
		if s := LogLine(l.kept[i].text, false); notBlank(s) {
			out = append(out, s)
		}
	}
	slices.Reverse(out)
	return out
}

func notBlank(s string) bool {
	for _, r := range s {
		if r != ' ' && r != '\t' {
			return true
		}
	}
	return false
}
