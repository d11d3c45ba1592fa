package commands

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// stdin is the standard input of a command that a signal cancels: a read that waits for more ends then,
// too.
func (c *call) stdin() (io.Reader, error) { return waitable(c.cancellable(), os.Stdin) }

func waitable(ctx context.Context, f *os.File) (io.Reader, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { w.Close() })
	return &waited{ctx, f, r}, nil
}

// waited reads from f as long as the other end of over is open.
type waited struct {
	ctx  context.Context
	f    *os.File
	over *os.File
}

func (w *waited) Read(p []byte) (int, error) {
	for {
		fds := []unix.PollFd{{Fd: int32(w.f.Fd()), Events: unix.POLLIN}, {Fd: int32(w.over.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("poll", err)
		case w.ctx.Err() != nil || fds[1].Revents != 0:
			return 0, context.Cause(w.ctx)
		}
		return w.f.Read(p)
	}
}
