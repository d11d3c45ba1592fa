package ui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes s fit for one line of a terminal: control characters, line breaks, characters that
// change the writing direction and invalid UTF-8 become visible escapes (\x1b, \n, \u202e, \xff).
func Escape(s string) string { return escape(s, "") }

// EscapeLines is Escape for text of several lines: line breaks and tabs stay.
func EscapeLines(s string) string { return escape(s, "\n\t") }

func escape(s, keep string) string {
	clean := true
	for _, r := range s {
		if r < ' ' || r >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < 0x80 && strings.IndexByte(keep, byte(r)) >= 0:
			b.WriteByte(byte(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case drives(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// drives reports whether r acts on the terminal or on how the text around it is shown instead of
// showing something: C1 controls, line and paragraph separators, bidirectional and other format
// characters. The joiners of emoji and scripts (U+200C, U+200D) are text.
func drives(r rune) bool {
	if r == 0x200c || r == 0x200d {
		return false
	}
	return r >= 0x80 && r <= 0x9f || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e ||
		r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c || r >= 0xe0000 && r <= 0xe007f ||
		unicode.Is(unicode.Co, r)
}

// LogLine makes one line of a build step's output fit for a log on a terminal or in a file: what a
// carriage return overwrote is dropped, colours (SGR sequences) stay when colour is true, every
// other control sequence is left out.
func LogLine(line []byte, colour bool) string {
	line = trimCR(line)
	clean := true
	for _, c := range line {
		if c < ' ' && c != '\t' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return string(line)
	}
	var b strings.Builder
	styled := false
	for i := 0; i < len(line); {
		if n, sgr := controlSequence(line[i:]); n > 0 {
			if sgr && colour {
				b.Write(line[i : i+n])
				styled = true
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRune(line[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteRune(utf8.RuneError)
		case r == '\t':
			b.WriteByte('\t')
		case r < ' ' || r == 0x7f || drives(r):
		default:
			b.Write(line[i : i+n])
		}
		i += n
	}
	if styled {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// trimCR drops the line's last carriage return and what an earlier one made the next text overwrite.
func trimCR(line []byte) []byte {
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	for i := len(line) - 1; i >= 0; i-- {
		if line[i] == '\r' {
			return line[i+1:]
		}
	}
	return line
}

// controlSequence gives the length of the escape sequence b begins with (ECMA-48), 0 for none, and
// whether it only selects a graphic rendition. A sequence that does not end takes all of b.
func controlSequence(b []byte) (n int, sgr bool) {
	if b[0] != 0x1b {
		return 0, false
	}
	if len(b) == 1 {
		return 1, false
	}
	switch b[1] {
	case '[': // CSI: parameters 0x30-0x3f, intermediates 0x20-0x2f, final 0x40-0x7e
		plain := true
		for i := 2; i < len(b); i++ {
			switch c := b[i]; {
			case c >= 0x40 && c <= 0x7e:
				return i + 1, c == 'm' && plain
			case c >= '0' && c <= ';':
			case c >= 0x20 && c <= 0x3f:
				plain = false
			default:
				return i, false
			}
		}
		return len(b), false
	case ']', 'P', 'X', '^', '_': // OSC, DCS, SOS, PM, APC: up to BEL or ST
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 {
				return i + 1, false
			}
			if b[i] == 0x1b && i+1 < len(b) && b[i+1] == '\\' {
				return i + 2, false
			}
		}
		return len(b), false
	}
	i := 1
	for i < len(b) && b[i] >= 0x20 && b[i] <= 0x2f {
		i++
	}
	return min(i+1, len(b)), false
}
