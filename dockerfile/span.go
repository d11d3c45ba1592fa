package dockerfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Span is a range of lines, 1-based and inclusive. The zero Span means "no place known".
type Span struct {
	Start, End int
}

// Error is a mistake in a Dockerfile: where it stands and what it is.
type Error struct {
	File string // the name the user gave, or "Dockerfile"
	Span Span
	Err  error
	text []byte
}

func (e *Error) Error() string {
	if e.Span.Start == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Span.Start, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Excerpt gives the lines the error stands on, marked, with two lines around them; "" when the
// place is not known.
func (e *Error) Excerpt() string { return excerpt(e.File, e.text, e.Span) }

// Excerpt gives the lines of span, marked, with two lines around them, in BuildKit's layout. It
// ends with a newline, or is "" when the span lies outside the file.
func (f *File) Excerpt(span Span) string { return excerpt(f.Name, f.Data, span) }

// Wrap gives err a place in f, unless it already has one. A nil err stays nil.
func (f *File) Wrap(span Span, err error) error {
	var located *Error
	if err == nil || errors.As(err, &located) {
		return err
	}
	return &Error{File: f.Name, Span: span, Err: err, text: f.Data}
}

// maxExcerptLine keeps one absurd line from filling the screen.
const maxExcerptLine = 200

func excerpt(name string, text []byte, span Span) string {
	if span.Start <= 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if span.Start > len(lines) {
		return ""
	}
	end := min(max(span.End, span.Start), len(lines))
	const around, longest = 2, 40
	var b strings.Builder
	rule := strings.Repeat("-", 20)
	fmt.Fprintf(&b, "%s:%d\n%s\n", name, span.Start, rule)
	skipped := false
	for n := max(1, span.Start-around); n <= min(len(lines), end+around); n++ {
		marked := n >= span.Start && n <= end
		if marked && end-span.Start > longest && n-span.Start >= longest/2 && end-n >= longest/2 {
			if !skipped {
				b.WriteString(" ... |\n")
			}
			skipped = true
			continue
		}
		mark := "    "
		if marked {
			mark = ">>> "
		}
		fmt.Fprintf(&b, " %3d | %s%s\n", n, mark, printable(lines[n-1]))
	}
	b.WriteString(rule + "\n")
	return b.String()
}

// printable cuts a long line and replaces control characters, which could drive a terminal.
func printable(line string) string {
	line = strings.TrimSuffix(line, "\r")
	cut := false
	if len(line) > maxExcerptLine {
		line, cut = line[:maxExcerptLine], true
	}
	line = strings.Map(func(r rune) rune {
		if r == '\t' || r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(line, "\uFFFD"))
	if cut {
		line += "…"
	}
	return line
}

func spanOf(ranges []parser.Range) Span {
	var s Span
	for _, r := range ranges {
		if s.Start == 0 || r.Start.Line < s.Start {
			s.Start = r.Start.Line
		}
		s.End = max(s.End, r.End.Line)
	}
	return s
}

func (s Span) ranges() []parser.Range {
	return []parser.Range{{Start: parser.Position{Line: s.Start}, End: parser.Position{Line: s.End}}}
}

// located turns an error of BuildKit's parser into ours, dropping the line number from its text.
func located(name string, text []byte, err error) *Error {
	out := &Error{File: name, Err: err, text: text}
	var loc *parser.LocationError
	if errors.As(err, &loc) {
		out.Err = plain(loc)
		if len(loc.Locations) > 0 {
			out.Span = spanOf(loc.Locations[0])
		}
	}
	return out
}

// plain gives the message of err without the chain behind it: callers decide by Span, not by
// BuildKit's types.
func plain(err error) error { return errors.New(strings.TrimSpace(err.Error())) }
