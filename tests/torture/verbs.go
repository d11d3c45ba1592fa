package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	ociv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// verb is one command that is broken off.
type verb struct {
	name string
	from string // the state it starts from, see states
	args []string
	say  string // its standard input
	// again is the retry where it is another command.
	again []string
	// done is what the retry may answer, with a failure, when the first one had come to its end.
	done string
	// check looks, after a retry, at what the verb was to bring about.
	check func(w *world, a answer) error
	// tidy ends what the verb is to leave running.
	tidy [][]string
	// payload is whether a signal reaches a payload, which ends as it likes: a Go program that is pid 1 with 2,
	// since no signal ends such a process (runtime.dieFromSignal).
	payload bool
}

const dockerfile = `FROM base
RUN echo one > /one && mkdir -p /d/e && echo two > /d/e/two
COPY --chown=1000:50 files /files
ENV A=b
RUN cat /files/a > /copied
`

const keptFile = "kept by the container\n"

// states make what verbs start from.
var states = map[string]func(w *world) error{
	"opened":   func(w *world) error { return w.all(nil, "pull -q small", "rmi small") },
	"nothing":  func(*world) error { return nil },
	"small":    func(w *world) error { return w.all(nil, "pull -q small") },
	"pushable": func(w *world) error { return w.all(nil, "pull -q small", "tag small "+w.reg.Addr+"/pushed") },
	"base": func(w *world) error {
		return errors.Join(w.write("ctx/Dockerfile", dockerfile), w.all([]string{"files"}, "pull -q base"))
	},
	"archive": func(w *world) error {
		return w.all(nil, "pull -q small", "save -o small.tar small", "rmi -f small", "system prune -af --volumes")
	},
	"container": func(w *world) error {
		if err := w.write("ctx/small.txt", "from the host\n"); err != nil {
			return err
		}
		if err := w.all(nil, "pull -q base", "volume create vol"); err != nil {
			return err
		}
		_, err := w.must("run", "--network", "none", "--name", "cont", "-v", "vol:/v", "-v", "/anon", "base", "sh", "-c",
			"echo kept by the container | tee /kept > /v/kept; mkdir -p /dir; cat /bin/userland > /dir/copy; rm -f /etc/os-release")
		return err
	},
	"much": func(w *world) error {
		if err := w.all(nil, "pull -q base", "pull -q small", "tag small two", "tag small three", "volume create vol", "volume create vol2"); err != nil {
			return err
		}
		_, err := w.must("run", "--network", "none", "--name", "cont", "base", "true")
		return err
	},
	"built": func(w *world) error {
		return errors.Join(w.write("ctx/Dockerfile", dockerfile), w.all([]string{"files"}, "pull -q base", "build -q -t built .", "rmi built"))
	},
}

// all runs commands without quoting, after making directories of the context.
func (w *world) all(dirs []string, lines ...string) error {
	for _, d := range dirs {
		p := filepath.Join(w.at, "ctx", d)
		if err := w.mkdir(p); err != nil {
			return err
		}
		for _, f := range []string{"a", "b", "c"} {
			if err := w.write(filepath.Join("ctx", d, f), string(bytesOf(f, 20_000))); err != nil {
				return err
			}
		}
	}
	for _, l := range lines {
		if _, err := w.must(strings.Fields(l)...); err != nil {
			return err
		}
	}
	return nil
}

