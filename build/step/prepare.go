package step

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
)

// Prepared is what a step reads from outside the graph, looked at once: the key is computed from it
// and the step uses exactly that.
type Prepared struct {
	// Inputs has Items and Mounts filled in, for cache.Key.
	Inputs cache.Inputs
	// MountIDs name the contents behind each of RunOp.Mounts that reads another step: its key.
	MountIDs []string

	// selections are those of CopyOp.Items, or of RunOp.Mounts, that come from a context.
	selections map[int][]source.Selection
	digests    map[int]string
	urls       map[int]*fetched
	tmp        *cache.Scratch
}

// Close removes what was fetched.
func (p *Prepared) Close() error {
	if p == nil {
		return nil
	}
	return p.tmp.Close()
}

// Prepare looks at the context files and URLs a step reads. The caller closes the result. t needs
// Node and ID only.
func (b *Bench) Prepare(ctx context.Context, t *Task) (*Prepared, error) {
	p := &Prepared{selections: map[int][]source.Selection{}, digests: map[int]string{}, urls: map[int]*fetched{}}
	p.Inputs.Platform = b.Platform
	var err error
	switch op := t.Node.Op.(type) {
	case *plan.CopyOp:
		err = b.prepareCopy(ctx, t, p, op)
	case *plan.RunOp:
		err = b.prepareRun(ctx, p, op)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (b *Bench) prepareCopy(ctx context.Context, t *Task, p *Prepared, op *plan.CopyOp) error {
	p.Inputs.Items = make([]string, len(op.Items))
	for i, item := range op.Items {
		var err error
		switch {
		case item.URL != nil:
			p.Inputs.Items[i], err = p.fetch(ctx, b, t, i, item.URL)
		case item.Inline == nil && op.From.Kind == plan.FromContext:
			p.Inputs.Items[i], err = b.look(ctx, p, i, op.From.Context, patternOf(item), op.Exclude)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Bench) prepareRun(ctx context.Context, p *Prepared, op *plan.RunOp) error {
	p.Inputs.Mounts = make([]string, len(op.Mounts))
	for i, m := range op.Mounts {
		if m.From.Kind != plan.FromContext || m.Type != "bind" && m.Type != "cache" {
			continue
		}
		var err error
		p.Inputs.Mounts[i], err = b.look(ctx, p, i, m.From.Context, source.Pattern{Path: m.Source, Required: true}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// Looked are the selections a COPY has made from another step already.
type Looked map[int][]source.Selection

// Use spares the step from looking again.
func (p *Prepared) Use(l Looked) {
	for i, sels := range l {
		p.selections[i] = sels
	}
}

// ContentsNote is the key under which the digest of what a COPY reads of a filesystem with identity
// id can be noted.
func (b *Bench) ContentsNote(op *plan.CopyOp, id string) string {
	h := sha256.New()
	fmt.Fprintf(h, "contents 1 %q %q", id, op.Exclude)
	for _, item := range op.Items {
		if item.URL == nil && item.Inline == nil {
			fmt.Fprintf(h, " %q %q %v", item.Pattern, item.Parents, item.Required)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Contents gives the digest of what a COPY reads of another step's filesystem.
func (b *Bench) Contents(ctx context.Context, op *plan.CopyOp, in *Rootfs) (string, Looked, error) {
	root, err := in.Root(b.Cache)
	if err != nil {
		return "", nil, err
	}
	looked := Looked{}
	h := sha256.New()
	for i, item := range op.Items {
		if item.URL != nil || item.Inline != nil {
			continue
		}
		sels, err := b.selectFrom(in, root, item, op.Exclude)
		if err != nil {
			return "", nil, err
		}
		d, err := source.Digest(ctx, root, sels, source.DigestOptions{Owners: true,
			SkipXattr: func(name string) bool { return !keepsXattr(name) }})
		if err != nil {
			return "", nil, err
		}
		fmt.Fprintf(h, "%d %s\n", i, d)
		looked[i] = sels
	}
	return fmt.Sprintf("content:%x", h.Sum(nil)), looked, nil
}

// selectFrom finds what a source of a COPY means in another step's filesystem.
func (b *Bench) selectFrom(in *Rootfs, root *os.File, item plan.CopyItem, exclude []string) ([]source.Selection, error) {
	opts := source.SelectOptions{Exclude: exclude}
	if tree := in.Tree(b.Mapping); !tree.Native || tree.Userns {
		opts.Stat = imageStat(tree)
	}
	return source.Select(root, []source.Pattern{patternOf(item)}, opts)
}

// look selects from a context and gives the digest of what it found.
func (b *Bench) look(ctx context.Context, p *Prepared, i int, name string, pattern source.Pattern, exclude []string) (string, error) {
	from := b.Sources.Context(name)
	if from == nil {
		return "", fmt.Errorf("there is no build context %q", name)
	}
	sels, err := source.Select(from.Root(), []source.Pattern{pattern},
		source.SelectOptions{Exclude: exclude, Ignore: from.Ignore})
	if err != nil {
		return "", err
	}
	d, err := source.Digest(ctx, from.Root(), sels, source.DigestOptions{Memory: b.Memory,
		SkipXattr: func(name string) bool { return !keepsXattr(name) }})
	if err != nil {
		return "", err
	}
	p.selections[i], p.digests[i] = sels, d
	return d, nil
}
