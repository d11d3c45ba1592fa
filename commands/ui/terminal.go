package ui

import (
	"os"

	"golang.org/x/sys/unix"
)

// Terminal reports whether f is one.
func Terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// terminalSize gives the cells of the terminal f, 80 by 24 when it does not say.
func terminalSize(f *os.File) (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// Repaints reports whether f is a terminal whose cursor can be moved: TERM is set and not "dumb".
func Repaints(f *os.File) bool {
	term := os.Getenv("TERM")
	return term != "" && term != "dumb" && Terminal(f)
}

// colours gives the SGR sequences of the display; all empty when NO_COLOR is set
// (no-color.org) or TERM is "dumb".
type colours struct{ run, cancel, fail, warn, faint, reset string }

func newColours(noColor bool, buildkit string) colours {
	if noColor {
		return colours{}
	}
	c := colours{run: "\x1b[34m", cancel: "\x1b[33m", fail: "\x1b[31m", warn: "\x1b[33m", faint: "\x1b[2m", reset: "\x1b[0m"}
	c.override(buildkit)
	return c
}
