package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/dockerfile"
)

// tree makes files below a new directory: "a/b" a file with its name as content, "a/" a directory,
// "l -> target" a symlink, "p|" a FIFO, "s=" a socket.
func tree(t *testing.T, files ...string) *os.File {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		link, target, isLink := strings.Cut(f, " -> ")
		p := filepath.Join(dir, strings.TrimRight(link, "|="))
		parent := filepath.Dir(p)
		if strings.HasSuffix(f, "/") {
			parent = p
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case isLink:
			err = os.Symlink(target, p)
		case strings.HasSuffix(f, "/"):
		case strings.HasSuffix(f, "|"):
			err = unix.Mkfifo(p, 0o644)
		case strings.HasSuffix(f, "="):
			err = unix.Mknod(p, unix.S_IFSOCK|0o644, 0)
		default:
			err = os.WriteFile(p, []byte(f), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// shown prints selections as "path[base]{entry entry}", a directory with its slash.
func shown(sels []Selection) string {
	var out []string
	for _, s := range sels {
		var entries []string
		for _, e := range s.Entries {
			if e.Rel != "" {
				entries = append(entries, e.Rel)
			}
		}
		dir := ""
		if s.Dir {
			dir = "/"
		}
		out = append(out, fmt.Sprintf("%s%s[%s]{%s}", s.Path, dir, s.Base, strings.Join(entries, " ")))
	}
	return strings.Join(out, " ")
}

func TestSelect(t *testing.T) {
	files := []string{"a.txt", "b.txt", "c.md", ".hidden", "dir/one", "dir/two.txt", "dir/sub/deep", "dir/sub/x.md", "empty/",
		"link -> dir", "flink -> dir/one", "abs -> /dir/one", "up -> ../../../etc/passwd", "loop -> loop", "dangling -> nowhere",
		"we[ird", "fifo|", "sock=", "dir/inlink -> one", "with space"}
	for _, c := range []struct {
		name    string
		pattern Pattern
		exclude []string
		ignore  string
		want    string // of shown, or an error after "!"
	}{
		{name: "file", pattern: Pattern{Path: "/a.txt"}, want: "/a.txt[a.txt]{}"},
		{name: "with space", pattern: Pattern{Path: "/with space"}, want: "/with space[with space]{}"},
		{name: "directory", pattern: Pattern{Path: "/dir"}, want: "/dir/[dir]{inlink one sub sub/deep sub/x.md two.txt}"},
		{name: "directory with slash", pattern: Pattern{Path: "/dir/"}, want: "/dir/[dir]{inlink one sub sub/deep sub/x.md two.txt}"},
		{name: "empty directory", pattern: Pattern{Path: "/empty"}, want: "/empty/[empty]{}"},
		{name: "missing", pattern: Pattern{Path: "/nope", Required: true}, want: `!"/nope": not found`},
		{name: "missing, not required", pattern: Pattern{Path: "/nope"}, want: ""},
		{name: "below a file", pattern: Pattern{Path: "/a.txt/x", Required: true}, want: `!"/a.txt/x": not found`},
		{name: "link to a directory", pattern: Pattern{Path: "/link"}, want: "/dir/[link]{inlink one sub sub/deep sub/x.md two.txt}"},
		{name: "through a link", pattern: Pattern{Path: "/link/sub"}, want: "/dir/sub/[sub]{deep x.md}"},
		{name: "link to a file", pattern: Pattern{Path: "/flink"}, want: "/dir/one[flink]{}"},
		{name: "absolute link stays in the tree", pattern: Pattern{Path: "/abs"}, want: "/dir/one[abs]{}"},
		{name: "link out of the tree", pattern: Pattern{Path: "/up", Required: true}, want: `!"/up": not found`},
		{name: "loop", pattern: Pattern{Path: "/loop", Required: true}, want: `!"/loop": too many levels of symbolic links`},
		{name: "dots", pattern: Pattern{Path: "/../../a.txt"}, want: "/a.txt[a.txt]{}"},
		{name: "wildcard", pattern: Pattern{Path: "/*.txt"}, want: "/a.txt[a.txt]{} /b.txt[b.txt]{}"},
		{name: "wildcard deep", pattern: Pattern{Path: "/d*/t?o.*"}, want: "/dir/two.txt[two.txt]{}"},
		{name: "wildcard meets directories", pattern: Pattern{Path: "/e*"}, want: "/empty/[empty]{}"},
		{name: "wildcard does not cross links", pattern: Pattern{Path: "/l*/one"}, want: ""},
		{name: "wildcard after a link", pattern: Pattern{Path: "/link/o*"}, want: "/dir/one[one]{}"},
		{name: "wildcard matches a link", pattern: Pattern{Path: "/fl*"}, want: "/dir/one[flink]{}"},
		{name: "wildcard matches a dangling link", pattern: Pattern{Path: "/dang*"}, want: "/dangling[dangling]{}"},
		{name: "wildcard without match", pattern: Pattern{Path: "/*.go"}, want: ""},
		{name: "escaped wildcard", pattern: Pattern{Path: `/we[[]*`}, want: "/we[ird[we[ird]{}"},
		{name: "bad wildcard", pattern: Pattern{Path: "/a["}, want: `!"/a[": syntax error in pattern`},
		{name: "all with hidden files and sockets", pattern: Pattern{Path: "/"}, exclude: []string{"*", "!.hidden", "!sock", "!fifo"}, want: "//[/]{.hidden fifo sock}"},
		{name: "exclude by name", pattern: Pattern{Path: "/dir"}, exclude: []string{"*.txt", "sub"}, want: "/dir/[dir]{inlink one}"},
		{name: "exclude everywhere", pattern: Pattern{Path: "/dir"}, exclude: []string{"**/*.md", "one"}, want: "/dir/[dir]{inlink sub sub/deep two.txt}"},
		{name: "exclude with exception", pattern: Pattern{Path: "/dir"}, exclude: []string{"*", "!sub/deep"}, want: "/dir/[dir]{sub sub/deep}"},
		{name: "exclude a wildcard's match", pattern: Pattern{Path: "/*.*"}, exclude: []string{"*.md", ".hidden"}, want: "/a.txt[a.txt]{} /b.txt[b.txt]{}"},
		{name: "ignore", pattern: Pattern{Path: "/dir"}, ignore: "dir/sub", want: "/dir/[dir]{inlink one two.txt}"},
		{name: "ignored source", pattern: Pattern{Path: "/dir", Required: true}, ignore: "dir", want: `!"/dir": not found: the ignore file leaves it out`},
		{name: "ignored file", pattern: Pattern{Path: "/dir/one", Required: true}, ignore: "dir", want: `!"/dir/one": not found: the ignore file leaves it out`},
		{name: "ignored with exception below", pattern: Pattern{Path: "/dir"}, ignore: "*\n!dir/sub/deep", want: "/dir/[dir]{sub sub/deep}"},
		{name: "ignored link", pattern: Pattern{Path: "/link", Required: true}, ignore: "link", want: `!"/link": not found: the ignore file leaves it out`},
		{name: "ignored target", pattern: Pattern{Path: "/flink", Required: true}, ignore: "dir/one", want: `!"/flink": not found: the ignore file leaves it out`},
		{name: "ignored for a wildcard", pattern: Pattern{Path: "/*.txt"}, ignore: "a*", want: "/b.txt[b.txt]{}"},
		{name: "exception in the root", pattern: Pattern{Path: "/"}, ignore: "*\n!*.md", want: "//[/]{c.md}"},
		{name: "parents", pattern: Pattern{Path: "/", Parents: "dir/sub/deep", Required: true}, want: "//[/]{dir dir/sub dir/sub/deep}"},
		{name: "parents of a directory", pattern: Pattern{Path: "/", Parents: "dir/sub"}, want: "//[/]{dir dir/sub dir/sub/deep dir/sub/x.md}"},
		{name: "parents with pivot", pattern: Pattern{Path: "/dir", Parents: "sub/*.md"}, want: "/dir/[dir]{sub sub/x.md}"},
		{name: "parents with double star", pattern: Pattern{Path: "/", Parents: "**/*.md"}, want: "//[/]{c.md dir dir/sub dir/sub/x.md}"},
		{name: "parents, nothing there", pattern: Pattern{Path: "/", Parents: "dir/nope", Required: true}, want: `!"/dir/nope": not found`},
		{name: "NUL", pattern: Pattern{Path: "/a\x00b"}, want: `!"/a\x00b": a path holds a NUL byte`},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := tree(t, files...)
			opts := SelectOptions{Exclude: c.exclude}
			if c.ignore != "" {
				patterns, err := dockerfile.ReadIgnore(strings.NewReader(c.ignore), "ignore")
				if err != nil {
					t.Fatal(err)
				}
				if opts.Ignore, err = dockerfile.NewMatcher(patterns); err != nil {
					t.Fatal(err)
				}
			}
			sels, err := Select(root, []Pattern{c.pattern}, opts)
			got := shown(sels)
			if err != nil {
				got = "!" + err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNotFoundIsTellable(t *testing.T) {
	_, err := Select(tree(t), []Pattern{{Path: "/x", Required: true}}, SelectOptions{})
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("%v is not ErrNotFound", err)
	}
}

func TestDeepTreeIsAnError(t *testing.T) {
	root := tree(t)
	fd := int(root.Fd())
	for range maxDepth + 2 {
		if err := unix.Mkdirat(fd, "d", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, "d", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if fd != int(root.Fd()) {
			unix.Close(fd)
		}
		fd = next
	}
	unix.Close(fd)
	if _, err := Select(root, []Pattern{{Path: "/"}}, SelectOptions{}); err == nil || !strings.Contains(err.Error(), "nest") {
		t.Errorf("a very deep tree gives %v", err)
	}
}

// digestOf selects everything and gives its digest.
func digestOf(t *testing.T, root *os.File, opts DigestOptions) string {
	t.Helper()
	sels, err := Select(root, []Pattern{{Path: "/", Required: true}}, SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Digest(context.Background(), root, sels, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d, "content:") {
		t.Errorf("a digest like %q could be mistaken for a key", d)
	}
	return d
}

func TestDigestCounts(t *testing.T) {
	files := []string{"a", "dir/b", "l -> a", "p|"}
	base := digestOf(t, tree(t, files...), DigestOptions{})
	if again := digestOf(t, tree(t, files...), DigestOptions{}); again != base {
		t.Error("two equal trees differ")
	}
	for name, change := range map[string]func(dir string) error{
		"content":       func(d string) error { return os.WriteFile(d+"/a", []byte("z"), 0o644) },
		"mode":          func(d string) error { return os.Chmod(d+"/a", 0o755) },
		"setuid":        func(d string) error { return os.Chmod(d+"/a", 0o644|os.ModeSetuid) },
		"name":          func(d string) error { return os.Rename(d+"/a", d+"/c") },
		"new":           func(d string) error { return os.WriteFile(d+"/n", nil, 0o644) },
		"new directory": func(d string) error { return os.Mkdir(d+"/n", 0o755) },
		"link target":   func(d string) error { return errors.Join(os.Remove(d+"/l"), os.Symlink("b", d+"/l")) },
		"directory mode": func(d string) error {
			return os.Chmod(d+"/dir", 0o700)
		},
		"type":  func(d string) error { return errors.Join(os.Remove(d+"/p"), os.WriteFile(d+"/p", nil, 0o644)) },
		"xattr": func(d string) error { return unix.Setxattr(d+"/a", "user.x", []byte("1"), 0) },
		"directory xattr": func(d string) error {
			return unix.Setxattr(d+"/dir", "user.x", []byte("1"), 0)
		},
	} {
		root := tree(t, files...)
		if err := change(root.Name()); err != nil {
			if errors.Is(err, unix.ENOTSUP) {
				t.Logf("%s: skipped, the file system has no user attributes", name)
				continue
			}
			t.Fatal(name, err)
		}
		if digestOf(t, root, DigestOptions{}) == base {
			t.Errorf("%s does not change the digest", name)
		}
	}
	root := tree(t, files...)
	os.Chtimes(root.Name()+"/a", time.Unix(1, 0), time.Unix(1, 0))
	os.Chmod(root.Name(), 0o700)
	if digestOf(t, root, DigestOptions{}) != base {
		t.Error("time, or the mode of the directory itself, changes the digest")
	}
	if err := unix.Setxattr(root.Name()+"/a", "user.x", []byte("1"), 0); err == nil {
		skip := func(n string) bool { return n == "user.x" }
		if digestOf(t, root, DigestOptions{SkipXattr: skip}) != base {
			t.Error("a skipped attribute changes the digest")
		}
	}
	if os.Getuid() == 0 {
		os.Lchown(root.Name()+"/a", 7, 7)
		plain := digestOf(t, tree(t, files...), DigestOptions{Owners: true})
		if digestOf(t, root, DigestOptions{Owners: true}) == plain {
			t.Error("owners do not count when they are asked for")
		}
	}
}

func TestDigestOfAVanishedOrReplacedFile(t *testing.T) {
	for name, change := range map[string]func(p string) error{
		"vanished":  os.Remove,
		"rewritten": func(p string) error { return os.WriteFile(p, []byte("?"), 0o644) },
		"a pipe":    func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o644)) },
		"a link":    func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) },
	} {
		root := tree(t, "a")
		sels, err := Select(root, []Pattern{{Path: "/"}}, SelectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := change(root.Name() + "/a"); err != nil {
			t.Fatal(err)
		}
		if d, err := Digest(context.Background(), root, sels, DigestOptions{}); err == nil {
			t.Errorf("%s: digest %s of a file that changed", name, d)
		}
	}
}

// A log written to meanwhile counts as it was when it was selected.
func TestDigestOfAGrowingFile(t *testing.T) {
	root := tree(t, "a")
	want := digestOf(t, root, DigestOptions{})
	sels, err := Select(root, []Pattern{{Path: "/"}}, SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(root.Name()+"/a", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("more")
	f.Close()
	if got, err := Digest(context.Background(), root, sels, DigestOptions{}); err != nil || got != want {
		t.Errorf("digest %s, %v; it was %s", got, err, want)
	}
}

func TestMemory(t *testing.T) {
	root := tree(t, "a", "b")
	store := filepath.Join(t.TempDir(), "files")
	m := OpenMemory(store)
	// The files are new: nothing may be remembered yet.
	first := digestOf(t, root, DigestOptions{Memory: m})
	if len(m.known) != 0 {
		t.Error("a file changed just now is remembered")
	}
	m.now = func() time.Time { return time.Now().Add(time.Minute) }
	if digestOf(t, root, DigestOptions{Memory: m}) != first {
		t.Error("the memory changes the digest")
	}
	if len(m.known) != 2 {
		t.Fatalf("%d files remembered", len(m.known))
	}
	if err := m.Save(); err != nil {
		t.Fatal(err)
	}
	again := OpenMemory(store)
	if len(again.known) != 2 {
		t.Fatalf("%d files read back", len(again.known))
	}
	// A poisoned memory shows that it is used…
	for k, r := range again.known {
		r.content[0] ^= 1
		again.known[k] = r
	}
	if digestOf(t, root, DigestOptions{Memory: again}) == first {
		t.Error("the memory is not used")
	}
	// …and that the same size and mtime do not deceive it.
	st, _ := os.Stat(root.Name() + "/a")
	os.WriteFile(root.Name()+"/a", []byte("z"), 0o644)
	os.WriteFile(root.Name()+"/b", []byte("b"), 0o644)
	os.Chtimes(root.Name()+"/a", st.ModTime(), st.ModTime())
	if got, want := digestOf(t, root, DigestOptions{Memory: again}), digestOf(t, root, DigestOptions{}); got != want {
		t.Error("a changed file of the same size and mtime is not noticed")
	}
}

func TestDamagedMemoryIsEmpty(t *testing.T) {
	store := filepath.Join(t.TempDir(), "files")
	m := OpenMemory(store)
	m.known[inode{ino: 1}] = remembered{day: m.today()}
	m.dirty = true
	if err := m.Save(); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(store)
	for i := range data {
		broken := append([]byte(nil), data...)
		broken[i] ^= 0x40
		os.WriteFile(store, broken, 0o644)
		if len(readMemory(store)) != 0 {
			t.Fatalf("a damaged byte %d is not noticed", i)
		}
	}
	os.WriteFile(store, data[:len(data)-1], 0o644)
	if len(readMemory(store)) != 0 {
		t.Error("a cut file is not noticed")
	}
	os.Remove(store)
	unix.Mkfifo(store, 0o644)
	if len(readMemory(store)) != 0 { // and does not hang
		t.Error("a pipe is a memory")
	}
}

func BenchmarkDigestUnchanged(b *testing.B) {
	dir := b.TempDir()
	for i := range 22_000 {
		if i%100 == 0 {
			os.MkdirAll(fmt.Sprintf("%s/%d", dir, i/100), 0o755)
		}
		os.WriteFile(fmt.Sprintf("%s/%d/%d", dir, i/100, i), []byte(fmt.Sprint(i)), 0o644)
	}
	root, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	m := OpenMemory(filepath.Join(b.TempDir(), "m"))
	m.now = func() time.Time { return time.Now().Add(time.Hour) }
	for b.Loop() {
		sels, err := Select(root, []Pattern{{Path: "/"}}, SelectOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Digest(context.Background(), root, sels, DigestOptions{Memory: m}); err != nil {
			b.Fatal(err)
		}
	}
}
