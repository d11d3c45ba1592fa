// Package schedule decides which steps of a graph are done, and when.
//
// It knows nothing of layers and caches but what a Worker tells. Two things happen to a step, each
// as soon as what it waits for is there, all steps side by side:
//
//   - it is identified: its key is computed, and the cache is asked whether it knows the result. A
//     step that reads files of another one is identified by their contents, so that one is made first
//     when it is not known;
//   - it is done, when somebody needs it: the result comes from the cache, or is made, as many at a
//     time as the caller allows.
//
// A step whose result is known needs only what it lies on, not what it would have read from. The
// first failure cancels the rest.
package schedule

import (
	"context"
	"errors"
	"sync"

	"github.com/dhow-containers/dhow/build/plan"
)

// Worker does what a step asks for. Its methods are called from many goroutines.
//
// Keys are what a step would be made from; the identity of a result tells this making of it from any
// other. Results with one identity are equal.
type Worker[R any] interface {
	// ReadsContents tells that the key of n depends on the files it reads from its inputs, not on how
	// they came about.
	ReadsContents(n *plan.Node) bool
	// Contents gives the digest of what n reads from the input at index i, whose identity is id.
	// result fetches that input, when looking at it can not be avoided.
	Contents(ctx context.Context, n *plan.Node, i int, id string, result func() (R, error)) (string, error)
	// Key computes the key of n from that of its parent ("" for none) and the keys, or contents, of
	// its inputs.
	Key(ctx context.Context, n *plan.Node, parent string, inputs []string) (string, error)
	// Known tells whether the cache has the result of key on a parent of the identity below ("" for
	// none), and the identity of that result.
	Known(n *plan.Node, key, below string) (id string, ok bool, err error)
	// Find gives the result from the cache; ok is false when it is not there after all.
	Find(ctx context.Context, n *plan.Node, key string, parent R) (result R, ok bool, err error)
	// Make makes the result, or takes what another build has made meanwhile. With fresh set it does
	// not.
	Make(ctx context.Context, n *plan.Node, key string, fresh bool, parent R, inputs []R) (R, error)
	// Identity is that of a result of n.
	Identity(n *plan.Node, result R) string
}

// Run gives the result of goal, with all others that were needed. nodes are goal and everything it
// leads to, each after its parent and inputs. At most jobs steps are made at a time.
func Run[R any](ctx context.Context, nodes []*plan.Node, goal *plan.Node, jobs int, w Worker[R]) (map[*plan.Node]R, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run[R]{ctx: ctx, cancel: cancel, worker: w, tasks: map[*plan.Node]*task[R]{},
		looks: make(chan struct{}, max(jobs, 1)), slots: make(chan struct{}, max(jobs, 1))}
	for _, n := range nodes {
		r.tasks[n] = &task[R]{node: n, identified: make(chan struct{}), done: make(chan struct{})}
	}
	for _, n := range nodes {
		r.start(r.tasks[n].identified, func() error { return r.identify(r.tasks[n]) })
	}
	if goal != nil {
		r.need(r.tasks[goal])
	}
	r.running.Wait()
	results := map[*plan.Node]R{}
	for n, t := range r.tasks {
		if t.finished {
			results[n] = t.result
		}
	}
	return results, context.Cause(ctx)
}

type run[R any] struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	worker  Worker[R]
	looks   chan struct{} // taken while files are looked at for a key
	slots   chan struct{} // taken while a step is made
	tasks   map[*plan.Node]*task[R]
	running sync.WaitGroup
}

type task[R any] struct {
	node *plan.Node

	// identified is closed, when the run goes on, once key is there, and id when the result is known.
	identified chan struct{}
	key, id    string
	known      bool

	once sync.Once
	// done is closed, when the run goes on, once result is there.
	done     chan struct{}
	result   R
	finished bool
}

// start runs do; then it closes end, or cancels the run.
func (r *run[R]) start(end chan struct{}, do func() error) {
	r.running.Go(func() {
		if err := do(); err != nil {
			r.cancel(err)
			return
		}
		close(end)
	})
}

// await waits for c; an error when the run was cancelled before.
func (r *run[R]) await(c chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-r.ctx.Done():
		return context.Canceled
	}
}

