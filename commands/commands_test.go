package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/build"
	"github.com/dhow-containers/dhow/commands/argv"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/image"
)

// output runs a command line and gives its stdout, stderr and status.
func output(t *testing.T, args ...string) (out, errout string, status int) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	o, e := file("out"), file("err")
	c := &call{verbs: verbs, out: o, err: e}
	status = c.report(c.dispatch(args))
	c.close()
	read := func(f *os.File) string {
		b, err := os.ReadFile(f.Name())
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return read(o), read(e), status
}

// What can not be read or is not there yet: one line, docker's status, nothing on stdout.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		line   string
		text   string
		status int
	}{
		{"frobnicate", `dhow: unknown command: "dhow frobnicate"; see "dhow --help"`, 1},
		{"imges", `dhow: unknown command: "dhow imges"; did you mean "dhow images"?`, 1},
		{"image pul", `dhow: unknown command: "dhow image pul"; did you mean "dhow image pull"?`, 1},
		{"run --nosuch x", `dhow: unknown flag: --nosuch; see "dhow run --help"`, 125},
		{"run --intractive x", `dhow: unknown flag: --intractive; did you mean "--interactive"?`, 125},
		{"run --gpus all x", "dhow: --gpus: device requests need CDI specifications, which are not supported: give the nodes, as in --device /dev/dri", 125},
		{"run -p80:80:90:100 x", "dhow: invalid IP address: 80:80", 125},
		{"run -p 99999 x", "dhow: invalid containerPort: 99999", 125},
		{"run --pull=sometimes x", `dhow: invalid pull option: "sometimes": must be one of "always", "missing" or "never"`, 125},
		{"run", `dhow: "dhow run" requires at least 1 argument; see "dhow run --help"`, 1},
		{"run --rm=perhaps x", `dhow: invalid argument "perhaps" for "--rm" flag: neither true nor false; see "dhow run --help"`, 125},
		{"ps -n x", `dhow: invalid value "x" for flag -last: parse error; see "dhow ps --help"`, 125},
		{"build --ssh default .", "dhow: --ssh is not supported yet", 125},
		{"build --cache-to type=local .", "dhow: --cache-to is not supported yet", 125},
		{"build --platform linux/amd64,linux/arm64 .", `dhow: --platform "linux/amd64,linux/arm64": several platforms are not supported yet`, 125},
		{"build --progress loud .", `dhow: unknown progress mode "loud": one of auto, quiet, plain, tty, rawjson`, 125},
		{"build https://example.com/x.git", `dhow: remote contexts are not supported yet: "https://example.com/x.git"`, 1},
		{"build --secret src=x .", `dhow: --secret "src=x": id is missing`, 125},
		{"build -t UP:per:x .", `dhow: invalid tag "UP:per:x": invalid reference format: repository name (library/UP) must be lowercase`, 1},
		{"build", `dhow: "dhow build" requires 1 argument; see "dhow build --help"`, 1},
		{"--host x ps", "dhow: --host is not supported yet", 125},
		{"--roto x", `dhow: unknown flag: --roto; did you mean "--root"?`, 125},
		{"import -c FROM - x", `dhow: --change "FROM": "FROM" can not change a configuration`, 125},
		{"images --filter color=red", `dhow: invalid filter "color": images have before, dangling, label, reference, since, until`, 1},
		{"tag a b c", `dhow: "dhow tag" requires 2 arguments; see "dhow tag --help"`, 1},
	} {
		out, errout, status := output(t, strings.Fields(c.line)...)
		if out != "" || errout != c.text+"\n" || status != c.status {
			t.Errorf("%s:\n got %q, %q, %d\nwant %q, %d", c.line, out, errout, status, c.text, c.status)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ line, start string }{
		{"", "Build and run containers"}, {"--help", "Build and run containers"}, {"help", "Build and run containers"},
		{"build --help", "Build an image"}, {"help image build", "Build an image"}, {"buildx build -h", "Build an image"},
		{"run --rm --help", "Run a command"}, {"--version", "dhow version "}, {"-v", "dhow version "}, {"version", "dhow\n Version:"},
		{"version --format {{.Server.Os}}", "linux\n"}, {"help volume", "Usage:  dhow volume COMMAND"}, {"completion bash", "# bash completion"},
		{"man", ".TH DHOW 1"},
	} {
		out, errout, status := output(t, strings.Fields(c.line)...)
		if !strings.HasPrefix(out, c.start) || errout != "" || status != 0 {
			t.Errorf("%s: got %q, %q, %d", c.line, out, errout, status)
		}
	}
}

// Every verb is found under each of its names, once, and says what help needs.
func TestVerbs(t *testing.T) {
	seen := map[string]string{}
	for _, v := range verbs {
		for _, n := range append([]string{v.name}, v.also...) {
			if other := seen[n]; other != "" {
				t.Errorf("%q is both %q and %q", n, other, v.name)
			}
			seen[n] = v.name
			if got, used := find(verbs, append(strings.Fields(n), "x", "y")); got != v || used != len(strings.Fields(n)) {
				t.Errorf("%q is not found", n)
			}
		}
		if v.short == "" || v.example == "" || v.run == nil || strings.HasSuffix(v.short, ".") {
			t.Errorf("%q says too little", v.name)
		}
		var later []string
		if v.flags != nil {
			for _, d := range definitions(v, v.flags()) {
				for _, n := range append(append([]string{d.Name}, d.Also...), d.Short) {
					if n == "" {
						continue
					}
					for _, l := range later {
						if l == n {
							t.Errorf("%q has the flag %q twice", v.name, n)
						}
					}
					later = append(later, n)
				}
			}
		}
	}
}

// parsed gives a call as runRun or runBuild see it.
func parsed(t *testing.T, v verb, words ...string) *call {
	t.Helper()
	c := &call{verbs: verbs, out: os.Stdout, err: os.Stderr}
	var got *call
	v.run = func(c *call) error { got = c; return nil }
	if err := c.call(&v, words); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return got
}

