package step

import "github.com/dhow-containers/dhow/dockerfile"

// Error is a step that failed. Error() says what went wrong; the lines and the log are for the
// display.
type Error struct {
	Name string // the step as the progress shows it
	// File and Span locate the instruction; File is as the user named it.
	File string
	Span dockerfile.Span
	// ExitCode is how the command of a RUN ended, 0 when no command ran.
	ExitCode int
	// LogTail are the last lines the step printed, at most 64 KiB.
	LogTail []byte
	Err     error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }
