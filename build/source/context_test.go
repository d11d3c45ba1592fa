package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"
)

// write makes files with content below a new directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, o Options) *Sources {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestDockerfileLookup(t *testing.T) {
	for _, c := range []struct {
		name       string
		files      map[string]string
		file       string
		want, from string
	}{
		{"default", map[string]string{"Dockerfile": "D"}, "", "D", "Dockerfile"},
		{"containerfile", map[string]string{"Containerfile": "C"}, "", "C", "Containerfile"},
		{"both", map[string]string{"Dockerfile": "D", "Containerfile": "C"}, "", "D", "Dockerfile"},
		{"lower case", map[string]string{"dockerfile": "d"}, "", "d", "dockerfile"},
		{"inside by name", map[string]string{"sub/My": "M"}, "sub/My", "M", "sub/My"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, Options{Context: write(t, c.files), Dockerfile: c.file})
			if string(s.Dockerfile) != c.want || s.Name != c.from {
				t.Errorf("%q from %q", s.Dockerfile, s.Name)
			}
			if (c.name == "both") != (len(s.Warnings) == 1) {
				t.Error(s.Warnings)
			}
		})
	}
	other := write(t, map[string]string{"Other": "O", "Other.dockerignore": "x"})
	s := open(t, Options{Context: write(t, map[string]string{".dockerignore": "y"}), Dockerfile: other + "/Other"})
	if string(s.Dockerfile) != "O" || s.Main.IgnoreName != other+"/Other.dockerignore" {
		t.Errorf("%q %q", s.Dockerfile, s.Main.IgnoreName)
	}
	s = open(t, Options{Context: other, Dockerfile: "-", Stdin: strings.NewReader("S")})
	if string(s.Dockerfile) != "S" || s.Name != "Dockerfile" {
		t.Errorf("%q %q", s.Dockerfile, s.Name)
	}
}

// TestDockerfileFromAPipe: a shell's <(…) is a pipe, and so is /dev/stdin.
func TestDockerfileFromAPipe(t *testing.T) {
	dir := t.TempDir()
	fifo := dir + "/p"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(fifo, []byte("FROM x"), 0)
	if s := open(t, Options{Context: dir, Dockerfile: fifo}); string(s.Dockerfile) != "FROM x" {
		t.Errorf("%q", s.Dockerfile)
	}
}

