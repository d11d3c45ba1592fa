package storage

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/progress"
)

// reporter turns image/v5's progress into ours: one item a blob.
type reporter struct {
	report progress.Func
	action string
	in     chan types.ProgressProperties
	done   sync.WaitGroup
	open   map[string]progress.Event
}

const reportEvery = 100 * time.Millisecond

func newReporter(report progress.Func, action string) *reporter {
	r := &reporter{report: report, action: action, open: map[string]progress.Event{}}
	if report == nil {
		return r
	}
	r.in = make(chan types.ProgressProperties, 16)
	r.done.Add(1)
	go func() {
		defer r.done.Done()
		for p := range r.in {
			r.take(p)
		}
	}()
	return r
}

func (r *reporter) events() chan types.ProgressProperties { return r.in }

func (r *reporter) interval() time.Duration {
	if r.in == nil {
		return 0
	}
	return reportEvery
}

func (r *reporter) take(p types.ProgressProperties) {
	if p.Artifact.Digest == "" || strings.Contains(p.Artifact.MediaType, "config") || strings.Contains(p.Artifact.MediaType, "container.image.v1") {
		return // people know of layers
	}
	id := p.Artifact.Digest.String()
	e := progress.Event{
		ID:      id,
		Name:    short(p.Artifact.Digest.Encoded()),
		Action:  r.action,
		Current: int64(p.Offset),
		Total:   max(p.Artifact.Size, 0),
	}
	switch p.Event {
	case types.ProgressEventDone:
		e.State, e.Current = progress.Done, e.Total
		delete(r.open, id)
	case types.ProgressEventSkipped:
		e.State, e.Current = progress.Cached, e.Total
		delete(r.open, id)
	default:
		r.open[id] = e
	}
	r.report.Emit(e)
}

// close ends the items that are still open, by what became of the transfer.
func (r *reporter) close(err error) {
	if r.in == nil {
		return
	}
	close(r.in)
	r.done.Wait()
	for _, e := range r.open {
		switch {
		case err == nil:
			e.State = progress.Done
		case errors.Is(err, context.Canceled):
			e.State = progress.Canceled
		default:
			e.State = progress.Failed
			e.Err = err
		}
		r.report.Emit(e)
	}
}
