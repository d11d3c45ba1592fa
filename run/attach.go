package run

import (
	"context"

	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
)

// StartAttached starts a container with a caller attached from its first byte on and gives its exit
// status; one that runs already is attached to. monitor.ErrDetached when the person left it.
func StartAttached(ctx context.Context, o Options, name string, c monitor.Caller) (int, error) {
	f, err := o.book().Find(name)
	if err != nil {
		return 125, err
	}
	if f.State.Status == record.Running {
		return Attach(ctx, o.book(), f, c)
	}
	ours, theirs, err := monitor.Pair()
	if err != nil {
		return 125, err
	}
	if !f.OpenStdin {
		c.In = nil
	}
	if f, err = o.start(f.ID, theirs, c.In != nil); err != nil {
		theirs.Close()
		ours.Close()
		return 125, err
	}
	theirs.Close()
	f.State.Status = record.Running
	return exitOf(ctx, o.book(), f, c.Follow(ctx, f.Dir, ours, f.Terminal))
}

// Attach connects the caller to a running container and gives its exit status when it has ended.
func Attach(ctx context.Context, b record.Book, f record.Found, c monitor.Caller) (int, error) {
	if !f.OpenStdin {
		c.In = nil
	}
	return exitOf(ctx, b, f, monitor.Attach(ctx, f.Dir, c))
}

func exitOf(ctx context.Context, b record.Book, f record.Found, err error) (int, error) {
	if err != nil {
		return 125, err
	}
	status, err := b.Wait(ctx, f)
	return status, err
}
