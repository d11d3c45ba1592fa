// Package explain turns errors into what a person reads and a script tests: one sentence, what to
// do, and the exit status. It is the only place that decides them; see reliability in the style
// guide: messages are lower case, name the object, and end with the cure.
package explain

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run/sandbox"
)

// Error is a failure with its words and status decided where it happened.
type Error struct {
	Text   string
	Hint   string // what to do, or ""
	Status int
}

func (e *Error) Error() string { return e.Text }

// Silent is an exit status without words: everything was said already, or it is a payload's own.
type Silent int

func (s Silent) Error() string { return "" }

// Usage makes err the fault of the command line: status 125.
func Usage(err error) error { return &Error{Text: err.Error(), Status: 125} }

// Tool makes err, whatever it is, a failure of dhow itself with docker's status for run: 125 unless
// it has one of its own.
func Tool(err error) error {
	if err == nil {
		return nil
	}
	return &withStatus{err, 125}
}

type withStatus struct {
	error
	status int
}

func (e *withStatus) Unwrap() error { return e.error }

// Line gives the one line that tells of err, escaped and without line breaks, and the exit status.
// The line is empty for Silent.
func Line(err error) (line string, status int) {
	status = 1
	var quiet Silent
	if errors.As(err, &quiet) {
		return "", int(quiet)
	}
	var decided *withStatus
	if errors.As(err, &decided) {
		status = decided.status
	}
	var start *sandbox.StartError
	if errors.As(err, &start) {
		status = start.Status
	}
	text, hint := err.Error(), ""
	var own *Error
	if errors.As(err, &own) {
		hint = own.Hint
		if own.Status != 0 {
			status = own.Status
		}
	}
	if hint == "" {
		hint = hintOf(err)
	}
	if errors.Is(err, context.Canceled) && strings.HasSuffix(text, context.Canceled.Error()) {
		text = strings.TrimSuffix(text, "context canceled") + "canceled"
	}
	text = oneLine(text)
	if hint = oneLine(hint); hint != "" && !strings.Contains(text, hint) {
		text += "; " + hint
	}
	return text, status
}

var words = []struct{ answer, hint string }{
	{"server gave HTTP response to HTTPS client", "mark the registry as insecure in registries.conf"},
	{"certificate signed by unknown authority", "put the registry's CA into certs.d/HOST:PORT/ca.crt, or mark it as insecure in registries.conf"},
	{"unauthorized", `name an account with "dhow login REGISTRY"`},
	{"authentication required", `name an account with "dhow login REGISTRY"`},
	{"toomanyrequests", "wait, or name an account: registries bound how often a stranger may pull"},
}

// hintOf asks the error for its cure, or knows one.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		// what the answer is written to is not dhow's to tidy up
		if at := new(fs.PathError); errors.As(err, &at) && strings.HasPrefix(at.Path, "/dev/") {
			return ""
		}
		return `free space with "dhow builder prune" or "dhow rmi"`
	case errors.Is(err, syscall.EDQUOT):
		return `your quota is used up: free space with "dhow builder prune" or "dhow rmi"`
	case errors.Is(err, syscall.EROFS):
		if at := new(fs.PathError); errors.As(err, &at) && strings.Contains(at.Path, "/store-") {
			return "mount it for writing, or name another store with --root or XDG_DATA_HOME"
		}
	case errors.Is(err, syscall.EMFILE):
		return "raise the limit of open files (ulimit -n)"
	}
	// Registries answer in words; the library that asks them keeps no types of theirs.
	text := err.Error()
	for _, w := range words {
		if strings.Contains(text, w.answer) {
			return w.hint
		}
	}
	return ""
}

// oneLine joins lines with "; " and escapes what could drive a terminal: error texts carry names
// from images and answers of registries.
func oneLine(s string) string {
	if strings.ContainsAny(s, "\r\n") {
		var parts []string
		for _, p := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if p = strings.TrimSpace(p); p != "" {
				parts = append(parts, p)
			}
		}
		s = strings.Join(parts, "; ")
	}
	const longest = 4 << 10 // an answer of a registry may be a page
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return ui.Escape(strings.ToValidUTF8(s, "\uFFFD"))
}
