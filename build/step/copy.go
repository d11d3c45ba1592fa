package step

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// copy does COPY and ADD.
func (b *Bench) copy(ctx context.Context, t *Task, op *plan.CopyOp) (cache.Made, error) {
	var none cache.Made
	dir := filepath.Join(t.Scratch.Dir, "upper")
	parent := t.Parent
	if op.Link {
		parent = nil
	}
	u, done, err := b.union(dir, parent)
	if err != nil {
		return none, err
	}
	defer done()
	var who *owner
	if op.Chown != "" {
		o, err := parseOwner(op.Chown, u.lower, b.Mapping)
		if err != nil {
			return none, fmt.Errorf("--chown=%s: %w", op.Chown, err)
		}
		who = &o
	}
	c := &copying{b: b, t: t, op: op, u: u, upper: dir, owner: who, content: &tree.Content{}}
	for i, item := range op.Items {
		if err := c.item(ctx, i, item); err != nil {
			return none, err
		}
	}
	return cache.Made{Dir: dir, Links: u.owners.Links, Name: t.Node.Name, Size: c.size, Once: c.grown}, nil
}

// copying is one COPY or ADD.
type copying struct {
	b       *Bench
	t       *Task
	op      *plan.CopyOp
	u       *union
	upper   string
	owner   *owner
	content *tree.Content
	size    int64
	grown   bool
}

// item puts one source in place.
func (c *copying) item(ctx context.Context, i int, item plan.CopyItem) error {
	switch {
	case item.Inline != nil:
		mode := os.FileMode(0o644)
		at := time.Now()
		sel, root, err := c.file(i, item.Inline.Name, mode, at, func(f *os.File) error {
			_, err := f.WriteString(item.Inline.Data)
			return err
		})
		if err != nil {
			return fmt.Errorf("writing the heredoc %s: %w", item.Inline.Name, err)
		}
		defer root.Close()
		return c.put(ctx, sel, root, false, false)
	case item.URL != nil:
		got, err := c.t.Prepared.fetched(ctx, c.b, c.t, i, item.URL)
		if err != nil {
			return err
		}
		root, err := openDir(filepath.Dir(got.path))
		if err != nil {
			return fmt.Errorf("reading %s: %w", item.URL.Address, err)
		}
		defer root.Close()
		sel, err := one(root, filepath.Base(got.path), item.URL.Filename)
		if err != nil {
			return fmt.Errorf("reading %s: %w", item.URL.Address, err)
		}
		return c.put(ctx, sel, root, false, item.URL.Unpack)
	}
	root, keep, sels, err := c.selections(i)
	if err != nil {
		return err
	}
	for _, sel := range sels {
		if err := c.put(ctx, sel, root, keep, item.Unpack); err != nil {
			return err
		}
	}
	return nil
}

// selections gives the tree of a pattern, whether its owners count, and what was matched in it.
func (c *copying) selections(i int) (*os.File, bool, []source.Selection, error) {
	if c.op.From.Kind == plan.FromContext {
		from := c.b.Sources.Context(c.op.From.Context)
		return from.Root(), false, c.t.Prepared.selections[i], nil
	}
	in := &Rootfs{}
	if c.op.From.Kind == plan.FromNode {
		var err error
		if in, err = c.t.input(c.op.From.Node); err != nil {
			return nil, false, nil, err
		}
	}
	root, err := in.Root(c.b.Cache)
	if err != nil {
		return nil, false, nil, err
	}
	if sels, ok := c.t.Prepared.selections[i]; ok {
		return root, true, sels, nil
	}
	sels, err := c.b.selectFrom(in, root, c.op.Items[i], c.op.Exclude)
	return root, true, sels, err
}

// imageStat shows the owners, modes and devices the image has, where the disk can not.
func imageStat(tree *ownership.Tree) source.StatFunc {
	return func(dirfd int, name, rel string) (unix.Stat_t, error) {
		a, st, err := tree.Lstat(dirfd, name, rel)
		if err != nil {
			var errno unix.Errno
			if errors.As(err, &errno) {
				return st, errno
			}
			return st, err
		}
		st.Uid, st.Gid, st.Mode, st.Rdev = a.UID, a.GID, a.Mode, a.Rdev
		return st, nil
	}
}

func patternOf(item plan.CopyItem) source.Pattern {
	return source.Pattern{Path: item.Pattern, Parents: item.Parents, Required: item.Required}
}

// put copies one selection, or unpacks it when it is an archive and that was asked for.
func (c *copying) put(ctx context.Context, sel source.Selection, root *os.File, keep, unpack bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if unpack && !sel.Dir {
		done, err := c.unpack(ctx, sel, root)
		if done || err != nil {
			return err
		}
	}
	cp := &copier{u: c.u, src: int(root.Fd()), keep: keep, owner: c.owner, chmod: c.op.Chmod, at: c.op.Epoch,
		content: c.content, links: map[inode]string{}, ctx: ctx}
	if err := cp.put(sel, c.op.Dest); err != nil {
		return err
	}
	c.size += cp.size.Load()
	c.grown = c.grown || cp.grown.Load()
	return nil
}

// file makes a file of its own for a source that is none, and the selection that means it.
func (c *copying) file(i int, name string, mode os.FileMode, at time.Time, write func(*os.File) error) (sel source.Selection, root *os.File, err error) {
	dir := filepath.Join(c.t.Scratch.Dir, "inline-"+strconv.Itoa(i))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return sel, nil, err
	}
	const here = "file"
	f, err := os.OpenFile(filepath.Join(dir, here), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sel, nil, err
	}
	err = errors.Join(write(f), f.Chmod(mode), f.Close(), os.Chtimes(filepath.Join(dir, here), at, at))
	if err != nil {
		return sel, nil, err
	}
	if root, err = openDir(dir); err != nil {
		return sel, nil, err
	}
	if sel, err = one(root, here, filepath.Base(name)); err != nil {
		root.Close()
	}
	return sel, root, err
}

// one is the selection of a single file in root; name is what it is called when it is copied into
// a directory.
func one(root *os.File, file, name string) (source.Selection, error) {
	sel := source.Selection{Path: "/" + file, Base: name, Entries: make([]source.Entry, 1)}
	err := unix.Fstatat(int(root.Fd()), file, &sel.Entries[0].Stat, unix.AT_SYMLINK_NOFOLLOW)
	return sel, err
}