func TestIgnorePrecedence(t *testing.T) {
	all := []string{"sub/F.dockerignore", "sub/F.containerignore", ".dockerignore", ".containerignore"}
	for i, want := range all {
		files := map[string]string{"sub/F": "F"}
		for _, name := range all[i:] {
			files[name] = "x"
		}
		if s := open(t, Options{Context: write(t, files), Dockerfile: "sub/F"}); s.Main.IgnoreName != want || s.Main.Ignore == nil {
			t.Errorf("%s is used, want %s", s.Main.IgnoreName, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := write(t, map[string]string{"Dockerfile": "F", "sub/x": ""})
	os.Symlink("/etc/hostname", dir+"/sub/Dockerfile")
	bad := write(t, map[string]string{"Dockerfile": "F", ".dockerignore": "a["})
	unix.Mkfifo(dir+"/sub/fifo", 0o600)
	big := write(t, map[string]string{"Dockerfile": strings.Repeat("x", 5<<20)})
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no context", Options{}, "the build needs a context"},
		{"missing", Options{Context: dir + "/no"}, fmt.Sprintf("context %q: no such file or directory", dir+"/no")},
		{"a file", Options{Context: dir + "/Dockerfile"}, fmt.Sprintf("context %q: it is not a directory", dir+"/Dockerfile")},
		{"no Dockerfile", Options{Context: t.TempDir()}, "there is no Dockerfile (or Containerfile) in the context"},
		{"link out of the context", Options{Context: dir + "/sub"}, `reading the Dockerfile "Dockerfile": it is a symlink that leads to nothing inside the context`},
		{"missing file", Options{Context: dir, Dockerfile: "nope"}, `reading the Dockerfile "nope": no such file or directory`},
		{"a directory as file", Options{Context: dir, Dockerfile: dir}, "reading the Dockerfile"},
		{"git", Options{Context: "https://example.org/a.git#main"}, `context "https://example.org/a.git#main": building from a git repository is not supported yet`},
		{"git by ssh", Options{Context: "git@example.org:a/b"}, "context \"git@example.org:a/b\": building from a git repository"},
		{"web", Options{Context: "http://example.org/x.tar"}, "context \"http://example.org/x.tar\": building from an address on the web"},
		{"github", Options{Context: "github.com/a/b"}, "context \"github.com/a/b\": building from a git repository"},
		{"web file", Options{Context: dir, Dockerfile: "https://x/Dockerfile"}, "-f https://x/Dockerfile: an address on the web"},
		{"twice stdin", Options{Context: "-", Dockerfile: "-"}, "context and Dockerfile cannot both be read from standard input"},
		{"Dockerfile and -f", Options{Context: "-", Dockerfile: "x", Stdin: strings.NewReader("FROM x")}, "standard input is a Dockerfile, so -f cannot name another"},
		{"bad ignore file", Options{Context: bad}, ".dockerignore: syntax error in pattern"},
		{"too large", Options{Context: big}, `the Dockerfile "Dockerfile" is larger than 4 MiB`},
		{"named git", Options{Context: dir, Named: map[string]string{"a": "git://x/y"}}, "--build-context a=git://x/y: a git repository is not supported yet"},
		{"named layout", Options{Context: dir, Named: map[string]string{"a": "oci-layout:///x"}}, "--build-context a=oci-layout:///x: an OCI layout is not supported yet"},
		{"named missing", Options{Context: dir, Named: map[string]string{"a": dir + "/no"}}, "--build-context a=" + dir + "/no: no such file or directory"},
		{"named badly", Options{Context: dir, Named: map[string]string{"A B": dir}}, `invalid context name "A B"`},
		{"cut archive", Options{Context: "-", Stdin: bytes.NewReader(archive(t, "gz", entry{name: "a", body: "x"})[:30])}, "unpacking the context from standard input: "},
		{"not what it says", Options{Context: "-", Stdin: strings.NewReader("BZhnonsense")}, "unpacking the context from standard input: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.TempDir = t.TempDir()
			_, err := Open(context.Background(), c.o)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %q", err)
			}
			if left, _ := os.ReadDir(c.o.TempDir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestNamedContexts(t *testing.T) {
	dir := write(t, map[string]string{"Dockerfile": "F"})
	extra := write(t, map[string]string{"x": "", ".dockerignore": "*.md"})
	s := open(t, Options{Context: dir, Named: map[string]string{"docker.io/library/alpine:latest": extra, "img": "docker-image://busybox:1"}})
	if c := s.Context("alpine"); c == nil || c.Dir != extra || c.Ignore == nil {
		t.Errorf("%+v", c)
	}
	if s.Images["img"] != "busybox:1" || s.Context("img") != nil || s.Context("") != s.Main {
		t.Errorf("%+v", s.Images)
	}
}

func TestDockerfileAlone(t *testing.T) {
	temp := t.TempDir()
	s := open(t, Options{Context: "-", Stdin: strings.NewReader("FROM x\n"), TempDir: temp})
	if string(s.Dockerfile) != "FROM x\n" || s.Name != "Dockerfile" {
		t.Errorf("%q", s.Dockerfile)
	}
	if _, err := Select(s.Main.Root(), []Pattern{{Path: "/a", Required: true}}, SelectOptions{}); err == nil {
		t.Error("something is found in an empty context")
	}
	s.Close()
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// entry is one file of a test archive.
type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func archive(t *testing.T, compression string, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.body)), Mode: e.mode, ModTime: time.Unix(1000, 0)}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(tw, e.body)
	}
	tw.Close()
	var packed bytes.Buffer
	var w io.WriteCloser
	var err error
	switch compression {
	case "gz":
		w = gzip.NewWriter(&packed)
	case "xz":
		w, err = xz.NewWriter(&packed)
	case "zstd":
		w, err = zstd.NewWriter(&packed)
	case "bz2":
		cmd := exec.Command("bzip2", "-c")
		cmd.Stdin = &out
		cmd.Stdout = &packed
		if err := cmd.Run(); err != nil {
			t.Skipf("bzip2 cannot be run: %v", err)
		}
		return packed.Bytes()
	default:
		return out.Bytes()
	}
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(w, &out)
	w.Close()
	return packed.Bytes()
}

func TestTarContexts(t *testing.T) {
	for _, compression := range []string{"none", "gz", "bz2", "xz", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			data := archive(t, compression,
				entry{name: "./", kind: tar.TypeDir, mode: 0o755},
				entry{name: "./Dockerfile", body: "FROM x\n"},
				entry{name: "sub/Other", body: "FROM y\n"},
				entry{name: "run.sh", body: "#!", mode: 0o4755},
				entry{name: "locked", kind: tar.TypeDir, mode: 0o555},
				entry{name: "locked/in", body: "in"},
				entry{name: "link", kind: tar.TypeSymlink, link: "/etc/passwd"},
				entry{name: "hard", kind: tar.TypeLink, link: "run.sh"},
				entry{name: "pipe", kind: tar.TypeFifo},
				entry{name: "run.sh", body: "again", mode: 0o755},
			)
			s := open(t, Options{Context: "-", Stdin: bytes.NewReader(data)})
			if string(s.Dockerfile) != "FROM x\n" || s.Name != "Dockerfile" {
				t.Errorf("%q", s.Dockerfile)
			}
			sels, err := Select(s.Main.Root(), []Pattern{{Path: "/"}}, SelectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(sels); got != "//["+filepath.Base(s.Main.Dir)+"]{Dockerfile hard link locked locked/in run.sh sub sub/Other}" && got != "//[/]{Dockerfile hard link locked locked/in run.sh sub sub/Other}" {
				t.Error(got)
			}
			if b, _ := os.ReadFile(s.Main.Dir + "/run.sh"); string(b) != "again" {
				t.Errorf("%q: a later entry does not win", b)
			}
			if b, _ := os.ReadFile(s.Main.Dir + "/hard"); string(b) != "#!" {
				t.Errorf("%q: replacing a file changes its hard link", b)
			}
			st, _ := os.Stat(s.Main.Dir + "/locked")
			if st.Mode().Perm() != 0o555 || st.ModTime().Unix() != 1000 {
				t.Error(st.Mode(), st.ModTime())
			}
			if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "pipe") {
				t.Error(s.Warnings)
			}
			s = open(t, Options{Context: "-", Dockerfile: "sub/Other", Stdin: bytes.NewReader(data)})
			if string(s.Dockerfile) != "FROM y\n" {
				t.Errorf("%q", s.Dockerfile)
			}
		})
	}
}

