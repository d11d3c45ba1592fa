package step

import (
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/source"
)

// crew copies the regular files of a directory beside the walk through it, which makes everything else in
// order. A file that has several names is made by the walk: those that come later lead to the first.
type crew struct {
	jobs chan job // nil: everything is made by the walk
	wait sync.WaitGroup
	bad  atomic.Bool
	mu   sync.Mutex
	err  error // the first
}

// job is one call of make.
type job struct {
	l                    *level
	src, name, dst, what string
	e                    *source.Entry
}

const (
	// fewEntries is up to how many a crew is not worth its coming.
	fewEntries = 16
	// maxCrew bounds the crew: more writers of one filesystem are in each other's way.
	maxCrew = 8
	// waitingJobs bounds how many directories are open at a time.
	waitingJobs = 64
)

// gather starts a crew for a number of entries.
func (c *copier) gather(entries int) *crew {
	w := &crew{}
	hands := min(runtime.GOMAXPROCS(0), maxCrew)
	if entries <= fewEntries || hands < 2 {
		return w
	}
	w.jobs = make(chan job, waitingJobs)
	for range hands {
		w.wait.Go(func() {
			for j := range w.jobs {
				w.do(c, j)
			}
		})
	}
	return w
}

func (w *crew) do(c *copier, j job) {
	if !w.bad.Load() && c.ctx.Err() == nil {
		if err := c.regular(j.l, j.src, j.name, j.dst, j.e); err != nil {
			w.fail(&fs.PathError{Op: "copying", Path: j.what, Err: err})
		}
	}
	if err := j.l.leave(); err != nil {
		w.fail(err)
	}
}

func (w *crew) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.bad.Store(true)
}

// takes reports whether a file is copied by the crew.
func (w *crew) takes(st *unix.Stat_t) bool {
	return w != nil && w.jobs != nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1
}

func (w *crew) failed() bool { return w.bad.Load() }

// dismiss waits for the crew and gives its first error.
func (w *crew) dismiss() error {
	if w.jobs != nil {
		close(w.jobs)
		w.wait.Wait()
	}
	return w.err
}
