package step

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/layer"
	"github.com/dhow-containers/dhow/storage/working"
)

// unpack extracts the selected file into Dest when it is a tar, compressed or not; false when it is
// none. The content decides, not the name.
//
// An archive may replace directories by files and the other way round, make hard links to what lower
// layers have, and lead through their symlinks; so it is extracted through a mounted overlay, where
// the kernel knows what that means for the upper directory.
func (c *copying) unpack(ctx context.Context, sel source.Selection, root *os.File) (bool, error) {
	fd, err := openBeneath(int(root.Fd()), strings.TrimPrefix(sel.Path, "/"), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if errors.Is(err, unix.ELOOP) {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "open", Path: sel.Path, Err: err}
	}
	f := os.NewFile(uintptr(fd), sel.Path)
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return false, err
	}
	if ok, err := isTar(f); !ok || err != nil {
		return false, err
	}
	r, err := decompress(f)
	if err != nil {
		return false, err
	}
	defer r.Close()
	if err := c.extract(ctx, r); err != nil {
		return false, fmt.Errorf("unpacking %s: %w", sel.Path, err)
	}
	return true, nil
}

// extract unpacks a tar into Dest, which is made when it is missing.
func (c *copying) extract(ctx context.Context, r io.Reader) error {
	made := owner{}
	var all *ownership.Owner
	if c.owner != nil {
		made = *c.owner
		all = &ownership.Owner{UID: made.uid, GID: made.gid}
	}
	rel, err := c.u.resolve(c.op.Dest)
	if err != nil {
		return err
	}
	if err := c.u.mkdirAll(rel, made, 0o755, c.op.Epoch); err != nil {
		return err
	}
	if c.u.lower < 0 {
		return c.into(ctx, r, c.u.upper, rel, all)
	}
	return c.mounted(func(root int) error { return c.into(ctx, r, root, rel, all) })
}

// into unpacks a tar into the directory rel below root. What the archive says of the directory it is
// unpacked into does not count, as in docker: that one keeps owner and mode.
func (c *copying) into(ctx context.Context, r io.Reader, root int, rel string, all *ownership.Owner) error {
	dir, err := openBeneath(root, rel, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	tree := &ownership.Tree{Native: c.u.owners.Native, Userns: c.u.owners.Userns, Links: ownership.Links{}}
	before, _, err := tree.Lstat(dir, "", "")
	if err != nil {
		return err
	}
	applied, err := layer.Apply(&cancelable{ctx, r}, "/proc/self/fd/"+strconv.Itoa(dir)+"/.",
		layer.ApplyOptions{Tree: tree, Userxattr: working.Userxattr(), Owner: all})
	if err != nil {
		return err
	}
	if applied.Root {
		now := time.Now()
		if c.op.Epoch != nil {
			now = *c.op.Epoch
		}
		if err := errors.Join(tree.Set(dir, "", "", before), setTime(dir, ".", &now)); err != nil {
			return err
		}
	}
	c.rekey(rel, tree.Links)
	return nil
}

// rekey takes over the owners of symlinks of a tree that lies at rel.
func (c *copying) rekey(rel string, links ownership.Links) {
	for name, o := range links {
		if rel != "" {
			name = rel + "/" + name
		}
		c.u.owners.Links[name] = o
	}
}

// mounted gives do the root of an overlay of the parents and the layer in the making.
func (c *copying) mounted(do func(root int) error) (err error) {
	w := &working.Work{Lowers: c.t.Parent.Lowers(), Dir: c.t.Scratch.Dir, Volatile: true}
	if err := w.Mount(); err != nil {
		return err
	}
	root, err := openDir(w.Merged())
	if err == nil {
		err = do(int(root.Fd()))
		root.Close()
	}
	if err := errors.Join(err, w.Unmount()); err != nil {
		return err
	}
	if err := w.Finish(); err != nil {
		return err
	}
	clear(c.u.seen) // directories may have become something else
	c.u.seen[""] = true
	return os.RemoveAll(w.WorkDir())
}

// cancelable ends reading when the build is cancelled.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelable) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// isTar tells whether f holds a tar, compressed or not, and goes back to its beginning.
func isTar(f *os.File) (bool, error) {
	r, err := decompress(f)
	if err == nil {
		_, err = tar.NewReader(r).Next()
		r.Close()
	}
	if _, serr := f.Seek(0, io.SeekStart); serr != nil {
		return false, serr
	}
	return err == nil, nil
}

// maxWindow bounds what a zstd frame may make its reader hold.
const maxWindow = 128 << 20

// decompress undoes gzip, bzip2, xz and zstd, told by their first bytes; anything else is given as
// it is.
func decompress(in io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	head, _ := r.Peek(6)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(head, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(r)), nil
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		x, err := xz.NewReader(r)
		return io.NopCloser(x), err
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}