func TestRunOptions(t *testing.T) {
	c := parsed(t, runVerb, "--rm", "-ie", "A=1,2", "-e", " B = c ", "--entrypoint=", "-v/a:/b:ro", "--net", "none", "-lx=y", "--tmpfs", "/t:size=1m,mode=755",
		"img", "sh", "-c", "a b", "--", "--rm=false")
	o, policy, err := c.runOptions()
	if err != nil {
		t.Fatal(err)
	}
	want := run.Options{Image: "img", Args: []string{"sh", "-c", "a b", "--", "--rm=false"}, Remove: true, Interactive: true,
		Env: []string{"A=1,2", " B = c "}, EntrypointSet: true, Volumes: []string{"/a:/b:ro"}, Network: "none", Labels: []string{"x=y"},
		Tmpfs: []string{"/t:size=1m,mode=755"}, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	o.Warn = nil
	if !reflect.DeepEqual(o, want) || policy != storage.PullMissing {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
}

func TestBuildOptions(t *testing.T) {
	t.Setenv("FROM_ENV", "e")
	t.Setenv("TOKEN", "t")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	file := filepath.Join(t.TempDir(), "s,1")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := parsed(t, buildVerb, ".", "-t", "a", "--tag=b:1", "--build-arg", "FROM_ENV", "--build-arg", "NOT_THERE", "--build-arg=X=a=b,c",
		"--secret", "id=TOKEN", "--secret", `id=f,"src=`+file+`"`, "--secret", "id=g,env=TOKEN", "--pull", "--build-context", "Extra=dir", "--label", "k", "-q")
	o, mode, err := c.buildOptions()
	if err != nil {
		t.Fatal(err)
	}
	epoch := time.Unix(1700000000, 0).UTC()
	want := build.Options{Context: ".", Tags: []string{"a", "b:1"}, BuildArgs: map[string]string{"FROM_ENV": "e", "X": "a=b,c", "SOURCE_DATE_EPOCH": "1700000000"},
		Labels: map[string]string{"k": ""}, Secrets: []build.Secret{{ID: "TOKEN", Env: "TOKEN"}, {ID: "f", File: file}, {ID: "g", Env: "TOKEN"}},
		Pull: storage.PullAlways, Contexts: map[string]string{"extra": "dir"}, Epoch: &epoch}
	if !reflect.DeepEqual(o, want) || mode != "quiet" {
		t.Errorf("got  %+v, %q\nwant %+v", o, mode, want)
	}
}

func TestSecretErrors(t *testing.T) {
	for value, want := range map[string]string{
		"id=a,src=/nonexistent": "no such file", "id=a,src=x,env=y": "exclude each other", "id=a,env=NOT_THERE": `no "NOT_THERE"`,
		"id=a,colour=red": `unknown key "colour"`, "id": "not key=value", "id=a,type=disk": `type "disk"`, `id="a`: "not a list", "id=a,src=/": "is a directory",
	} {
		if _, err := secrets([]string{value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", value, err, want)
		}
	}
}

// FuzzSecret: a secret that was read has an id and exactly one source.
func FuzzSecret(f *testing.F) {
	for _, s := range []string{"id=a,src=b", `id=a,"src=b,c"`, "id=PATH", "type=env,id=PATH", "id=x,type=file"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		s, err := secret(value)
		if err == nil && (s.ID == "" || (s.File == "") == (s.Env == "")) {
			t.Fatalf("%q reads as %+v", value, s)
		}
	})
}

func TestReferences(t *testing.T) {
	for _, c := range []struct{ in, full, familiar, tag, path string }{
		{"alpine", "docker.io/library/alpine:latest", "alpine:latest", "latest", "library/alpine"},
		{"u/x:1", "docker.io/u/x:1", "u/x:1", "1", "u/x"},
		{"localhost:5/x", "localhost:5/x:latest", "localhost:5/x:latest", "latest", "x"},
		{"r.io/a/b@sha256:" + strings.Repeat("0", 64), "r.io/a/b@sha256:" + strings.Repeat("0", 64), "r.io/a/b@sha256:" + strings.Repeat("0", 64), "sha256:" + strings.Repeat("0", 64), "a/b"},
	} {
		r, err := parseReference(c.in)
		if err != nil || r.full() != c.full || r.familiar() != c.familiar || r.tagOrDigest() != c.tag || r.path != c.path {
			t.Errorf("%s: got %+v, %v", c.in, r, err)
		}
	}
	if _, err := parseReference("BAD:REF:x"); err == nil || !strings.Contains(err.Error(), "invalid reference format") {
		t.Errorf("got %v", err)
	}
}

func sampleImage() storage.Image {
	created := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	id := strings.Repeat("ab", 32)
	return storage.Image{ID: id, Names: []string{"docker.io/library/app:v1", "docker.io/library/app:latest", "r.io/t/app:v1"},
		Digests: []string{"r.io/t/app@sha256:" + strings.Repeat("1", 64), "r.io/gone@sha256:" + strings.Repeat("2", 64)},
		Digest:  digest.Digest("sha256:" + strings.Repeat("1", 64)), Created: created, Size: 7_830_000,
		Config: image.Config{OS: "linux", Architecture: "amd64", Config: image.ContainerConfig{Labels: map[string]string{"stage": "test"}},
			History: []image.History{{Created: &created, CreatedBy: "ADD rootfs.tar /"}, {Created: &created, CreatedBy: "ENV\tA=1", EmptyLayer: true},
				{Created: &created, CreatedBy: "RUN /bin/sh -c " + strings.Repeat("x", 60), Comment: "buildkit.dockerfile.v0"}}}}
}

func TestImageRows(t *testing.T) {
	var got []string
	for _, digests := range []bool{false, true} {
		for _, r := range imageRows(sampleImage(), digests, true) {
			got = append(got, r.Repository+" "+r.Tag+" "+r.Digest[:min(9, len(r.Digest))]+" "+r.ID+" "+r.Size)
		}
	}
	want := []string{
		"app latest <none> abababababab 7.83MB", "app v1 <none> abababababab 7.83MB", "r.io/gone <none> <none> abababababab 7.83MB", "r.io/t/app v1 <none> abababababab 7.83MB",
		"app latest <none> abababababab 7.83MB", "app v1 <none> abababababab 7.83MB", "r.io/gone <none> sha256:22 abababababab 7.83MB", "r.io/t/app v1 sha256:11 abababababab 7.83MB",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	img := sampleImage()
	img.Names, img.Digests = nil, nil
	if rows := imageRows(img, false, false); len(rows) != 1 || rows[0].Repository != "<none>" || rows[0].ID != "sha256:"+img.ID {
		t.Errorf("got %+v", rows)
	}
}

func TestImageOperands(t *testing.T) {
	row := imageRow{Repository: "r.io/t/app", Tag: "v1"}
	for operand, want := range map[string]bool{"": true, "r.io/t/app": true, "r.io/t/app:v1": true, "r.io/t/app:v2": false, "app": false, "r.io/*/app": true, "r.io/t/app:v*": true} {
		if fits(operand, row) != want {
			t.Errorf("%q: want %t", operand, want)
		}
	}
}

func TestHistoryRows(t *testing.T) {
	rows := historyRows(sampleImage(), []int64{7_000_000, 830_000}, true, true)
	var got []string
	for _, r := range rows {
		got = append(got, r.ID+"|"+r.CreatedBy+"|"+r.Size+"|"+r.Comment)
	}
	want := []string{"abababababab|RUN /bin/sh -c xxxxxxxxxxxxxxxxxxxxxxxxxxxxx…|830kB|buildkit.dockerfile.v0", "<missing>|ENV A=1|0B|", "<missing>|ADD rootfs.tar /|7MB|"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestContainerRow(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	f := record.Found{Container: record.Container{ID: strings.Repeat("cd", 32), Name: "web", Created: now.Add(-time.Hour), Image: "docker.io/library/app:latest",
		Args: []string{"sh", "-c", "echo a long command line"}, Labels: map[string]string{"b": "2", "a": "1"},
		Mounts: []record.Mount{{Type: "volume", Name: "data", Target: "/d"}, {Type: "bind", Source: "/very/long/path/on/the/host", Target: "/h"}}},
		State: record.State{Status: record.Exited, ExitCode: 3, Finished: now.Add(-2 * time.Minute)}}
	r := containerRowOf(f, now, true)
	if r.ID != "cdcdcdcdcdcd" || r.Command != `"sh -c echo a long c…"` || r.Status != "Exited (3) 2 minutes ago" || r.RunningFor != "About an hour ago" ||
		r.Image != "app:latest" || r.Labels != "a=1,b=2" || r.Mounts != "data,/very/long/pat…" || r.LocalVolumes != "1" || r.Label("b") != "2" {
		t.Errorf("got %+v", r)
	}
	for value, want := range map[string]bool{"name=we": true, "name=x": false, "status=exited": true, "status=running": false, "exited=3": true, "exited=0": false,
		"label=a": true, "label=a=2": false, "volume=data": true, "ancestor=app": true, "id=cdcd": true} {
		key, v, _ := strings.Cut(value, "=")
		if got := (containerFilter{values: map[string][]string{key: {v}}}).keep(f); got != want {
			t.Errorf("%s: got %t", value, got)
		}
	}
}

func TestUntil(t *testing.T) {
	for _, v := range []string{"24h", "2024-01-02", "2024-01-02T03:04:05", "2024-01-02T03:04:05Z", "1700000000"} {
		if _, err := since1970(v); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	for v, want := range map[string]int64{"1700000000": 17e17, "1700000000.5": 17e17 + 5e8, "1700000000.000000001": 17e17 + 1} {
		if got, err := since1970(v); err != nil || got.UnixNano() != want {
			t.Errorf("%s: %v %v", v, got, err)
		}
	}
	for _, v := range []string{"yesterday", "12abc", "17.x", "17.0000000001", "."} {
		if _, err := since1970(v); err == nil {
			t.Errorf("%s is taken", v)
		}
	}
}

// A failed save leaves the file that was there, and nothing beside it.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.tar")
	for _, c := range []struct {
		text string
		err  error
		want string
	}{{"one", nil, "one"}, {"half", errors.New("disk full"), "one"}, {"two", nil, "two"}} {
		err := replaceFile(t.Context(), path, func(w io.Writer) error {
			fmt.Fprint(w, c.text)
			return c.err
		})
		got, _ := os.ReadFile(path)
		left, _ := os.ReadDir(dir)
		if !errors.Is(err, c.err) || string(got) != c.want || len(left) != 1 {
			t.Errorf("%+v: got %q, %v, %d files", c, got, err, len(left))
		}
	}
}

// FuzzCommandLine: no command line of any verb makes the reading fail otherwise than by an error.
func FuzzCommandLine(f *testing.F) {
	f.Add("run\x00-it\x00--rm\x00x\x00-y")
	f.Add("image\x00ls\x00-aq\x00--filter=a=b")
	f.Add("build\x00.\x00-t\x00x\x00--pull=never\x00--load")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, "\x00")
		v, used := find(verbs, words)
		if v == nil {
			return
		}
		copied := *v
		var got []string
		copied.run = func(c *call) error { got = c.Args().Slice(); return nil }
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		c := &call{verbs: verbs, out: null, err: null}
		var flags = copied.flags
		if flags == nil {
			return
		}
		want, err := argv.Read(words[used:], definitions(&copied, flags()), v.stop)
		if err != nil {
			return
		}
		if err := c.call(&copied, words[used:]); err == nil && got != nil && strings.Join(got, "\x00") != strings.Join(want.Operands, "\x00") {
			t.Fatalf("%q: the flag library sees %q, argv %q", words, got, want.Operands)
		}
	})
}
