package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/step"
	"github.com/dhow-containers/dhow/storage/progress"
)

// ReadsContents is true of COPY from another stage or image: what the files are counts, not how they
// came to be.
func (w *worker) ReadsContents(n *plan.Node) bool {
	op, ok := n.Op.(*plan.CopyOp)
	return ok && op.From.Kind == plan.FromNode
}

// Contents gives the digest of the files a COPY reads from another step. It is noted down, so that a
// build that finds everything in the cache looks at none of them.
func (w *worker) Contents(ctx context.Context, n *plan.Node, i int, id string, result func() (*made, error)) (string, error) {
	op := n.Op.(*plan.CopyOp)
	note := w.bench.ContentsNote(op, id)
	if digest, ok := w.s.cache.Note(note); ok {
		return digest, nil
	}
	in, err := result()
	if err != nil {
		return "", err
	}
	digest, looked, err := w.bench.Contents(ctx, op, in.rootfs)
	if err != nil {
		return "", w.fail(ctx, n, err)
	}
	w.mu.Lock()
	w.looked[n] = looked
	w.mu.Unlock()
	if err := w.s.cache.SetNote(note, digest); err != nil {
		return "", w.fail(ctx, n, err)
	}
	return digest, nil
}

// Identity is that of a result.
func (w *worker) Identity(_ *plan.Node, m *made) string { return m.id }

// Key computes the key of n: context files and URLs it reads are looked at here.
func (w *worker) Key(ctx context.Context, n *plan.Node, parent string, inputs []string) (string, error) {
	reads := readsContext(n)
	if reads {
		w.contextBegins()
	}
	p, err := w.bench.Prepare(ctx, &step.Task{Node: n, ID: itemID(n)})
	if reads {
		w.contextEnds(ctx, err)
	}
	if err != nil {
		return "", w.fail(ctx, n, err)
	}
	w.mu.Lock()
	p.Use(w.looked[n])
	w.prepared[n] = p
	w.mu.Unlock()
	if parent != "" {
		p.Inputs.Parent = w.wholeKey(n.Parent)
	}
	p.Inputs.Inputs = inputs
	if !w.ReadsContents(n) {
		for i, in := range n.Inputs {
			p.Inputs.Inputs[i] = w.wholeKey(in)
		}
	}
	p.MountIDs = mountIDs(n, p.Inputs.Inputs)
	key, _, err := cache.Key(n, p.Inputs)
	if err != nil {
		return "", w.fail(ctx, n, err)
	}
	whole := key
	if n.Parent != nil && independent(n) {
		whole = "key:" + identity(p.Inputs.Parent, key)
	}
	w.mu.Lock()
	w.whole[n] = whole
	w.mu.Unlock()
	return key, nil
}

func (w *worker) wholeKey(n *plan.Node) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.whole[n]
}

// mountIDs gives the keys of what the mounts of a RUN read from other steps.
func mountIDs(n *plan.Node, inputs []string) []string {
	op, ok := n.Op.(*plan.RunOp)
	if !ok {
		return nil
	}
	ids := make([]string, len(op.Mounts))
	for i, m := range op.Mounts {
		for j, in := range n.Inputs {
			if m.From.Kind == plan.FromNode && m.From.Node == in {
				ids[i] = inputs[j]
			}
		}
	}
	return ids
}

// readsContext tells whether a step looks into a build context.
func readsContext(n *plan.Node) bool {
	switch op := n.Op.(type) {
	case *plan.CopyOp:
		return op.From.Kind == plan.FromContext
	case *plan.RunOp:
		for _, m := range op.Mounts {
			if m.From.Kind == plan.FromContext {
				return true
			}
		}
	}
	return false
}

// contextBegins and contextEnds show the reading of contexts, by however many steps, as one item.
func (w *worker) contextBegins() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun {
		return
	}
	w.begun = true
	for _, n := range w.graph.Nodes {
		if readsContext(n) {
			w.reading++
		}
	}
	w.s.o.Progress.Emit(progress.Event{ID: contextItem, Name: contextItem})
}

func (w *worker) contextEnds(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reading--; err != nil && w.reading > 0 {
		w.reading = 0 // the steps that follow are not looked at any more
	} else if w.reading != 0 {
		return
	}
	w.s.end(ctx, contextItem, contextItem, err)
}

// record is the key as the cache files it. A build with a fixed time makes other layers.
func (w *worker) record(key string) string {
	key = strings.TrimPrefix(key, "key:")
	if w.graph.Epoch == nil {
		return key
	}
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s at %d", key, w.graph.Epoch.UnixNano())))
}
