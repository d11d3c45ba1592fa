package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// hostile are archives no honest builder writes. Each is unpacked into ROOT of
//
//	TOP/canary      "alive", mode 0600
//	TOP/outside/    empty
//	TOP/root/       ROOT
//
// and must leave canary and outside as they are. The names are those of the catalogue of attacks the
// cases come from.
var hostile = []struct {
	name    string
	members []member
	// refused wants ErrRefused or an error of the kernel; otherwise Apply must succeed and check hold.
	refused bool
	check   func(t *testing.T, root string)
}{
	{name: "dotdot name", refused: true, members: []member{fileOf("../canary", "dead")}},
	{name: "dotdot inside name", refused: true, members: []member{fileOf("a/../../canary", "dead")}},
	{name: "absolute name is relative", members: []member{fileOf("/canary", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/canary", "in") }},
	{name: "A12 symlink to / then through it", members: []member{linkOf(tar.TypeSymlink, "a", "/"), fileOf("a/canary", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/canary", "in") }},
	{name: "A12 symlink to .. then through it", members: []member{linkOf(tar.TypeSymlink, "a", "../../.."), fileOf("a/canary", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/canary", "in") }},
	{name: "A12 directory, then symlink, then through it", members: []member{
		dirOf("a", 0o755), fileOf("a/x", "1"), linkOf(tar.TypeSymlink, "a", "../outside"), fileOf("a/y", "2")}, refused: true},
	{name: "A12 chain of symlinks", members: []member{
		linkOf(tar.TypeSymlink, "a", "b"), linkOf(tar.TypeSymlink, "b", "c"), linkOf(tar.TypeSymlink, "c", "../.."), fileOf("a/canary", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/canary", "in") }},
	{name: "symlink loop as directory", refused: true, members: []member{linkOf(tar.TypeSymlink, "a", "a"), fileOf("a/x", "1")}},
	{name: "file through symlink is replaced, not followed", members: []member{linkOf(tar.TypeSymlink, "a", "../canary"), fileOf("a", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/a", "in") }},
	{name: "A2 hard link to dotdot", refused: true, members: []member{linkOf(tar.TypeLink, "a", "../canary")}},
	{name: "A2 hard link to absolute path is inside", refused: true, members: []member{linkOf(tar.TypeLink, "a", "/canary")}},
	{name: "A2 hard link to absolute path of the layer", members: []member{fileOf("bin/x", "in"), linkOf(tar.TypeLink, "bin/y", "/bin/x")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/bin/y", "in") }},
	{name: "A2 hard link through symlink", refused: true, members: []member{linkOf(tar.TypeSymlink, "d", "../"), linkOf(tar.TypeLink, "a", "d/canary")}},
	{name: "A2 hard link to symlink, then written", members: []member{
		linkOf(tar.TypeSymlink, "s", "../canary"), linkOf(tar.TypeLink, "a", "s"), fileOf("a", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/a", "in") }},
	{name: "A2 hard link to directory", refused: true, members: []member{dirOf("d", 0o755), linkOf(tar.TypeLink, "a", "d")}},
	{name: "A2 hard link to itself", refused: true, members: []member{fileOf("a", "x"), linkOf(tar.TypeLink, "a", "a")}},
	{name: "A2 hard link to what is missing", refused: true, members: []member{linkOf(tar.TypeLink, "a", "b")}},
	{name: "A2 hard link of a whiteout", refused: true, members: []member{fileOf(".wh.gone", ""), linkOf(tar.TypeLink, "a", "gone")}},
	{name: "A3 root as symlink", refused: true, members: []member{linkOf(tar.TypeSymlink, ".", "/")}},
	{name: "A3 root as file", refused: true, members: []member{fileOf(".", "x")}},
	{name: "A3 root as hard link", refused: true, members: []member{linkOf(tar.TypeLink, "/", "/etc")}},
	{name: "A4 mode through symlink", members: []member{linkOf(tar.TypeSymlink, "a", "../canary"), withMode(linkOf(tar.TypeSymlink, "a", "../canary"), 0o4777)}},
	{name: "A4 owner through hard linked symlink", members: []member{
		linkOf(tar.TypeSymlink, "a", "../canary"), withOwner(linkOf(tar.TypeLink, "b", "a"), 1234, 1234)}},
	{name: "A4 xattr on symlink", members: []member{withXattr(linkOf(tar.TypeSymlink, "a", "../canary"), "user.x", "1")}},
	{name: "A6 whiteout of nothing", refused: true, members: []member{fileOf(".wh.", "")}},
	{name: "A6 whiteout of .", refused: true, members: []member{fileOf("d/.wh..", "")}},
	{name: "A6 whiteout of ..", refused: true, members: []member{fileOf("d/.wh...", "")}},
	{name: "A6 whiteout as directory", refused: true, members: []member{fileOf(".wh.x/y", "")}},
	{name: "A6 whiteout below dotdot whiteout", refused: true, members: []member{fileOf(".wh.../x", "")}},
	{name: "A6 opaque marker as symlink", members: []member{dirOf("d", 0o755), linkOf(tar.TypeSymlink, "d/.wh..wh..opq", "/")},
		check: func(t *testing.T, root string) {
			if _, err := os.Lstat(root + "/d/.wh..wh..opq"); !os.IsNotExist(err) {
				t.Errorf("the marker is there: %v", err)
			}
		}},
	{name: "A6 opaque marker through symlink", members: []member{linkOf(tar.TypeSymlink, "d", "../outside"), fileOf("d/.wh..wh..opq", "")}, refused: true},
	{name: "A6 whiteout through symlink", members: []member{linkOf(tar.TypeSymlink, "d", "/"), fileOf("d/.wh.canary", "")},
		check: func(t *testing.T, root string) {
			var st unix.Stat_t
			if err := unix.Lstat(root+"/canary", &st); err != nil || !isWhiteout(&st) {
				t.Errorf("the whiteout is not inside: %v", err)
			}
		}},
	{name: "A6 device 0:0", refused: true, members: []member{{Header: tar.Header{Typeflag: tar.TypeChar, Name: "a"}}}},
	{name: "A6 overlay xattrs", members: []member{withXattr(withXattr(withXattr(dirOf("d", 0o755),
		"trusted.overlay.redirect", "/.."), "user.overlay.opaque", "y"), "trusted.overlay.opaque", "y")},
		check: func(t *testing.T, root string) {
			for _, n := range []string{"trusted.overlay.redirect", "user.overlay.opaque", "trusted.overlay.opaque"} {
				if _, err := unix.Lgetxattr(root+"/d", n, nil); err != unix.ENODATA {
					t.Errorf("%s: %v", n, err)
				}
			}
		}},
	{name: "owner record of a payload", members: []member{withXattr(fileOf("su", "x"), ownership.XattrName, "0:0:04755:file")},
		check: func(t *testing.T, root string) {
			if _, err := unix.Lgetxattr(root+"/su", ownership.XattrName, nil); err != unix.ENODATA {
				t.Error(err)
			}
		}},
	{name: "A7 device number out of range", refused: true, members: []member{{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "a", Devmajor: 1 << 20, Devminor: 1}}}},
	{name: "A7 owner 2^32-1", refused: true, members: []member{withOwner(fileOf("a", "x"), 1<<32-1, 0)}},
	{name: "A7 negative owner", refused: true, members: []member{withOwner(fileOf("a", "x"), -1, 0)}},
	{name: "A8 path of PATH_MAX", refused: true, members: []member{fileOf(strings.Repeat("a/", 2100)+"x", "")}},
	{name: "A11 component of 256 bytes", refused: true, members: []member{fileOf(strings.Repeat("n", 256), "")}},
	{name: "A11 control characters and bytes that are no text", members: []member{fileOf("a\x1b[2J\n\xff\xfe", "in")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/a\x1b[2J\n\xff\xfe", "in") }},
	{name: "A13 times out of range", members: []member{at(fileOf("a", ""), time.Unix(1<<60, 0)), at(fileOf("b", ""), time.Unix(-1<<55, 999)), at(dirOf("c", 0o755), time.Unix(1<<62, 0))}},
	{name: "type unknown", refused: true, members: []member{{Header: tar.Header{Typeflag: 'Z', Name: "a"}}}},
	{name: "file replaced by directory and back", members: []member{fileOf("a", "1"), dirOf("a", 0o755), fileOf("a/b", "2"), fileOf("a", "3")},
		refused: true}, // content twice under one name can not be put together again
	{name: "directory replaced by file", members: []member{dirOf("a", 0o755), fileOf("a/b", "2"), fileOf("a", "3")},
		check: func(t *testing.T, root string) { wantFile(t, root+"/a", "3") }},
	{name: "directory described twice", members: []member{dirOf("a", 0o700), dirOf("a/", 0o755)},
		check: func(t *testing.T, root string) {
			if st, _ := os.Stat(root + "/a"); st.Mode().Perm() != 0o755 {
				t.Error(st.Mode())
			}
		}},
}

func withMode(m member, mode int64) member { m.Mode = mode; return m }

func withOwner(m member, uid, gid int) member { m.Uid, m.Gid = uid, gid; return m }

func at(m member, when time.Time) member { m.ModTime = when; m.Format = tar.FormatPAX; return m }

func withXattr(m member, name, value string) member {
	records := map[string]string{"SCHILY.xattr." + name: value}
	for k, v := range m.PAXRecords {
		records[k] = v
	}
	m.PAXRecords = records
	return m
}

func wantFile(t *testing.T, path, content string) {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() {
		t.Errorf("%s is no file: %v", path, err)
		return
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != content {
		t.Errorf("%s holds %q, want %q (%v)", path, b, content, err)
	}
}

func TestHostile(t *testing.T) {
	needRoot(t)
	for _, c := range hostile {
		for kind, o := range kinds() {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				var split bytes.Buffer
				o.Split = NewSplitter(&split)
				top, root := playground(t)
				_, err := Apply(bytes.NewReader(archiveLoose(t, c.members...)), root, o)
				switch {
				case c.refused && err == nil:
					t.Error("it was accepted")
				case !c.refused && err != nil:
					t.Error(err)
				case c.check != nil:
					c.check(t, root)
				}
				unharmed(t, top)
			})
		}
	}
}

func playground(t testing.TB) (top, root string) {
	t.Helper()
	top = t.TempDir()
	root = filepath.Join(top, "root")
	for _, err := range []error{
		os.WriteFile(filepath.Join(top, "canary"), []byte("alive"), 0o600),
		os.Mkdir(filepath.Join(top, "outside"), 0o700),
		os.Mkdir(root, 0o755),
		os.Chtimes(filepath.Join(top, "canary"), time.Unix(77, 0), time.Unix(77, 0)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return top, root
}

func unharmed(t testing.TB, top string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(top, "canary"), &st); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(top, "canary"))
	if string(b) != "alive" || st.Mode != unix.S_IFREG|0o600 || st.Nlink != 1 || st.Mtim.Sec != 77 || int(st.Uid) != os.Geteuid() {
		t.Errorf("the canary is harmed: %q %o %d links, owner %d", b, st.Mode, st.Nlink, st.Uid)
	}
	entries, err := os.ReadDir(filepath.Join(top, "outside"))
	if err != nil || len(entries) > 0 {
		t.Errorf("the directory outside: %v %v", entries, err)
	}
	if entries, err := os.ReadDir(top); err != nil || len(entries) != 3 {
		t.Errorf("beside the root: %v %v", entries, err)
	}
}

// archiveLoose writes what archive/tar's writer would refuse: any type, any owner.
func archiveLoose(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range members {
		fix := m.Header
		uid, typ := fix.Uid, fix.Typeflag
		if uid < 0 {
			fix.Uid = 0
		}
		if typ == 'Z' {
			fix.Typeflag = tar.TypeFifo
		}
		var one bytes.Buffer
		w := tar.NewWriter(&one)
		if err := w.WriteHeader(&fix); err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		raw := one.Bytes()
		if uid < 0 || typ == 'Z' {
			header := raw[:512]
			if uid < 0 {
				copy(header[108:116], "\xff\xff\xff\xff\xff\xff\xff\xff") // base-256, -1
			}
			header[156] = typ
			checksum(header)
		}
		b.Write(raw)
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

func checksum(header []byte) {
	copy(header[148:156], "        ")
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	for i := 5; i >= 0; i-- {
		header[148+i] = byte('0' + sum%8)
		sum /= 8
	}
	header[154], header[155] = 0, ' '
}

// TestSwap unpacks while another goroutine exchanges a directory of the layer for a symlink that
// leads out, over and over.
func TestSwap(t *testing.T) {
	needRoot(t)
	var members []member
	for i := range 400 {
		members = append(members, dirOf("a", 0o755), fileOf("a/b/canary", "in"), linkOf(tar.TypeSymlink, "x", "y"))
		members[len(members)-2].Header.Size = 0
		members[len(members)-2].content = ""
		if i%2 == 0 {
			members = append(members, fileOf("c/d", ""), fileOf("a/b/outside/x", ""))
		}
	}
	in := archiveOf(t, members...)
	top, root := playground(t)
	if err := os.Symlink("../", filepath.Join(root, "evil")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
				if unix.Renameat2(unix.AT_FDCWD, root+"/a/b", unix.AT_FDCWD, root+"/evil", unix.RENAME_EXCHANGE) == nil {
					n++
				}
			}
		}
	}()
	for range 20 {
		// Errors are fine; harm is not.
		_, _ = Apply(bytes.NewReader(in), root, kinds()["recorded"])
	}
	close(stop)
	if n := <-done; n == 0 {
		t.Error("nothing was swapped: the test shows nothing")
	} else {
		t.Logf("%d swaps", n)
	}
	unharmed(t, top)
}

// TestTruncated cuts a layer at every 64 bytes: it is an error, except where the tar happens to be
// complete, and never harm.
func TestTruncated(t *testing.T) {
	needRoot(t)
	in := archiveOf(t, dirOf("d", 0o755), fileOf("d/f", strings.Repeat("x", 700)), linkOf(tar.TypeLink, "d/g", "d/f"))
	for n := 0; n < len(in)-1024; n += 64 {
		top, root := playground(t)
		_, err := Apply(bytes.NewReader(in[:n]), root, kinds()["recorded"])
		inPadding := n > 1024+700 && n < 2048 // all content is there
		if err == nil && n%512 != 0 && !inPadding {
			t.Errorf("cut at %d: accepted", n)
		}
		unharmed(t, top)
	}
}

func TestTwiceWithContent(t *testing.T) {
	needRoot(t)
	in := archiveOf(t, fileOf("a", "1"), fileOf("./a", "2"))
	o := kinds()["recorded"]
	o.Split = NewSplitter(&bytes.Buffer{})
	if _, err := Apply(bytes.NewReader(in), t.TempDir(), o); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
	// Without a splitter (ADD of an archive) the later one stands, as with any tar.
	dir := t.TempDir()
	if _, err := Apply(bytes.NewReader(in), dir, kinds()["recorded"]); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir+"/a", "2")
}

// TestReplace puts files, links and directories where others stand, full directories among them.
func TestReplace(t *testing.T) {
	needRoot(t)
	in := archiveOf(t, dirOf("d", 0o755), fileOf("d/full", "file"), linkOf(tar.TypeSymlink, "d/dir", "full"), dirOf("d/file", 0o755),
		fileOf("d/file/in", "in"), fileOf("d/after", "after"))
	dir := t.TempDir()
	for _, made := range []string{"d/full/deep", "d/dir/deep"} {
		if err := os.MkdirAll(filepath.Join(dir, made), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "d/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(bytes.NewReader(in), dir, kinds()["recorded"]); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir+"/d/full", "file")
	if target, err := os.Readlink(dir + "/d/dir"); target != "full" {
		t.Errorf("d/dir: %q, %v", target, err)
	}
	wantFile(t, dir+"/d/file/in", "in")
	wantFile(t, dir+"/d/after", "after")
}
