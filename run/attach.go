package run

import (
	"context"
	"errors"

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
	if f.State.Active() {
		return Attach(ctx, o.book(), f, c)
	}
	ours, theirs, err := monitor.Pair()
	if err != nil {
		return 125, err
	}
	if !f.OpenStdin {
		c.In = nil
	}
	watch, err := o.book().Watch(f)
	if err != nil {
		theirs.Close()
		ours.Close()
		return 125, err
	}
	if f, err = o.start(f.ID, theirs, c.In != nil); err != nil {
		theirs.Close()
		ours.Close()
		watch.Close()
		return 125, err
	}
	theirs.Close()
	o.book().Tell(f.Container, "attach")
	return exitOf(ctx, o.book(), f, watch, c.Follow(ctx, f.Dir, ours, f.Terminal))
}

// Feed starts a container, gives it the caller's input and leaves it when that has ended.
func Feed(ctx context.Context, o Options, name string, c monitor.Caller) error {
	f, err := o.book().Find(name)
	if err != nil {
		return err
	}
	ours, theirs, err := monitor.Pair()
	if err != nil {
		return err
	}
	if !f.OpenStdin {
		c.In = nil
	}
	f, err = o.start(f.ID, theirs, c.In != nil)
	theirs.Close()
	if err != nil {
		ours.Close()
		return err
	}
	o.book().Tell(f.Container, "attach")
	return c.Feed(ctx, f.Dir, ours)
}

// RunAttached is Run with a monitor of its own between the container and the caller, so that the person
// can leave it (monitor.ErrDetached) and come back.
func RunAttached(ctx context.Context, o Options, c monitor.Caller) (int, error) {
	s := early(o)
	made, err := create(ctx, o)
	if err != nil {
		s.dismiss()
		return 125, err
	}
	f := record.Found{Container: made.entry.Container, Dir: made.entry.Dir()}
	ours, theirs, err := monitor.Pair()
	if err != nil {
		s.dismiss()
		return 125, errors.Join(err, made.discard())
	}
	if !o.Interactive {
		c.In = nil
	}
	h := handover{
		Dir: o.Dir, ID: f.ID, Mapping: o.Mapping, New: true, CIDFile: o.CIDFile,
		Attached: true, Stdin: c.In != nil,
	}
	h.Width, h.Height = c.Size(o.Terminal)
	watch, err := o.book().Watch(f)
	if err != nil {
		s.dismiss()
		ours.Close()
		theirs.Close()
		return 125, errors.Join(err, made.discard())
	}
	o.book().Tell(f.Container, "attach")
	err = handOver(h, made.entry, theirs, s)
	theirs.Close()
	if err != nil {
		ours.Close()
		watch.Close()
		return 125, err
	}
	return exitOf(ctx, o.book(), f, watch, c.Follow(ctx, f.Dir, ours, f.Terminal))
}

// Attach connects the caller to a running container and gives its exit status when it has ended.
func Attach(ctx context.Context, b record.Book, f record.Found, c monitor.Caller) (int, error) {
	if !f.OpenStdin {
		c.In = nil
	}
	watch, err := b.Watch(f)
	if err != nil {
		return 125, err
	}
	b.Tell(f.Container, "attach")
	return exitOf(ctx, b, f, watch, monitor.Attach(ctx, f.Dir, c))
}

// exitOf is the exit status of a container that the caller has followed to its end, or what kept it
// from that.
func exitOf(ctx context.Context, b record.Book, f record.Found, w *record.Watch, err error) (int, error) {
	if errors.Is(err, monitor.ErrDetached) {
		b.Tell(f.Container, "detach")
	}
	if err != nil {
		w.Close()
		return 125, err
	}
	return w.Wait(ctx)
}
