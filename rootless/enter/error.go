package enter

import "syscall"

// Error says why the namespaces could not be entered.
type Error struct {
	// Op is the attempt: "creating a user namespace".
	Op string
	// Errno is what the kernel answered, 0 when it was not asked.
	Errno syscall.Errno
	// Cause is the reason as far as it can be told, empty when unknown.
	Cause string
	hint  string
}

func (e *Error) Error() string {
	s := e.Op
	if e.Errno != 0 {
		s += ": " + e.Errno.Error()
	}
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

// Unwrap gives the errno, nil when the kernel was not asked.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Hint is one line that tells how to cure it.
func (e *Error) Hint() string { return e.hint }
