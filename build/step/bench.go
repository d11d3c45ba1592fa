// Package step does the work of one node of the graph: it writes one layer on top of the layers of
// the node's parents.
//
// It takes a plan.Node and the filesystems it reads, and gives a tree in the form of an overlay
// layer, in a scratch folder, ready to be renamed into the cache. When a step is done, which key it
// has and what becomes of its layer is decided elsewhere; so is the container of a RUN (run/spec,
// run/sandbox) and what is mounted into it (build/mount).
package step

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/mount"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/progress"
)

// Bench is what the steps of one build share. It is made once and not changed.
type Bench struct {
	Cache    *cache.Cache
	Mapping  idmap.Mapping
	Sources  *source.Sources
	Memory   *source.Memory
	Platform plan.Platform
	// Secrets gives the value of a secret by id; ok is false when it was not given.
	Secrets mount.Secrets
	// StateDir is where containers keep their state while they run, private to this build.
	StateDir string
	Progress progress.Func
}

// Task is one node with everything it reads.
type Task struct {
	Node   *plan.Node
	ID     string  // of its progress item
	Parent *Rootfs // never nil; without layers for an empty filesystem
	// Inputs are the filesystems of Node.Inputs, in their order.
	Inputs   []*Rootfs
	Prepared *Prepared
	// Scratch receives the layer and whatever is needed on the way.
	Scratch *cache.Scratch

	owned []io.Closer // opened on the way, closed when the step is done
}

// input gives the filesystem of another node.
func (t *Task) input(n *plan.Node) (*Rootfs, error) {
	for i, in := range t.Node.Inputs {
		if in == n && i < len(t.Inputs) {
			return t.Inputs[i], nil
		}
	}
	return nil, fmt.Errorf("%s reads a step that is not among its inputs", t.Node.Name)
}

// Do does the step. The result's tree lies in the task's scratch folder.
func (b *Bench) Do(ctx context.Context, t *Task) (made cache.Made, err error) {
	defer func() { err = errors.Join(err, t.closeOwned()) }()
	switch op := t.Node.Op.(type) {
	case *plan.CopyOp:
		return b.copy(ctx, t, op)
	case *plan.WorkdirOp:
		return b.workdir(t, op)
	case *plan.RunOp:
		return b.run(ctx, t, op)
	}
	return cache.Made{}, fmt.Errorf("a step of type %T can not be done", t.Node.Op)
}

// tree is a fresh keeper of owners for a new layer.
func (b *Bench) tree() *ownership.Tree {
	return &ownership.Tree{Native: b.Mapping.Native(), Userns: b.Mapping.Userns(), Links: ownership.Links{}}
}

// union begins a new layer in dir over parent, which may be nil.
func (b *Bench) union(dir string, parent *Rootfs) (*union, func(), error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("making a layer: %w", err)
	}
	upper, err := openDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("making a layer: %w", err)
	}
	lower, below := -1, b.tree()
	if parent != nil && len(parent.Layers) > 0 {
		root, err := parent.Root(b.Cache)
		if err != nil {
			upper.Close()
			return nil, nil, err
		}
		lower, below = int(root.Fd()), parent.Tree(b.Mapping)
	}
	u := newUnion(int(upper.Fd()), lower, b.tree(), below)
	if err := u.root(); err != nil {
		upper.Close()
		return nil, nil, fmt.Errorf("making a layer: %w", err)
	}
	return u, func() { upper.Close() }, nil
}
