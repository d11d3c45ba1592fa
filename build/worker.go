package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/step"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/progress"
)

// made is the result of a step: a filesystem, as the store's layers of a base image and cached
// layers on top.
type made struct {
	rootfs *step.Rootfs
	base   []storage.Layer
	layers []*cache.Layer
	id     string // tells this filesystem from any other, also of the same key
}

// identity is that of a filesystem made of one with the identity below and a layer on top.
func identity(below, serial string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(below+" "+serial)))
}

// baseIdentity is that of an image's filesystem.
func baseIdentity(op *plan.BaseOp) string {
	id := "image"
	for _, d := range op.DiffIDs {
		id = identity(id, d.String())
	}
	return id
}

// worker does for schedule what the steps of one graph ask for.
type worker struct {
	s     *session
	bench *step.Bench
	graph *plan.Graph

	unflushed atomic.Bool // whether any layer may not have reached the disk yet

	mu       sync.Mutex
	prepared map[*plan.Node]*step.Prepared
	looked   map[*plan.Node]step.Looked
	// whole are the keys of the filesystems steps leave: those of the steps, but for COPY --link,
	// whose own key knows nothing of what lies below.
	whole   map[*plan.Node]string
	held    []*cache.Layer
	views   []*step.Rootfs
	begun   bool
	reading int // how many steps have not read their contexts yet
}

const contextItem = "[internal] load build context"

func itemID(n *plan.Node) string { return "step-" + strconv.Itoa(n.ID) }

// Known tells whether the result need not be made.
func (w *worker) Known(n *plan.Node, key, below string) (string, bool, error) {
	if op, ok := n.Op.(*plan.BaseOp); ok {
		w.cached(n)
		return baseIdentity(op), true, nil
	}
	on := below
	if independent(n) {
		on = ""
	}
	r, err := w.s.cache.Peek(w.record(key), on)
	if r == nil || err != nil {
		return "", false, err
	}
	w.cached(n)
	return identity(below, r.Serial), true, nil
}

// cached shows that a step need not be done.
func (w *worker) cached(n *plan.Node) {
	w.s.o.Progress.Emit(progress.Event{ID: itemID(n), Name: n.Name, State: progress.Cached})
}

// independent tells a step whose layer does not depend on what it lies on.
func independent(n *plan.Node) bool {
	op, ok := n.Op.(*plan.CopyOp)
	return ok && op.Link
}

// below is the identity of what a step's layer will lie on, "" when that does not matter.
func below(n *plan.Node, parent *made) string {
	if independent(n) || parent == nil {
		return ""
	}
	return parent.id
}

// Find gives a cached result.
func (w *worker) Find(ctx context.Context, n *plan.Node, key string, parent *made) (*made, bool, error) {
	if op, ok := n.Op.(*plan.BaseOp); ok {
		m, err := w.base(op)
		if err != nil {
			return nil, false, w.fail(ctx, n, err)
		}
		return m, true, nil
	}
	l, err := w.s.cache.Find(w.record(key), below(n, parent))
	if err != nil {
		return nil, false, w.fail(ctx, n, err)
	}
	if l == nil {
		return nil, false, nil
	}
	if !w.unflushed.Load() && !w.s.cache.Flushed(&l.Record) {
		w.unflushed.Store(true)
	}
	return w.on(parent, l), true, nil
}

// base gives the layers of an image.
func (w *worker) base(op *plan.BaseOp) (*made, error) {
	chain, err := w.s.chains.get(w.s.o.Store, op.ID)
	if err != nil {
		return nil, err
	}
	m := &made{rootfs: &step.Rootfs{}, base: chain.Layers, id: baseIdentity(op)}
	for _, l := range chain.Layers {
		m.rootfs.Layers = append(m.rootfs.Layers, step.Layer{Dir: l.Dir, Links: l.Links})
	}
	w.keep(nil, m.rootfs)
	return m, nil
}

// on is the result of a layer on top of its parent's.
func (w *worker) on(parent *made, l *cache.Layer) *made {
	m := &made{rootfs: &step.Rootfs{}, id: identity("", l.Serial)}
	if parent != nil {
		m.id = identity(parent.id, l.Serial)
		m.base = parent.base
		m.layers = append(m.layers, parent.layers...)
		m.rootfs.Layers = append(m.rootfs.Layers, parent.rootfs.Layers...)
	}
	m.layers = append(m.layers, l)
	m.rootfs.Layers = append(m.rootfs.Layers, step.Layer{Dir: l.Dir(), Links: l.Links})
	w.keep(l, m.rootfs)
	return m
}

// keep remembers what must be closed when the build ends.
func (w *worker) keep(l *cache.Layer, r *step.Rootfs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l != nil {
		w.held = append(w.held, l)
	}
	w.views = append(w.views, r)
}

// Make does a step, unless another build does it just now.
func (w *worker) Make(ctx context.Context, n *plan.Node, key string, fresh bool, parent *made, inputs []*made) (*made, error) {
	id := itemID(n)
	flight, there, err := w.s.cache.Make(ctx, w.record(key), below(n, parent), fresh, func() {
		w.s.o.Progress.Emit(progress.Event{ID: id, Name: n.Name, Action: "waiting for another build that does the same"})
	})
	if err != nil {
		return nil, w.fail(ctx, n, err)
	}
	if there != nil {
		w.cached(n)
		return w.on(parent, there), nil
	}
	defer flight.Close()
	w.s.o.Progress.Emit(progress.Event{ID: id, Name: n.Name})
	l, err := w.do(ctx, n, flight, parent, inputs)
	if err != nil {
		return nil, w.fail(ctx, n, err)
	}
	w.s.o.Progress.Emit(progress.Event{ID: id, Name: n.Name, State: progress.Done})
	return w.on(parent, l), nil
}

func (w *worker) do(ctx context.Context, n *plan.Node, flight *cache.Flight, parent *made, inputs []*made) (l *cache.Layer, err error) {
	tmp, err := w.s.cache.Scratch()
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := tmp.Close(); cerr != nil && err == nil {
			l.Release()
			l, err = nil, cerr
		}
	}()
	w.mu.Lock()
	t := &step.Task{Node: n, ID: itemID(n), Parent: &step.Rootfs{}, Prepared: w.prepared[n], Scratch: tmp}
	w.mu.Unlock()
	if parent != nil {
		t.Parent = parent.rootfs
	}
	for _, in := range inputs {
		t.Inputs = append(t.Inputs, in.rootfs)
	}
	layer, err := w.bench.Do(ctx, t)
	if err != nil {
		return nil, err
	}
	w.unflushed.Store(true)
	return flight.Keep(layer)
}

// fail gives an error the place of its instruction and ends the item.
func (w *worker) fail(ctx context.Context, n *plan.Node, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		w.s.o.Progress.Emit(progress.Event{ID: itemID(n), Name: n.Name, State: progress.Canceled})
		return context.Canceled
	}
	var failed *step.Error
	if !errors.As(err, &failed) {
		failed = &step.Error{Err: err}
		err = failed
	}
	failed.Name, failed.File, failed.Span = n.Name, w.s.file.Name, n.Span
	w.s.o.Progress.Emit(progress.Event{ID: itemID(n), Name: n.Name, State: progress.Failed, Err: err})
	return w.s.file.Wrap(n.Span, err)
}

// close lets go of everything the results hold.
func (w *worker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, v := range w.views {
		errs = append(errs, v.Close())
	}
	for _, l := range w.held {
		l.Release()
	}
	for _, p := range w.prepared {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