// slot waits for a place in c.
func (r *run[R]) slot(c chan struct{}) (free func(), err error) {
	select {
	case c <- struct{}{}:
	case <-r.ctx.Done():
		return nil, context.Canceled
	}
	if r.ctx.Err() != nil {
		<-c
		return nil, context.Canceled
	}
	return func() { <-c }, nil
}

// fresh tells whether the cache may not be asked. An image is what it is.
func fresh(n *plan.Node) bool {
	_, base := n.Op.(*plan.BaseOp)
	return n.NoCache && !base
}

// identify finds the key of a step, and whether its result is known.
func (r *run[R]) identify(t *task[R]) error {
	n := t.node
	inputs, err := r.inputs(t)
	if err != nil {
		return err
	}
	parent, below, known := "", "", true
	if n.Parent != nil {
		p := r.tasks[n.Parent]
		if err := r.await(p.identified); err != nil {
			return err
		}
		parent, below, known = p.key, p.id, p.known
	}
	free, err := r.slot(r.looks)
	if err != nil {
		return err
	}
	defer free()
	if t.key, err = r.worker.Key(r.ctx, n, parent, inputs); err != nil {
		return err
	}
	// A layer stands on its parent's: when that is made again, so is this one.
	if known && !fresh(n) {
		t.id, t.known, err = r.worker.Known(n, t.key, below)
	}
	return err
}

// inputs gives what the inputs of a step contribute to its key.
func (r *run[R]) inputs(t *task[R]) ([]string, error) {
	var out []string
	reads := r.worker.ReadsContents(t.node)
	for _, n := range t.node.Inputs {
		in := r.tasks[n]
		if err := r.await(in.identified); err != nil {
			return nil, err
		}
		if reads && !in.known {
			r.need(in) // all of them, before the first is waited for
		}
	}
	for i, n := range t.node.Inputs {
		in := r.tasks[n]
		if !reads {
			out = append(out, in.key)
			continue
		}
		id := in.id
		if !in.known {
			if err := r.await(in.done); err != nil {
				return nil, err
			}
			id = r.worker.Identity(n, in.result)
		}
		contents, err := r.contents(t, in, i, id)
		if err != nil {
			return nil, err
		}
		out = append(out, contents)
	}
	return out, nil
}

// contents asks for the contents of an input. The place for looking at files is given up while the
// input is being fetched: that may need places itself.
func (r *run[R]) contents(t, in *task[R], i int, id string) (string, error) {
	free, err := r.slot(r.looks)
	if err != nil {
		return "", err
	}
	defer func() { free() }()
	return r.worker.Contents(r.ctx, t.node, i, id, func() (result R, err error) {
		free()
		free = func() {}
		r.need(in)
		if err := r.await(in.done); err != nil {
			return result, err
		}
		place, err := r.slot(r.looks)
		if err == nil {
			free = place
		}
		return in.result, err
	})
}

// need starts a step, with what it lies on, unless that has been done.
func (r *run[R]) need(t *task[R]) {
	t.once.Do(func() {
		if t.node.Parent != nil {
			r.need(r.tasks[t.node.Parent])
		}
		r.start(t.done, func() error {
			var err error
			t.result, err = r.do(t)
			t.finished = err == nil
			return err
		})
	})
}

func (r *run[R]) do(t *task[R]) (result R, err error) {
	n := t.node
	if err := r.await(t.identified); err != nil {
		return result, err
	}
	if !t.known {
		r.needInputs(n) // they need not wait for the parent
	}
	var parent R
	if n.Parent != nil {
		p := r.tasks[n.Parent]
		if err := r.await(p.done); err != nil {
			return result, err
		}
		parent = p.result
	}
	if !fresh(n) {
		if result, ok, err := r.worker.Find(r.ctx, n, t.key, parent); ok || err != nil {
			return result, err
		}
	}
	r.needInputs(n)
	var inputs []R
	for _, in := range n.Inputs {
		if err := r.await(r.tasks[in].done); err != nil {
			return result, err
		}
		inputs = append(inputs, r.tasks[in].result)
	}
	free, err := r.slot(r.slots)
	if err != nil {
		return result, err
	}
	defer free()
	result, err = r.worker.Make(r.ctx, n, t.key, fresh(n), parent, inputs)
	if err != nil && r.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Canceled
	}
	return result, err
}

func (r *run[R]) needInputs(n *plan.Node) {
	for _, in := range n.Inputs {
		r.need(r.tasks[in])
	}
}
