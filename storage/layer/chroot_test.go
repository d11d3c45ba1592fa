package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inChroot runs f in a thread of its own whose root is dir, and which ends with it. f must make no other
// goroutine do its work.
func inChroot(t testing.TB, dir string, f func() error) error {
	t.Helper()
	want, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return err
			}
			if err := errors.Join(unix.Chroot(dir), unix.Chdir("/")); err != nil {
				return err
			}
			// What follows trusts that "/" is dir.
			if got, err := os.Stat("/"); err != nil || !os.SameFile(got, want) {
				return fmt.Errorf("the chroot is another: %w", err)
			}
			return f()
		}()
	}()
	return <-done
}

// untarHere unpacks a layer at "/" with what the os package and archive/tar have: the reference, which is
// confined because it runs in a chroot and by nothing else.
func untarHere(in io.Reader) error {
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := untarOne(tr, h); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
}

func untarOne(tr io.Reader, h *tar.Header) error {
	to := path.Clean("/" + h.Name)
	for part := range strings.SplitSeq(path.Dir(to), "/") {
		if strings.HasPrefix(part, metaPrefix) {
			return nil
		}
	}
	base := path.Base(to)
	if h.Typeflag == tar.TypeXGlobalHeader || strings.HasPrefix(base, metaPrefix) && base != opaqueMarker {
		return nil
	}
	if to == "/" {
		return errors.Join(os.Chmod("/", 0o700), os.Lchown("/", h.Uid, h.Gid), unix.Chmod("/", uint32(h.Mode&0o7777)))
	}
	if err := implyHere(path.Dir(to)); err != nil {
		return err
	}
	if base == opaqueMarker {
		return nil
	}
	if hidden, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		if err := unix.Mknod(path.Join(path.Dir(to), hidden), unix.S_IFCHR, 0); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	if st, err := os.Lstat(to); err == nil && (h.Typeflag != tar.TypeDir || !st.IsDir()) {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, to); err != nil {
			return err
		}
	case tar.TypeLink:
		return os.Link(path.Clean("/"+h.Linkname), to)
	case tar.TypeFifo:
		if err := unix.Mkfifo(to, 0o600); err != nil {
			return err
		}
	case tar.TypeChar, tar.TypeBlock:
		kind := uint32(unix.S_IFCHR)
		if h.Typeflag == tar.TypeBlock {
			kind = unix.S_IFBLK
		}
		if err := unix.Mknod(to, kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))); err != nil {
			return err
		}
	default:
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, tr)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if err := os.Lchown(to, h.Uid, h.Gid); err != nil || h.Typeflag == tar.TypeSymlink {
		return err
	}
	return unix.Chmod(to, uint32(h.Mode&0o7777))
}

// implyHere makes directories no entry has described: root's, whatever they would inherit.
func implyHere(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := implyHere(path.Dir(dir)); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 0, 0), unix.Chmod(dir, 0o755))
}

// treeOf tells what lies below a directory: everything the layer's entries say, but for times.
func treeOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names := map[uint64]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		what := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			what += " -> " + target
		case unix.S_IFREG:
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %d %x", len(b), sha256.Sum256(b))
		case unix.S_IFCHR, unix.S_IFBLK:
			if st.Rdev == 0 {
				what = "whiteout"
			} else {
				what += fmt.Sprintf(" %d", st.Rdev)
			}
		}
		if !d.IsDir() && what != "whiteout" {
			first, known := names[st.Ino]
			if !known {
				names[st.Ino] = rel
			} else {
				what += " = " + first
			}
		}
		all[rel] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// asInChroot unpacks a layer into root, and wants what the reference makes of it when it is taken. It
// gives Apply's error.
func asInChroot(t testing.TB, in []byte, root string) error {
	t.Helper()
	o := kinds()["native"]
	if o.Tree == nil {
		t.Skip("needs the real root")
	}
	if _, err := Apply(bytes.NewReader(in), root, o); err != nil {
		return err
	}
	ref := t.TempDir()
	if st, err := os.Stat(root); err != nil || os.Chmod(ref, st.Mode()) != nil {
		t.Fatal(err)
	}
	if err := inChroot(t, ref, func() error { return untarHere(bytes.NewReader(in)) }); err != nil {
		t.Errorf("taken, and impossible in a chroot: %v", err)
		return nil
	}
	got, want := treeOf(t, root), treeOf(t, ref)
	delete(got, ".")
	delete(want, ".")
	if maps.Equal(got, want) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%q is %q, in a chroot %q", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q is %q, in a chroot nothing", name, got[name])
		}
	}
	return nil
}

// FuzzLikeChroot makes layers of entries that get into each other's way and wants of Apply what the os
// package does in a chroot.
func FuzzLikeChroot(f *testing.F) {
	types := []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeFifo, tar.TypeChar}
	names := []string{
		"a", "b", "a/b", "a/b/c", "b/c", "c", "./a", "c/d", "/b", "a//c", "a/./b", ".", ".wh.a", "a/.wh.b", "b/.wh..wh..opq", "a/b/.wh.c", ".wh..wh.aufs", "c/d/e/f", "a/../b", "c/../../x",
	}
	targets := []string{"a", "b", "/", "..", "../..", "../canary", "/canary", "a/b", "/a/b/c", ".", "b/c", "../outside", "c", "/b/../a", "../root/a", ""}
	for _, seed := range []string{"\x02\x00\x03\x00\x00\x02\x00\x00", "\x01\x00\x00\x00\x02\x00\x0b\x00\x00\x02\x00\x01", "\x02\x00\x06\x00\x03\x01\x00\x00\x00\x01\x00\x00", "\x00\x00\x00\x00\x00\x0c\x00\x00\x01\x00\x00\x01"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		var members []member
		for op := range slices.Chunk(program[:min(len(program), 64)], 4) {
			if len(op) < 4 {
				break
			}
			m := member{Header: tar.Header{Typeflag: types[int(op[0])%len(types)], Name: names[int(op[1])%len(names)], Mode: int64(op[3])<<4 | 0o400, Uid: int(op[3] & 3), Gid: int(op[3] >> 6)}}
			switch m.Typeflag {
			case tar.TypeReg:
				m.content = strings.Repeat("x", int(op[2]&7))
				m.Size = int64(len(m.content))
			case tar.TypeSymlink, tar.TypeLink:
				m.Linkname = targets[int(op[2])%len(targets)]
			case tar.TypeChar:
				m.Devmajor, m.Devminor = 1, int64(op[2]&15)
			}
			members = append(members, m)
		}
		top, root := playground(t)
		_ = asInChroot(t, archiveLoose(t, members...), root)
		unharmed(t, top)
	})
}
