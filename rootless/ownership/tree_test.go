package ownership

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// exerciseTree makes one file of each type in dir and gives the tree's owners in turn.
func exerciseTree(dir string, t *Tree) error {
	var c check
	fd, err := openDir(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	must := func(err error) {
		if err != nil {
			c.errs = append(c.errs, err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600))
	must(os.Mkdir(filepath.Join(dir, "d"), 0o700))
	must(os.Symlink("/nowhere", filepath.Join(dir, "l")))
	dev := unix.Mkdev(1, 3)
	must(t.Mknod(fd, "c", "c", Attr{0, 6, unix.S_IFCHR | 0o660, dev}))
	must(t.Mknod(fd, "p", "p", Attr{3, 4, unix.S_IFIFO | 0o640, 0}))
	c.is("device that exists", t.Mknod(fd, "c", "c", Attr{0, 6, unix.S_IFCHR | 0o660, dev}) != nil, true)
	c.is("neither device nor FIFO", t.Mknod(fd, "r", "r", Attr{0, 0, unix.S_IFREG, 0}) != nil, true)
	for i, want := range []Attr{
		{33, 34, unix.S_IFREG | 0o4755, 0},
		{0, 0, unix.S_IFREG | 0o000, 0},
		{1, 0, unix.S_IFREG | 0o2640, 0},
	} {
		must(t.Set(fd, "f", "f", want))
		got, st, err := t.Lstat(fd, "f", "f")
		c.is(fmt.Sprint("file ", i), fmt.Sprint(got, err), fmt.Sprint(want, nil))
		c.is(fmt.Sprint("mode on disk ", i), st.Mode, want.Mode)
	}
	for name, want := range map[string]Attr{
		"d": {7, 8, unix.S_IFDIR | 0o2775, 0},
		"l": {9, 10, unix.S_IFLNK | 0o777, 0},
		"p": {11, 12, unix.S_IFIFO | 0o600, 0},
		"c": {13, 14, unix.S_IFCHR | 0o666, dev},
	} {
		must(t.Set(fd, name, name, want))
		got, _, err := t.Lstat(fd, name, name)
		c.is(name, fmt.Sprint(got, err), fmt.Sprint(want, nil))
	}
	sub, err := openDir(filepath.Join(dir, "d"))
	must(err)
	got, _, err := t.Lstat(sub, "", "d")
	c.is("the directory itself", fmt.Sprint(got, err), fmt.Sprint(Attr{7, 8, unix.S_IFDIR | 0o2775, 0}, nil))
	must(t.Set(sub, "", "d", Attr{0, 0, unix.S_IFDIR | 0o755, 0}))
	got, _, err = t.Lstat(fd, "d", "d")
	c.is("set by itself", fmt.Sprint(got, err), fmt.Sprint(Attr{0, 0, unix.S_IFDIR | 0o755, 0}, nil))
	unix.Close(sub)

	// What was there before does not count any more.
	must(t.Set(fd, "l", "./l", Attr{0, 0, unix.S_IFLNK | 0o777, 0}))
	got, _, _ = t.Lstat(fd, "l", "l")
	c.is("symlink of root's", got, Attr{0, 0, unix.S_IFLNK | 0o777, 0})
	t.Forget("p")
	c.is("links", len(t.Links), 0)

	// A symlink is never followed.
	must(os.Symlink("f", filepath.Join(dir, "to")))
	must(t.Set(fd, "to", "to", Attr{77, 77, unix.S_IFLNK | 0o777, 0}))
	got, _, _ = t.Lstat(fd, "f", "f")
	c.is("target of a symlink", got.UID, uint32(1))
	c.is("missing", t.Set(fd, "none", "none", Attr{}) != nil, true)
	_, _, err = t.Lstat(fd, "none", "none")
	c.is("missing", err != nil, true)
	return c.done()
}

// treePayload runs in a single-id namespace of its own, not in a box.
func treePayload() error {
	return exerciseTree(os.Args[2], &Tree{Userns: true})
}

func TestTree(t *testing.T) {
	t.Run("single", func(t *testing.T) {
		needUserns(t)
		cmd := single(t, "payload")
		cmd.Args = []string{"x", "tree", filepath.Join(workDir(t), "upper")}
		if out, err := cmd.Output(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	})
	t.Run("native", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root can chown")
		}
		tree := Tree{Native: true}
		if err := exerciseTree(t.TempDir(), &tree); err != nil {
			t.Error(err)
		}
	})
	t.Run("native with fake devices", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root can chown")
		}
		dir := workDir(t)
		tree := Tree{Native: true, Userns: true}
		if err := exerciseTree(dir, &tree); err != nil {
			t.Error(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, "c"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 13 {
			t.Errorf("fake device: %+v %v", st, err)
		}
	})
}
