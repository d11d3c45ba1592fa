// Package schedule decides which steps of a graph are done, and when.
//
// It knows nothing of layers and caches but what a Worker tells: a step whose key is known need not
// be done, and then neither need the steps it would have read from. All others start as soon as what
// they read is there, as many at a time as the caller allows. The first failure cancels the rest.
package schedule

import (
	"context"
	"errors"
	"sync"

	"github.com/dhow-containers/dhow/build/plan"
)

// Worker does what a step asks for. Its methods are called from many goroutines.
type Worker[R any] interface {
	// Key computes the key of n from those of its parent ("" for none) and its inputs.
	Key(ctx context.Context, n *plan.Node, parent string, inputs []string) (string, error)
	// Known tells whether the cache has the result of key, without fetching it. id is its identity;
	// below is that of the parent's result, "" for none.
	Known(n *plan.Node, key, below string) (id string, ok bool, err error)
	// Find gives the result from the cache; ok is false when it is not there after all.
	Find(ctx context.Context, n *plan.Node, key string, parent R) (result R, ok bool, err error)
	// Make makes the result, or takes what another build has made meanwhile. With fresh set it does
	// not.
	Make(ctx context.Context, n *plan.Node, key string, fresh bool, parent R, inputs []R) (R, error)
	// Skip tells that nobody needs the result of n; known says that the cache has it.
	Skip(n *plan.Node, known bool)
}

// Run gives the result of goal, with all others that were needed. nodes are goal and everything it
// leads to, each after its parent and inputs. At most jobs steps are made at a time.
func Run[R any](ctx context.Context, nodes []*plan.Node, goal *plan.Node, jobs int, w Worker[R]) (map[*plan.Node]R, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run[R]{ctx: ctx, cancel: cancel, worker: w, slots: make(chan struct{}, max(jobs, 1)), tasks: map[*plan.Node]*task[R]{}}
	for _, n := range nodes {
		r.tasks[n] = &task[R]{node: n, keyed: make(chan struct{}), done: make(chan struct{})}
	}
	if err := r.keys(nodes, jobs); err != nil {
		return nil, err
	}
	if err := r.misses(nodes); err != nil {
		return nil, err
	}
	if goal != nil {
		r.need(r.tasks[goal])
	}
	for _, n := range nodes {
		if t := r.tasks[n]; !t.needed() {
			w.Skip(n, !t.miss)
		}
	}
	r.running.Wait()
	results := map[*plan.Node]R{}
	for n, t := range r.tasks {
		if t.needed() && t.err == nil {
			results[n] = t.result
		}
	}
	if err := context.Cause(ctx); err != nil {
		return results, err
	}
	return results, nil
}

type run[R any] struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	worker  Worker[R]
	slots   chan struct{}
	tasks   map[*plan.Node]*task[R]
	running sync.WaitGroup
}

type task[R any] struct {
	node  *plan.Node
	key   string
	keyed chan struct{} // closed once key is there
	// miss says that the step must be done, as far as it was known at the beginning; id is the
	// identity of the result that was known.
	miss bool
	id   string

	mu      sync.Mutex
	started bool
	done    chan struct{} // closed once result or err is there
	result  R
	err     error
}

func (t *task[R]) needed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.started
}

// keys computes all keys: what a step reads of contexts is read here.
func (r *run[R]) keys(nodes []*plan.Node, jobs int) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(jobs, 1))
	for _, n := range nodes {
		t := r.tasks[n]
		wg.Add(1)
		go func() {
			defer wg.Done()
			parent, inputs := "", []string(nil)
			if n.Parent != nil {
				if !r.await(r.tasks[n.Parent].keyed) {
					return
				}
				parent = r.tasks[n.Parent].key
			}
			for _, in := range n.Inputs {
				if !r.await(r.tasks[in].keyed) {
					return
				}
				inputs = append(inputs, r.tasks[in].key)
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			if r.ctx.Err() != nil {
				return
			}
			key, err := r.worker.Key(r.ctx, n, parent, inputs)
			if err != nil {
				r.cancel(err)
				return
			}
			t.key = key
			close(t.keyed)
		}()
	}
	wg.Wait()
	return context.Cause(r.ctx)
}

// await waits for c; false when the run was cancelled before.
func (r *run[R]) await(c chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// misses finds out which steps must be done. A layer stands on its parent's: when that is made
// again, so is this one.
func (r *run[R]) misses(nodes []*plan.Node) error {
	for _, n := range nodes {
		t := r.tasks[n]
		below := ""
		t.miss = fresh(n)
		if n.Parent != nil {
			p := r.tasks[n.Parent]
			t.miss, below = t.miss || p.miss, p.id
		}
		if t.miss {
			continue
		}
		id, known, err := r.worker.Known(n, t.key, below)
		if err != nil {
			return err
		}
		t.miss, t.id = !known, id
	}
	return nil
}

// fresh tells whether the cache may not be asked. An image is what it is.
func fresh(n *plan.Node) bool {
	_, base := n.Op.(*plan.BaseOp)
	return n.NoCache && !base
}

// need starts a step and those whose results it will read, unless that has been done.
func (r *run[R]) need(t *task[R]) {
	t.mu.Lock()
	begin := !t.started
	t.started = true
	t.mu.Unlock()
	if !begin {
		return
	}
	if t.node.Parent != nil {
		r.need(r.tasks[t.node.Parent])
	}
	if t.miss {
		r.needInputs(t)
	}
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		defer close(t.done)
		if err := r.do(t); err != nil {
			t.err = err
			r.cancel(err)
		}
	}()
}

func (r *run[R]) needInputs(t *task[R]) {
	for _, in := range t.node.Inputs {
		r.need(r.tasks[in])
	}
}

func (r *run[R]) do(t *task[R]) (err error) {
	n := t.node
	var parent R
	fresh := fresh(n)
	if n.Parent != nil {
		p := r.tasks[n.Parent]
		if !r.await(p.done) || p.err != nil {
			return context.Canceled
		}
		parent = p.result
	}
	if !fresh {
		result, ok, err := r.worker.Find(r.ctx, n, t.key, parent)
		if err != nil {
			return err
		}
		if ok {
			t.result = result
			return nil
		}
	}
	r.needInputs(t) // not started yet when the result was known and is gone by now
	var inputs []R
	for _, in := range n.Inputs {
		i := r.tasks[in]
		if !r.await(i.done) || i.err != nil {
			return context.Canceled
		}
		inputs = append(inputs, i.result)
	}
	select {
	case r.slots <- struct{}{}:
	case <-r.ctx.Done():
		return context.Canceled
	}
	defer func() { <-r.slots }()
	if r.ctx.Err() != nil {
		return context.Canceled
	}
	result, err := r.worker.Make(r.ctx, n, t.key, fresh, parent, inputs)
	if err != nil {
		if r.ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return context.Canceled
		}
		return err
	}
	t.result = result
	return nil
}