// verbs are all that are broken off.
func verbs(w *world) []verb {
	small := smallTree()
	isSmall := func(name string) func(*world, answer) error {
		return func(w *world, _ answer) error { return w.holds(name, small) }
	}
	none := func(what ...string) func(*world, answer) error {
		return func(w *world, _ answer) error {
			out, err := w.must(what...)
			if err == nil && strings.TrimSpace(out) != "" {
				err = fmt.Errorf("dhow %s still tells %q", strings.Join(what, " "), out)
			}
			return err
		}
	}
	list := []verb{
		{name: "pull", from: "nothing", args: f("pull -q small"), check: isSmall("small")},
		{name: "load", from: "archive", args: f("load -q -i small.tar"), check: isSmall("small")},
		{name: "build", from: "base", args: f("build -q -t built ."), check: (*world).isBuilt},
		{name: "commit", from: "container", args: f("commit cont kept"), check: (*world).isCommitted},
		{name: "run", from: "base", payload: true, args: f("run --rm --network none -v /anon base cat /etc/group"), check: func(w *world, a answer) error {
			if !strings.HasPrefix(a.out, "root:x:0:\n") {
				return fmt.Errorf("it said %v", a)
			}
			return errors.Join(none("ps", "-aq")(w, a), none("volume", "ls", "-q")(w, a))
		}},
		{name: "run -d", from: "base", args: f("run -d --network none base sleep 1000"), check: func(w *world, a answer) error {
			id := strings.TrimSpace(a.out)
			if out, err := w.must("exec", id, "echo", "here"); err != nil || out != "here\n" {
				return fmt.Errorf("exec in %q: %q, %w", id, out, err)
			}
			return nil
		}, tidy: [][]string{f("container prune -f"), {"rm -f"}}},
		{name: "create", from: "base", args: f("create --network none base echo made"), check: func(w *world, a answer) error {
			out, err := w.must("start", "-a", strings.TrimSpace(a.out))
			if err == nil && out != "made\n" {
				err = fmt.Errorf("it said %q", out)
			}
			return err
		}, tidy: [][]string{{"rm -f"}}},
		{name: "start", from: "container", payload: true, args: f("start -a cont"), check: func(w *world, _ answer) error {
			return w.reads("ps -a --format {{.Names}}:{{.State}}", "cont:exited\n")
		}},
		{name: "rm", from: "container", args: f("rm -v cont"), done: "No such container", check: none("ps", "-aq")},
		{name: "cp", from: "container", args: f("cp cont:/kept got"), check: func(w *world, _ answer) error {
			if got := readFile(filepath.Join(w.at, "ctx/got")); got != keptFile {
				return fmt.Errorf("copied %q", got)
			}
			return nil
		}},
		{name: "cp in", from: "container", args: f("cp small.txt cont:/in"), check: func(w *world, _ answer) error { return w.reads("cp cont:/in -", "") }},
		{name: "rmi", from: "small", args: f("rmi small"), done: "No such image", check: none("images", "-aq")},
		{name: "prune", from: "much", args: f("system prune -af --volumes"), check: func(w *world, a answer) error {
			return errors.Join(none("images", "-aq")(w, a), none("ps", "-aq")(w, a))
		}},
		{name: "builder prune", from: "built", args: f("builder prune -af"), check: func(w *world, _ answer) error {
			return w.reads("images --format {{.Repository}}", "base\n")
		}},
		{name: "push", from: "pushable", args: []string{"push", "-q", w.reg.Addr + "/pushed"}, check: (*world).isPushed},
		{name: "tag", from: "small", args: f("tag small other:1"), check: isSmall("other:1")},
		{name: "untag", from: "much", args: f("rmi two"), done: "No such image", check: isSmall("three")},
		{name: "save", from: "small", args: f("save -o out.tar small"), check: func(w *world, _ answer) error {
			return errors.Join(w.all(nil, "rmi small", "load -q -i out.tar"), w.holds("small", small))
		}},
		{name: "volume create", from: "base", args: f("volume create vol"), check: func(w *world, _ answer) error { return w.reads("volume ls -q", "vol\n") }},
		{name: "volume rm", from: "much", args: f("volume rm vol"), done: "no such volume", check: func(w *world, _ answer) error { return w.reads("volume ls -q", "vol2\n") }},
		{name: "volume prune", from: "much", args: f("volume prune -af"), check: none("volume", "ls", "-q")},
		{name: "login", from: "base", say: "s3cret", args: []string{"login", "-u", "casey", "--password-stdin", w.private.Addr}, check: func(w *world, _ answer) error {
			if _, err := w.must("tag", "base", w.private.Addr+"/x"); err != nil {
				return err
			}
			_, err := w.must("push", "-q", w.private.Addr+"/x")
			return err
		}},
	}
	for i := range list {
		if list[i].again == nil {
			list[i].again = list[i].args
		}
	}
	return list
}

func f(line string) []string { return strings.Fields(line) }

// reads compares what a command says; "" is anything.
func (w *world) reads(line, want string) error {
	out, err := w.must(f(line)...)
	if err == nil && out != want && want != "" {
		err = fmt.Errorf("dhow %s says %q, want %q", line, out, want)
	}
	return err
}

func (w *world) isBuilt(answer) error {
	got, err := w.imageTree("built")
	if err != nil {
		return err
	}
	want, err := w.imageTree("base")
	if err != nil {
		return err
	}
	file := func(mode, uid, gid int, body []byte) string {
		return fmt.Sprintf("f %o %d:%d %x", mode, uid, gid, sha256.Sum256(body))
	}
	want["/one"], want["/d/e/two"] = file(0o644, 0, 0, []byte("one\n")), file(0o644, 0, 0, []byte("two\n"))
	for _, p := range []string{"/d", "/d/e"} {
		want[p] = "5 755 0:0 "
	}
	want["/files"] = "5 755 1000:50 "
	for _, n := range []string{"a", "b", "c"} {
		want["/files/"+n] = file(0o644, 1000, 50, bytesOf(n, 20_000))
	}
	want["/copied"] = file(0o644, 0, 0, bytesOf("a", 20_000))
	return difference(got, want)
}

func (w *world) isCommitted(answer) error {
	got, err := w.imageTree("kept")
	if err != nil {
		return err
	}
	want, err := w.imageTree("base")
	if err != nil {
		return err
	}
	want["/kept"] = fmt.Sprintf("f 644 0:0 %x", sha256.Sum256([]byte(keptFile)))
	want["/dir"] = "5 755 0:0 "
	want["/dir/copy"] = "f 644" + strings.TrimPrefix(want["/bin/userland"], "f 755")
	delete(want, "/etc/os-release")
	for _, p := range []string{"/v", "/anon"} { // where volumes were
		if got[p] != "" {
			want[p] = got[p]
		}
	}
	return difference(got, want)
}

// isPushed reads the image back, and takes it away: the next one is pushed from the start again.
func (w *world) isPushed(answer) error {
	get := func(what string) ([]byte, error) {
		resp, err := http.Get("http://" + w.reg.Addr + "/v2/pushed/" + what)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s", what, resp.Status)
		}
		return io.ReadAll(resp.Body)
	}
	raw, err := get("manifests/latest")
	if err != nil {
		return err
	}
	var m ociv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	got := tree{}
	for _, l := range m.Layers {
		blob, err := get("blobs/" + l.Digest.String())
		if err != nil {
			return err
		}
		if l.Digest.Algorithm().FromBytes(blob) != l.Digest {
			return fmt.Errorf("blob %s is damaged", l.Digest)
		}
		plain, err := unpacked(blob)
		if err != nil {
			return err
		}
		if err := got.apply(bytes.NewReader(plain)); err != nil {
			return err
		}
	}
	return errors.Join(difference(got, smallTree()), w.reg.Forget("pushed"))
}
