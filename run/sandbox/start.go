package sandbox

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// Container is a running container. Wait and Close are called once, the other methods at any time
// between.
type Container struct{}

// Start makes the container and starts its payload. The error is a *StartError; nothing is left then.
// Cancelling ctx during Start gives the container up; afterwards it has no effect.
func Start(ctx context.Context, r Request) (*Container, error) {
	return nil, &StartError{125, errors.New("starting containers is being written")}
}

// Pid is the payload's process id as this process sees it.
func (c *Container) Pid() int { return 0 }

// Wait waits for the payload's end and until all its output has been passed on. The status is the
// payload's own, or 128+n when signal n ended it.
func (c *Container) Wait() (int, error) { return 0, nil }

// Signal sends sig to the payload; os.ErrProcessDone when it is gone.
func (c *Container) Signal(sig unix.Signal) error { return nil }

// Resize gives the payload's terminal a size.
func (c *Container) Resize(width, height uint16) error { return nil }

// Close ends the container if it still runs and removes its state. It may be called more than once.
func (c *Container) Close() error { return nil }
