package sandbox

import (
	"errors"
	"strings"
	"syscall"
)

// noise is what libcontainer puts before the cause of a failed start; the cause alone says enough.
var noise = []string{"unable to start container process: ", "error during container init: ", "unable to start init: "}

// startError gives a failed start Docker's exit status. libcontainer passes the errors of its init on
// as text, so text decides, as it does in Docker (docker/cli: container/run.go, toStatusError).
func startError(err error) *StartError {
	var known *StartError
	if errors.As(err, &known) {
		return known
	}
	text := err.Error()
	for again := true; again; {
		again = false
		for _, n := range noise {
			if rest, ok := strings.CutPrefix(text, n); ok {
				text, again = rest, true
			}
		}
	}
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", " ")), " ")
	if name, ok := strings.CutPrefix(text, "open sysctl "); ok && strings.HasSuffix(text, syscall.ENOENT.Error()) {
		name, _, _ = strings.Cut(name, " ")
		text = "sysctl '" + name + "': this kernel has none of that name"
	}
	if strings.HasPrefix(text, "mkdir ") {
		text = "making the working directory: " + text
	}
	status := 125
	switch {
	case strings.HasPrefix(text, "exec: ") && (strings.Contains(text, "executable file not found") || strings.Contains(text, syscall.ENOENT.Error())):
		status = 127
	case strings.HasPrefix(text, "exec: "), strings.HasPrefix(text, "chdir to cwd") && strings.Contains(text, syscall.EACCES.Error()):
		status = 126
	case strings.Contains(text, syscall.ENOTDIR.Error()):
		status = 127
	}
	return &StartError{Status: status, Err: &wrapped{text, err}}
}

// wrapped shows a shorter text and keeps the error.
type wrapped struct {
	text string
	err  error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.err }
