package ui

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Screen shows one text after the other in the same place of a terminal.
type Screen struct {
	out  *os.File
	open bool
}

// NewScreen is the terminal's. Nothing is written before the first text.
func NewScreen(out *os.File) *Screen { return &Screen{out: out} }

// Show replaces the text. Lines are cut at the terminal's width and height, so that the place stays the
// same; they must not hold control characters.
func (s *Screen) Show(text string) error {
	width, height := terminalSize(s.out)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		lines = lines[:height-1]
	}
	var b strings.Builder
	if !s.open {
		b.WriteString("\x1b[?25l\x1b[2J") // no cursor, an empty screen
		s.open = true
	}
	b.WriteString("\x1b[H")
	for _, l := range lines {
		if width > 0 && utf8.RuneCountInString(l) > width {
			l = string([]rune(l)[:width])
		}
		b.WriteString(l + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(s.out, b.String())
	return err
}

// Close gives the cursor back; the last text stays.
func (s *Screen) Close() {
	if s.open {
		_, _ = io.WriteString(s.out, "\x1b[?25h")
	}
}
