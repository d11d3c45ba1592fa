package step

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/mount"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// tree opens what mount i of a RUN reads from.
func (r *running) tree(i int, m plan.Mount) (mount.Tree, error) {
	switch m.From.Kind {
	case plan.FromContext:
		return r.contextTree(i, m)
	case plan.FromNode:
		in, err := r.t.input(m.From.Node)
		if err != nil {
			return mount.Tree{}, err
		}
		root, err := in.Root(r.b.Cache)
		return mount.Tree{Root: root, ID: r.t.Prepared.id(i)}, err
	}
	empty := &Rootfs{}
	root, err := empty.Root(r.b.Cache)
	r.t.owned = append(r.t.owned, empty)
	return mount.Tree{Root: root}, err
}

// contextTree is a context as a step sees it: without what the ignore file leaves out, everything
// owned by root. The caller's own directory is shown when it is so by itself, a copy otherwise.
func (r *running) contextTree(i int, m plan.Mount) (mount.Tree, error) {
	from := r.b.Sources.Context(m.From.Context)
	sels, id := r.t.Prepared.selections[i], r.t.Prepared.digests[i]
	if from.Ignore == nil && plainlyOwned(sels) {
		return mount.Tree{Root: from.Root(), ID: id, Foreign: true}, nil
	}
	// The copy is made once for a content, and kept like a layer.
	key := fmt.Sprintf("%x", sha256.Sum256([]byte("build context 1\x00"+id+"\x00"+m.Source)))
	flight, layer, err := r.b.Cache.Make(r.ctx, key, "", false, func() { r.waiting("build context") })
	if err != nil {
		return mount.Tree{}, err
	}
	if flight != nil {
		defer flight.Close()
		dir := filepath.Join(r.t.Scratch.Dir, "context-"+strconv.Itoa(i))
		size, err := r.copyContext(dir, int(from.Root().Fd()), sels, m.Source)
		if err != nil {
			return mount.Tree{}, fmt.Errorf("copying the build context: %w", err)
		}
		if layer, err = flight.Keep(cache.Made{Dir: dir, Name: "[internal] build context for a mount", Size: size}); err != nil {
			return mount.Tree{}, err
		}
	}
	r.t.owned = append(r.t.owned, closer(layer.Release))
	root, err := openDir(layer.Dir())
	if err != nil {
		return mount.Tree{}, err
	}
	r.t.owned = append(r.t.owned, root)
	return mount.Tree{Root: root, ID: id}, nil
}

// copyContext copies what was selected of a context to source, below dir.
func (r *running) copyContext(dir string, from int, sels []source.Selection, to string) (size int64, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return 0, err
	}
	root, err := openDir(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	u := newUnion(int(root.Fd()), -1, r.b.tree(), r.b.tree())
	if err := u.root(); err != nil {
		return 0, err
	}
	for _, sel := range sels {
		c := &copier{u: u, src: from, content: &tree.Content{}, links: map[inode]string{}, ctx: r.ctx}
		if err := c.put(sel, to); err != nil {
			return 0, err
		}
		size += c.size.Load()
	}
	return size, nil
}

// closer is an io.Closer that can not fail.
type closer func()

func (c closer) Close() error { c(); return nil }

// plainlyOwned tells whether every file belongs to root as this process sees it.
func plainlyOwned(sels []source.Selection) bool {
	for _, s := range sels {
		for i := range s.Entries {
			if st := &s.Entries[i].Stat; st.Uid != 0 || st.Gid != 0 {
				return false
			}
		}
	}
	return true
}

// copyTree copies what source means in a tree into the empty directory to: a directory's contents,
// or a file under its name. Owners come along.
func (b *Bench) copyTree(from mount.Tree, src, to string) error {
	opts := source.SelectOptions{}
	owners := b.tree()
	if !from.Foreign && (!owners.Native || owners.Userns) {
		opts.Stat = imageStat(owners)
	}
	sels, err := source.Select(from.Root, []source.Pattern{{Path: src, Required: true}}, opts)
	if err != nil {
		return err
	}
	root, err := openDir(to)
	if err != nil {
		return err
	}
	defer root.Close()
	u := newUnion(int(root.Fd()), -1, b.tree(), b.tree())
	for _, sel := range sels {
		c := &copier{u: u, src: int(from.Root.Fd()), keep: !from.Foreign, content: &tree.Content{},
			links: map[inode]string{}, ctx: context.Background()}
		if err := c.put(sel, "/"); err != nil {
			return err
		}
	}
	return nil
}

// id names the content behind input i, for caches that begin with it.
func (p *Prepared) id(i int) string {
	if d := p.digests[i]; d != "" {
		return d
	}
	if i < len(p.MountIDs) {
		return p.MountIDs[i]
	}
	return ""
}

// closeOwned closes what was opened for the task.
func (t *Task) closeOwned() error {
	var errs []error
	for _, c := range t.owned {
		errs = append(errs, c.Close())
	}
	t.owned = nil
	return errors.Join(errs...)
}

// Clone copies the tree of a layer into the empty directory to and gives the owners of its symlinks.
func (b *Bench) Clone(dir string, links ownership.Links, to string) (ownership.Links, error) {
	src, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	dst, err := openDir(to)
	if err != nil {
		return nil, err
	}
	defer dst.Close()
	from, into := b.tree(), b.tree()
	from.Links = links
	a, _, err := from.Lstat(int(src.Fd()), "", "")
	if err != nil {
		return nil, err
	}
	if err := into.Set(int(dst.Fd()), "", "", a); err != nil {
		return nil, err
	}
	sels, err := source.Select(src, []source.Pattern{{Path: "/", Required: true}}, source.SelectOptions{Stat: imageStat(from)})
	if err != nil {
		return nil, err
	}
	u := newUnion(int(dst.Fd()), -1, into, from)
	for _, sel := range sels {
		c := &copier{u: u, src: int(src.Fd()), keep: true, content: &tree.Content{}, links: map[inode]string{}, ctx: context.Background()}
		if err := c.put(sel, "/"); err != nil {
			return nil, err
		}
	}
	return into.Links, nil
}
