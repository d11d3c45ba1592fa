package step

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// A tree is written in lines: "PATH/ MODE OWNER", "PATH MODE OWNER =CONTENT", "PATH -> TARGET",
// "PATH == OTHER" for a hard link, "PATH socket". Owners are recorded, as with a single-id map, so that the tests
// need no rights.
func plant(t *testing.T, dir string, tree *ownership.Tree, lines ...string) {
	t.Helper()
	at := time.Unix(1_000_000_000, 0)
	var dirs []string
	for _, l := range lines {
		f := strings.Fields(l)
		name := strings.TrimSuffix(f[0], "/")
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case len(f) == 3 && f[1] == "->":
			err = os.Symlink(f[2], full)
			f = f[:1]
		case len(f) == 2 && f[1] == "socket":
			if err := unix.Mknod(full, unix.S_IFSOCK|0o640, 0); err != nil {
				t.Fatal(err)
			}
			continue
		case len(f) == 3 && f[1] == "==":
			if err := os.Link(filepath.Join(dir, f[2]), full); err != nil {
				t.Fatal(err)
			}
			continue
		case strings.HasSuffix(f[0], "/"):
			err = os.MkdirAll(full, 0o755)
			dirs = append(dirs, full)
		default:
			content := name
			if i := strings.Index(l, "="); i >= 0 {
				content = l[i+1:]
			}
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		a := ownership.Attr{Mode: 0o644}
		if strings.HasSuffix(l, "/") || strings.Contains(f[0], "/") && strings.HasSuffix(f[0], "/") {
			a.Mode = 0o755
		}
		if len(f) > 1 && !strings.HasPrefix(f[1], "=") {
			m, err := strconv.ParseUint(f[1], 8, 32)
			if err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			a.Mode = uint32(m)
		}
		if len(f) > 2 && !strings.HasPrefix(f[2], "=") {
			fmt.Sscanf(f[2], "%d:%d", &a.UID, &a.GID)
		}
		root, err := openDir(filepath.Dir(full))
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Set(int(root.Fd()), filepath.Base(full), name, a); err != nil {
			t.Fatal(err)
		}
		ts := unix.NsecToTimespec(at.UnixNano())
		unix.UtimesNanoAt(int(root.Fd()), filepath.Base(full), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
		root.Close()
	}
	for _, d := range dirs {
		os.Chtimes(d, at, at)
	}
}

// show lists a tree, one line a file, sorted: "path/ mode uid:gid", "path mode uid:gid =content",
// "path -> target uid:gid". A trailing "@" marks the time that plant gives.
func show(t *testing.T, dir string, tree *ownership.Tree) []string {
	t.Helper()
	var out []string
	inodes := map[uint64]string{}
	err := filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		root, err := openDir(filepath.Dir(p))
		if err != nil {
			return err
		}
		defer root.Close()
		a, st, err := tree.Lstat(int(root.Fd()), filepath.Base(p), rel)
		if err != nil {
			return err
		}
		line := ""
		switch a.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			line = fmt.Sprintf("%s/ %o %d:%d", rel, a.Mode&0o7777, a.UID, a.GID)
		case unix.S_IFLNK:
			target, _ := os.Readlink(p)
			line = fmt.Sprintf("%s -> %s %d:%d", rel, target, a.UID, a.GID)
		default:
			if first, ok := inodes[st.Ino]; ok {
				out = append(out, rel+" == "+first)
				return nil
			}
			inodes[st.Ino] = rel
			data, _ := os.ReadFile(p)
			line = fmt.Sprintf("%s %o %d:%d =%s", rel, a.Mode&0o7777, a.UID, a.GID, data)
		}
		if st.Mtim.Sec == 1_000_000_000 {
			line += " @"
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func single() *ownership.Tree {
	return &ownership.Tree{Userns: true, Links: ownership.Links{}}
}

// copyCase copies in one go, as one COPY instruction does.
type copyCase struct {
	name    string
	lower   []string
	src     []string
	pattern []source.Pattern
	dest    string
	keep    bool // owners come from the source: COPY --from
	chown   string
	chmod   string
	exclude []string
	want    []string
	err     string
}

func pat(paths ...string) []source.Pattern {
	var out []source.Pattern
	for _, p := range paths {
		out = append(out, source.Pattern{Path: p, Required: true})
	}
	return out
}

func doCopy(t *testing.T, c copyCase) ([]string, error) {
	t.Helper()
	lower, src, upper := t.TempDir(), t.TempDir(), t.TempDir()
	below, from, owners := single(), single(), single()
	plant(t, lower, below, c.lower...)
	plant(t, src, from, c.src...)
	var fds [3]*os.File
	for i, d := range []string{lower, src, upper} {
		f, err := openDir(d)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		fds[i] = f
	}
	low := int(fds[0].Fd())
	if c.lower == nil {
		low = -1
	}
	u := newUnion(int(fds[2].Fd()), low, owners, below)
	if err := u.root(); err != nil {
		t.Fatal(err)
	}
	var who *owner
	if c.chown != "" {
		o, err := parseOwner(c.chown, low, idmap.Mapping{Kind: idmap.Single})
		if err != nil {
			return nil, err
		}
		who = &o
	}
	var chmod *plan.Chmod
	if c.chmod != "" {
		var err error
		if chmod, err = plan.ParseChmod(c.chmod); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range c.pattern {
		sels, err := source.Select(fds[1], []source.Pattern{p}, source.SelectOptions{Exclude: c.exclude, Stat: imageStat(from)})
		if err != nil {
			return nil, err
		}
		for _, sel := range sels {
			cp := &copier{u: u, src: int(fds[1].Fd()), keep: c.keep, owner: who, chmod: chmod,
				content: &tree.Content{}, links: map[inode]string{}, ctx: context.Background()}
			if err := cp.put(sel, c.dest); err != nil {
				return nil, err
			}
		}
	}
	return show(t, upper, owners), nil
}

func TestCopy(t *testing.T) {
	base := []string{"etc/ 755 0:0", "etc/passwd 644 0:0 =root:x:0:0::/:\nweb:x:33:44::/:", "etc/group 644 =staff:x:50:", "usr/ 755", "usr/bin/ 751 5:6", "usr/bin/old 755 =old", "bin -> usr/bin", "opt/ 2775 7:8"}
	for _, c := range []copyCase{
		{name: "file to file", lower: base, src: []string{"a 600 9:9 =x"}, pattern: pat("/a"), dest: "/opt/b",
			want: []string{"opt/ 2775 7:8", "opt/b 600 0:0 =x @"}},
		{name: "file into a directory that exists", lower: base, src: []string{"a 600 =x"}, pattern: pat("/a"), dest: "/opt",
			want: []string{"opt/ 2775 7:8", "opt/a 600 0:0 =x @"}},
		{name: "slash makes a directory", lower: base, src: []string{"a 600 =x"}, pattern: pat("/a"), dest: "/new/dir/",
			want: []string{"new/ 755 0:0", "new/dir/ 755 0:0", "new/dir/a 600 0:0 =x @"}},
		{name: "no slash: the last part is the name", lower: base, src: []string{"a =x"}, pattern: pat("/a"), dest: "/new/name",
			want: []string{"new/ 755 0:0", "new/name 644 0:0 =x @"}},
		{name: "a symlink on the way is followed in the root", lower: base, src: []string{"a 755 =x"}, pattern: pat("/a"), dest: "/bin/",
			want: []string{"usr/ 755 0:0", "usr/bin/ 751 5:6", "usr/bin/a 755 0:0 =x @"}},
		{name: "a symlink as the last part, too", lower: append(base, "here -> /opt/there"), src: []string{"a =x"}, pattern: pat("/a"), dest: "/here",
			want: []string{"opt/ 2775 7:8", "opt/there 644 0:0 =x @"}},
		{name: "a symlink can not lead out", lower: append(base, "out -> ../../../etc"), src: []string{"a =x"}, pattern: pat("/a"), dest: "/out/",
			want: []string{"etc/ 755 0:0", "etc/a 644 0:0 =x @"}},
		{name: "symlinks in a circle", lower: append(base, "x -> y", "y -> x"), src: []string{"a =x"}, pattern: pat("/a"), dest: "/x/",
			err: "too many levels of symbolic links"},
		{name: "contents of a directory, made anew: mode of the source is not kept, its time is", src: []string{"d/ 700 9:9", "d/sub/ 710 9:9", "d/sub/f 640 9:9 =x"}, pattern: pat("/d"), dest: "/to",
			want: []string{"to/ 755 0:0 @", "to/sub/ 710 0:0 @", "to/sub/f 640 0:0 =x @"}},
		{name: "contents of a directory into one that exists: it keeps mode and owner", lower: base, src: []string{"d/ 700", "d/f =x"}, pattern: pat("/d"), dest: "/opt/",
			want: []string{"opt/ 2775 7:8 @", "opt/f 644 0:0 =x @"}},
		{name: "directories below get those of the source", lower: base, src: []string{"r/ 755", "r/usr/ 755", "r/usr/bin/ 700 1:1", "r/usr/bin/new =n"}, pattern: pat("/r"), dest: "/", keep: true,
			want: []string{"usr/ 755 0:0 @", "usr/bin/ 700 1:1 @", "usr/bin/new 644 0:0 =n @"}},
		{name: "owners are kept from a stage", src: []string{"a 4755 9:10 =x", "l -> a"}, pattern: pat("/"), dest: "/", keep: true,
			want: []string{"a 4755 9:10 =x @", "l -> a 0:0 @"}},
		{name: "several sources", src: []string{"a =1", "b =2", "d/ 755", "d/c =3"}, pattern: pat("/a", "/b", "/d"), dest: "/to/",
			want: []string{"to/ 755 0:0 @", "to/a 644 0:0 =1 @", "to/b 644 0:0 =2 @", "to/c 644 0:0 =3 @"}},
		{name: "wildcards", src: []string{"a.txt =1", "b.txt =2", "c.md =3", "x.txt/ 755", "x.txt/in =4"}, pattern: pat("/*.txt"), dest: "/to/",
			want: []string{"to/ 755 0:0 @", "to/a.txt 644 0:0 =1 @", "to/b.txt 644 0:0 =2 @", "to/in 644 0:0 =4 @"}},
		{name: "a symlink named is followed, one below is kept", src: []string{"f =x", "named -> f", "d/ 755", "d/below -> ../f"}, pattern: pat("/named", "/d"), dest: "/to/",
			want: []string{"to/ 755 0:0 @", "to/below -> ../f 0:0 @", "to/named 644 0:0 =x @"}},
		{name: "a later source replaces an earlier file", src: []string{"1/ 755", "1/f =one", "2/ 755", "2/f =two"}, pattern: pat("/1", "/2"), dest: "/",
			want: []string{"f 644 0:0 =two @"}},
		{name: "a file over one of a lower layer", lower: base, src: []string{"passwd =mine"}, pattern: pat("/passwd"), dest: "/etc/",
			want: []string{"etc/ 755 0:0", "etc/passwd 644 0:0 =mine @"}},
		{name: "a file over a symlink below the destination replaces the link", lower: append(base, "d/ 755", "d/l -> /etc/passwd"), src: []string{"s/ 755", "s/l =x"}, pattern: pat("/s"), dest: "/d/",
			want: []string{"d/ 755 0:0 @", "d/l 644 0:0 =x @"}},
		{name: "a file does not replace a directory", lower: base, src: []string{"s/ 755", "s/opt =x"}, pattern: pat("/s"), dest: "/",
			err: "cannot replace to directory /opt with file"},
		{name: "a directory does not replace a file", lower: base, src: []string{"s/ 755", "s/etc/ 755", "s/etc/passwd/ 755"}, pattern: pat("/s"), dest: "/",
			err: "cannot copy to non-directory: /etc/passwd"},
		{name: "a directory onto a file", lower: base, src: []string{"s/ 755", "s/f =x"}, pattern: pat("/s"), dest: "/etc/passwd",
			err: "cannot copy to non-directory: /etc/passwd"},
		{name: "a path through a file", lower: base, src: []string{"a =x"}, pattern: pat("/a"), dest: "/etc/passwd/",
			err: "not a directory"},
		{name: "missing source", src: []string{"a"}, pattern: pat("/nothere"), dest: "/", err: "/nothere"},
		{name: "hard links are kept within a source", src: []string{"d/ 755", "d/a =x", "d/b == d/a", "d/sub/ 755", "d/sub/c == d/a"}, pattern: pat("/d"), dest: "/",
			want: []string{"a 644 0:0 =x @", "b == a", "sub/ 755 0:0 @", "sub/c == a"}},
		{name: "hard links are not kept across sources", src: []string{"a =x", "b == a"}, pattern: pat("/a", "/b"), dest: "/",
			want: []string{"a 644 0:0 =x @", "b 644 0:0 =x @"}},
		{name: "chown by number: the group is the same number", lower: base, src: []string{"d/ 755 9:9", "d/f =x", "d/l -> f"}, pattern: pat("/d"), dest: "/new/dir", chown: "1000", keep: true,
			want: []string{"new/ 755 1000:1000", "new/dir/ 755 1000:1000 @", "new/dir/f 644 1000:1000 =x @", "new/dir/l -> f 1000:1000 @"}},
		{name: "chown by name: the user's own group", lower: base, src: []string{"f =x"}, pattern: pat("/f"), dest: "/opt/", chown: "web",
			want: []string{"opt/ 2775 7:8", "opt/f 644 33:44 =x @"}},
		{name: "chown by name and group", lower: base, src: []string{"f =x"}, pattern: pat("/f"), dest: "/f", chown: "web:staff",
			want: []string{"f 644 33:50 =x @"}},
		{name: "chown with an empty group", lower: base, src: []string{"f =x"}, pattern: pat("/f"), dest: "/f", chown: "web:",
			want: []string{"f 644 33:44 =x @"}},
		{name: "chown to root by name without a passwd file", src: []string{"f =x"}, pattern: pat("/f"), dest: "/f", chown: "root:root",
			want: []string{"f 644 0:0 =x @"}},
		{name: "chown to nobody known", lower: base, src: []string{"f =x"}, pattern: pat("/f"), dest: "/f", chown: "nosuch", err: "unable to find user nosuch"},
		{name: "chown to no known group", lower: base, src: []string{"f =x"}, pattern: pat("/f"), dest: "/f", chown: "0:nosuch", err: "unable to find group nosuch"},
		{name: "chmod in octal", src: []string{"d/ 755", "d/f 600 =x", "d/s/ 700", "d/l -> f"}, pattern: pat("/d"), dest: "/to", chmod: "4711",
			want: []string{"to/ 711 0:0 @", "to/f 4711 0:0 =x @", "to/l -> f 0:0 @", "to/s/ 4711 0:0 @"}},
		{name: "chmod by letters, with X", src: []string{"d/ 755", "d/f 600 =x", "d/x 700 =x", "d/s/ 700"}, pattern: pat("/d"), dest: "/to", chmod: "u=rwX,go=rX",
			want: []string{"to/ 755 0:0 @", "to/f 644 0:0 =x @", "to/s/ 755 0:0 @", "to/x 755 0:0 =x @"}},
		{name: "exclude", src: []string{"d/ 755", "d/a.o =1", "d/a.c =2", "d/s/ 755", "d/s/b.o =3"}, pattern: pat("/d"), dest: "/", exclude: []string{"**/*.o"},
			want: []string{"a.c 644 0:0 =2 @", "s/ 755 0:0 @"}},
		{name: "parents", lower: base, src: []string{"x/ 750", "x/y/ 700", "x/y/f =1", "x/y/g =2", "z =3"}, pattern: []source.Pattern{{Path: "/", Parents: "x/y/f", Required: true}}, dest: "/opt/",
			want: []string{"opt/ 2775 7:8", "opt/x/ 750 0:0 @", "opt/x/y/ 700 0:0 @", "opt/x/y/f 644 0:0 =1 @"}},
		{name: "made directories get an octal mode", src: []string{"f =x"}, pattern: pat("/f"), dest: "/a/b/", chmod: "770", want: []string{"a/ 770 0:0", "a/b/ 770 0:0", "a/b/f 770 0:0 =x @"}},
		{name: "made directories and letters", src: []string{"f =x"}, pattern: pat("/f"), dest: "/a/", chmod: "go-r", want: []string{"a/ 755 0:0", "a/f 600 0:0 =x @"}},
		{name: "a socket of a context", src: []string{"d/ 700", "d/s socket", "d/t =t"}, pattern: pat("/d"), dest: "/to", want: []string{"to/ 755 0:0 @", "to/s 640 0:0 =", "to/t 644 0:0 =t @"}},
		{name: "a socket of a stage", keep: true, src: []string{"d/ 700", "d/s socket", "d/t =t"}, pattern: pat("/d"), dest: "/to", want: []string{"to/ 755 0:0 @", "to/t 644 0:0 =t @"}},
		{name: "an empty directory", src: []string{"d/ 700"}, pattern: pat("/d"), dest: "/e", want: []string{"e/ 755 0:0 @"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := doCopy(t, c)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %q; made %v", err, c.err, got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestXattrsTravelAndOursDoNot(t *testing.T) {
	c := copyCase{src: []string{"f 640 9:9 =x"}, pattern: pat("/f"), dest: "/f", keep: true}
	src, upper := t.TempDir(), t.TempDir()
	plant(t, src, single(), c.src...)
	for name, v := range map[string]string{"user.mine": "1", "user.overlay.opaque": "y", "user.overlay.redirect": "/etc"} {
		if err := unix.Setxattr(filepath.Join(src, "f"), name, []byte(v), 0); err != nil {
			t.Skipf("no user xattrs here: %v", err)
		}
	}
	from, _ := openDir(src)
	to, _ := openDir(upper)
	defer from.Close()
	defer to.Close()
	// A native tree: the record in the source must not come along either.
	u := newUnion(int(to.Fd()), -1, single(), single())
	sels, err := source.Select(from, c.pattern, source.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cp := &copier{u: u, src: int(from.Fd()), content: &tree.Content{}, links: map[inode]string{}, ctx: context.Background()}
	if err := cp.put(sels[0], "/f"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, err := unix.Listxattr(filepath.Join(upper, "f"), buf)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "security.") })
	if !slices.Equal(got, []string{"user.mine"}) {
		t.Errorf("xattrs %q", got)
	}
}

func TestChangedWhileCopied(t *testing.T) {
	src, upper := t.TempDir(), t.TempDir()
	plant(t, src, single(), "f =before")
	from, _ := openDir(src)
	to, _ := openDir(upper)
	defer from.Close()
	defer to.Close()
	sels, err := source.Select(from, pat("/f"), source.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(src, "f"), []byte("after!"), 0o644) // same size
	cp := &copier{u: newUnion(int(to.Fd()), -1, single(), single()), src: int(from.Fd()), content: &tree.Content{},
		links: map[inode]string{}, ctx: context.Background()}
	if err := cp.put(sels[0], "/f"); err == nil || !strings.Contains(err.Error(), "changed while") {
		t.Errorf("error %v", err)
	}
}

func TestGrownWhileCopied(t *testing.T) {
	src, upper := t.TempDir(), t.TempDir()
	plant(t, src, single(), "f =before")
	from, _ := openDir(src)
	to, _ := openDir(upper)
	defer from.Close()
	defer to.Close()
	sels, err := source.Select(from, pat("/f"), source.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(src, "f"), []byte("before and after"), 0o644)
	cp := &copier{u: newUnion(int(to.Fd()), -1, single(), single()), src: int(from.Fd()), content: &tree.Content{},
		links: map[inode]string{}, ctx: context.Background()}
	if err := cp.put(sels[0], "/f"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(upper, "f"))
	if string(got) != "before" || err != nil || !cp.grown.Load() {
		t.Errorf("copied %q, grown %v, %v", got, cp.grown.Load(), err)
	}
}