// TestHostileTars: nothing outside the directory is read, written or removed.
func TestHostileTars(t *testing.T) {
	outside := t.TempDir()
	canary := outside + "/canary"
	for name, entries := range map[string][]entry{
		"dots":                  {{name: "../canary", body: "x"}},
		"dots inside":           {{name: "a/../../canary", body: "x"}},
		"absolute":              {{name: canary, body: "x"}},
		"through a link":        {{name: "l", kind: tar.TypeSymlink, link: outside}, {name: "l/canary", body: "x"}},
		"through a relative":    {{name: "l", kind: tar.TypeSymlink, link: "../../../../../../../.." + outside}, {name: "l/canary", body: "x"}},
		"through two links":     {{name: "a", kind: tar.TypeSymlink, link: "b"}, {name: "b", kind: tar.TypeSymlink, link: outside}, {name: "a/canary", body: "x"}},
		"onto a link":           {{name: "l", kind: tar.TypeSymlink, link: canary}, {name: "l", body: "x"}},
		"directory onto a link": {{name: "l", kind: tar.TypeSymlink, link: outside}, {name: "l", kind: tar.TypeDir, mode: 0o700}, {name: "l/canary", body: "x"}},
		"hard link out":         {{name: "h", kind: tar.TypeLink, link: "../../../../../../../.." + canary}, {name: "h", body: "x"}},
		"hard link through":     {{name: "l", kind: tar.TypeSymlink, link: outside}, {name: "h", kind: tar.TypeLink, link: "l/canary"}, {name: "Dockerfile", body: "x"}},
		"Dockerfile is a link":  {{name: "Dockerfile", kind: tar.TypeSymlink, link: canary}},
		"ignore file is a link": {{name: "Dockerfile", body: "x"}, {name: ".dockerignore", kind: tar.TypeSymlink, link: canary}},
		"device":                {{name: "Dockerfile", kind: tar.TypeChar}, {name: "x", kind: tar.TypeBlock}},
		"file as directory":     {{name: "a", body: "x"}, {name: "a/b", body: "x"}},
		"itself":                {{name: "a", kind: tar.TypeLink, link: "a"}, {name: ".", kind: tar.TypeSymlink, link: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(canary, []byte("alive"), 0o640); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Stat(outside)
			temp := t.TempDir()
			s, err := Open(context.Background(), Options{Context: "-", Stdin: bytes.NewReader(archive(t, "none", entries...)), TempDir: temp})
			if err == nil {
				if strings.Contains(string(s.Dockerfile), "alive") {
					t.Error("a file outside was read")
				}
				s.Close()
			} else if strings.Contains(err.Error(), "alive") {
				t.Error("a file outside was read")
			}
			data, _ := os.ReadFile(canary)
			st, _ := os.Stat(canary)
			after, _ := os.Stat(outside)
			if string(data) != "alive" || st.Mode().Perm() != 0o640 || !before.ModTime().Equal(after.ModTime()) || before.Mode() != after.Mode() {
				t.Errorf("the outside was changed: %q %v %v", data, st.Mode(), after.Mode())
			}
			if left, _ := os.ReadDir(temp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			t.Log(err)
		})
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("BZh"), "a", "b")
	f.Add([]byte{}, "../x", "/etc/passwd")
	f.Add([]byte{}, "a/b/", "..")
	f.Fuzz(func(t *testing.T, raw []byte, name, link string) {
		dir := t.TempDir()
		top := dir + "/top"
		os.Mkdir(top, 0o700)
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		for _, h := range []tar.Header{{Name: name, Typeflag: tar.TypeSymlink, Linkname: link}, {Name: name + "/x", Typeflag: tar.TypeReg, Mode: 0o644},
			{Name: link, Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "h", Typeflag: tar.TypeLink, Linkname: name}} {
			tw.WriteHeader(&h)
		}
		tw.Close()
		for _, data := range [][]byte{raw, buf.Bytes()} {
			s, err := Open(context.Background(), Options{Context: "-", Stdin: bytes.NewReader(data), TempDir: top})
			if err == nil {
				s.Close()
			}
			for _, d := range []string{dir, top} {
				if left, _ := os.ReadDir(d); d == dir && len(left) != 1 || d == top && len(left) != 0 {
					t.Fatalf("%s holds %v", d, left)
				}
			}
		}
	})
}
