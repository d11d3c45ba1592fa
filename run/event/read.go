package event

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/log"
)

// ReadOptions says which events are wanted.
type ReadOptions struct {
	// Since is the time of the first; zero begins now.
	Since time.Time
	// Until ends it; zero follows until the context ends.
	Until  time.Time
	Filter Filter
}

// Read calls do for every wanted event, oldest first, and goes on with what happens until o.Until.
func (j Journal) Read(ctx context.Context, o ReadOptions, do func(Event) error) error {
	lines := log.LineOptions{Tail: -1, Follow: o.Until.IsZero() || time.Now().Before(o.Until), Until: o.Until}
	if o.Since.IsZero() {
		lines.Tail = 0
	}
	if lines.Follow {
		_ = os.Mkdir(filepath.Dir(j.path()), 0o700)
		wait, done := watch(filepath.Dir(j.path()), o.Until)
		defer done()
		lines.Wait = wait
	}
	err := log.Lines(ctx, j.path(), lines, func(b []byte) (bool, error) {
		e, ok := parse(b)
		if !ok || e.Time().Before(o.Since) {
			return true, nil
		}
		if !o.Until.IsZero() && e.Time().After(o.Until) {
			// Commands do not write in the order of what happened: one of a later time may stand before.
			return true, nil
		}
		if !o.Filter.Match(e) {
			return true, nil
		}
		return true, do(e)
	})
	if errors.Is(err, context.Canceled) {
		return ctx.Err()
	}
	return err
}

// Looks at the journal when nothing was heard of it, and where nothing can be: filesystems of a network
// tell nothing of what others write.
const (
	listening = 2 * time.Second
	deaf      = 100 * time.Millisecond
)

// watch gives a function that waits for something to happen in dir (inotify(7)), and what ends it.
func watch(dir string, until time.Time) (wait func(context.Context), done func()) {
	pause := func(ctx context.Context, d time.Duration) {
		if !until.IsZero() {
			d = min(d, max(time.Until(until), 0)+time.Millisecond)
		}
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		if _, err = unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return func(ctx context.Context) { pause(ctx, deaf) }, func() {}
	}
	f := os.NewFile(uintptr(fd), "events")
	heard := make(chan struct{}, 1)
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := f.Read(buf); err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	wait = func(ctx context.Context) {
		d := listening
		if !until.IsZero() {
			d = min(d, max(time.Until(until), 0)+time.Millisecond)
		}
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-heard:
		case <-t.C:
		}
	}
	return wait, func() { f.Close() }
}
