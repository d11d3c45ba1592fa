package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// DigestOptions say what counts besides names, contents, types, modes and link targets.
type DigestOptions struct {
	// Owners counts uid and gid; without it all files are 0:0, as in a context.
	Owners bool
	// Memory remembers contents; nil for none.
	Memory *Memory
	// SkipXattr, when not nil, leaves out an extended attribute.
	SkipXattr func(name string) bool
}

// Digest gives the digest of selections made from the tree at root, "content:" and 64 hex digits:
// equal exactly when copying them gives equal files, times aside. It fails when a file cannot be
// read or changes meanwhile.
//
// Of the regular files it notes in the selections which are Bare.
//
// A directory that was selected itself does not count with its mode and owner: only what is in it
// is copied.
func Digest(ctx context.Context, root *os.File, selections []Selection, opts DigestOptions) (string, error) {
	d := &digester{root: root, opts: opts}
	sums, err := d.contents(ctx, selections)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for i, s := range selections {
		base := s.Base
		if s.Dir {
			base = "" // its name is not used
		}
		record(h, "selection", base, fmt.Sprint(s.Dir, s.Partial, len(s.Entries)))
		for j, e := range s.Entries {
			if err := d.entry(h, s, e, sums[i][j]); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("content:%x", h.Sum(nil)), nil
}

// record writes fields so that no two lists of fields give the same bytes.
func record(h hash.Hash, fields ...string) {
	var n [8]byte
	for _, f := range fields {
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		h.Write(n[:])
		io.WriteString(h, f)
	}
}

// sum is what a file's content comes to.
type sum struct {
	content [sha256.Size]byte
	xattrs  bool // the file has extended attributes, to be looked at each time
}

type digester struct {
	root *os.File
	opts DigestOptions
}

// entry writes one file.
func (d *digester) entry(h hash.Hash, s Selection, e Entry, content sum) error {
	kind := e.Stat.Mode & unix.S_IFMT
	if e.Rel == "" && kind == unix.S_IFDIR {
		return nil
	}
	if kind == unix.S_IFREG && !content.xattrs && !d.opts.Owners {
		// What nearly all files of a context are.
		record(h, e.Rel, strconv.FormatUint(uint64(e.Stat.Mode), 8), strconv.FormatInt(e.Stat.Size, 10), string(content.content[:]))
		return nil
	}
	name := path.Join(s.Path, e.Rel)
	fields := []string{e.Rel, fmt.Sprintf("%o", e.Stat.Mode)}
	if d.opts.Owners {
		fields = append(fields, fmt.Sprintf("%d:%d", e.Stat.Uid, e.Stat.Gid))
	}
	switch kind {
	case unix.S_IFREG:
		fields = append(fields, fmt.Sprint(e.Stat.Size), string(content.content[:]))
	case unix.S_IFLNK:
		target, err := d.readlink(name)
		if err != nil {
			return fmt.Errorf("reading the symlink %s: %w", name, err)
		}
		fields = append(fields, target)
	case unix.S_IFCHR, unix.S_IFBLK:
		fields = append(fields, fmt.Sprint(e.Stat.Rdev))
	}
	if kind == unix.S_IFDIR || kind == unix.S_IFREG && content.xattrs {
		attrs, err := d.xattrs(name, kind == unix.S_IFDIR)
		if err != nil {
			return fmt.Errorf("reading extended attributes of %s: %w", name, err)
		}
		fields = append(fields, attrs...)
	}
	record(h, fields...)
	return nil
}

// contents reads all regular files that are not remembered, several at once.
func (d *digester) contents(ctx context.Context, selections []Selection) ([][]sum, error) {
	type job struct{ s, e int }
	var todo []job
	sums := make([][]sum, len(selections))
	for i, s := range selections {
		sums[i] = make([]sum, len(s.Entries))
		for j, e := range s.Entries {
			if e.Stat.Mode&unix.S_IFMT != unix.S_IFREG {
				continue
			}
			if known, ok := d.opts.Memory.lookup(e.Stat); ok {
				sums[i][j] = known
				selections[i].Entries[j].Bare = !known.xattrs
				continue
			}
			todo = append(todo, job{i, j})
		}
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	errs := make([]error, len(todo))
	stop := &atomic.Bool{}
	for range min(runtime.GOMAXPROCS(0), len(todo)) {
		wait.Go(func() {
			buf := make([]byte, 256<<10)
			for {
				n := int(next.Add(1)) - 1
				if n >= len(todo) || stop.Load() {
					return
				}
				s := selections[todo[n].s]
				e := &s.Entries[todo[n].e]
				sums[todo[n].s][todo[n].e], errs[n] = d.content(ctx, path.Join(s.Path, e.Rel), e.Stat, buf)
				e.Bare = errs[n] == nil && !sums[todo[n].s][todo[n].e].xattrs
				if errs[n] != nil {
					stop.Store(true)
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// content hashes one file, and remembers it when nothing can have changed it unseen.
func (d *digester) content(ctx context.Context, name string, want unix.Stat_t, buf []byte) (sum, error) {
	var out sum
	fail := func(err error) (sum, error) { return out, fmt.Errorf("reading %s: %w", name, err) }
	// Without O_NONBLOCK the open of a FIFO that took the file's place would hang. No os.File: making one
	// of such a descriptor costs two system calls.
	fd, err := d.openFD(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	var before, after unix.Stat_t
	if err := unix.Fstat(fd, &before); err != nil {
		return fail(err)
	}
	if !same(before, want) && !grew(want, before) {
		return fail(errChanged)
	}
	h := sha256.New()
	left := want.Size
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		n, err := unix.Read(fd, buf[:min(left, int64(len(buf)))])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fail(err)
		}
		if n == 0 {
			break
		}
		h.Write(buf[:n])
		left -= int64(n)
	}
	if err := unix.Fstat(fd, &after); err != nil {
		return fail(err)
	}
	if left != 0 || !same(want, after) && !grew(want, after) {
		return fail(errChanged)
	}
	h.Sum(out.content[:0])
	if n, err := unix.Flistxattr(fd, nil); err == nil && n > 0 {
		out.xattrs = true
	}
	if same(want, after) {
		d.opts.Memory.remember(before, out)
	}
	return out, nil
}

// grew tells a file that was added to, as logs are: what it was when it was selected is there.
func grew(selected, now unix.Stat_t) bool {
	return selected.Dev == now.Dev && selected.Ino == now.Ino && now.Size > selected.Size && now.Mode&unix.S_IFMT == unix.S_IFREG
}

var errChanged = errors.New("the file changed while it was read")

// same tells whether two looks at a file saw the same content. Image views of a tree may differ in
// mode and owner, so these do not count.
func same(a, b unix.Stat_t) bool {
	return a.Dev == b.Dev && a.Ino == b.Ino && a.Size == b.Size && a.Mtim == b.Mtim && a.Ctim == b.Ctim
}

func (d *digester) openFD(name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS}
	return unix.Openat2(int(d.root.Fd()), relative(name), &how)
}

func (d *digester) open(name string, flags int) (*os.File, error) {
	fd, err := d.openFD(name, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d *digester) readlink(name string) (string, error) {
	dir, err := d.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), path.Base(name), buf)
	return string(buf[:max(n, 0)]), err
}

// xattrs lists the extended attributes of a file as name, value, name, value, sorted by name.
func (d *digester) xattrs(name string, dir bool) ([]string, error) {
	flags := unix.O_RDONLY | unix.O_NONBLOCK
	if dir {
		flags |= unix.O_DIRECTORY
	}
	f, err := d.open(name, flags)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := growing(func(b []byte) (int, error) { return unix.Flistxattr(int(f.Fd()), b) })
	if err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil || len(list) == 0 {
		return nil, err
	}
	names := strings.Split(string(bytes.TrimSuffix(list, []byte{0})), "\x00")
	slices.Sort(names)
	var out []string
	for _, n := range names {
		if d.opts.SkipXattr != nil && d.opts.SkipXattr(n) {
			continue
		}
		value, err := growing(func(b []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), n, b) })
		if err == unix.ENODATA || err == unix.ENOTSUP || err == unix.EPERM || err == unix.EACCES {
			continue // trusted.* and the like: not ours to see, and not ours to copy
		}
		if err != nil {
			return nil, err
		}
		out = append(out, n, string(value))
	}
	return out, nil
}

// growing calls a function that fills a buffer of unknown size.
func growing(fill func([]byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 1024)
	for {
		n, err := fill(buf)
		if err == unix.ERANGE && len(buf) < 1<<20 {
			buf = make([]byte, 4*len(buf))
			continue
		}
		return buf[:max(n, 0)], err
	}
}
