package tests

import (
	"archive/tar"
	"fmt"
	"mime"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dhow-containers/dhow/tests/fixture"
)

func init() { tables["builds"] = buildAttacks() }

// buildAttacks are contexts and Dockerfiles of strangers. What needs an image to run in is in
// scripts/hostile_builds.txtar.
func buildAttacks() []attack {
	// building builds files/ with a Dockerfile.
	building := func(name, dockerfile, says string, more func(w *world)) attack {
		return attack{name: name, args: []string{"build", "-q", "."}, says: says, answer: func(w *world) {
			if more != nil {
				more(w)
			}
			if dockerfile != "" {
				w.file("Dockerfile", w.expand(dockerfile))
			}
		}}
	}
	// read builds what must not be read: the image has nothing of the canary.
	copying := func(name, dockerfile string, more func(w *world)) attack {
		a := building(name, dockerfile, "", more)
		a.either, a.args, a.after = true, []string{"build", "-q", "-t", "x:1", "."}, holdsNothing
		// 41 symlinks are too many for anybody, and so many ".." lead to nothing
		if strings.HasPrefix(name, "B12 copies ") && !strings.Contains(name, "stage") && !strings.Contains(name, "more") && !strings.Contains(name, "41") {
			_, source, _ := strings.Cut(dockerfile, "COPY ")
			source, _, _ = strings.Cut(source, " ")
			a.harm, a.naive = "escapes", func(w *world, n *naive) error { return n.copies(w, source) }
		}
		return a
	}
	web := func(name, harm string, rule fixture.Rule) attack {
		a := building(name, "FROM scratch\nADD http://REG/file /d/\n", "", func(w *world) { w.reg.Answer(rule) })
		a.harm, a.naive = harm, func(w *world, n *naive) error {
			_, _, err := n.get("http://" + w.reg.Addr + "/file")
			return err
		}
		return a
	}
	quiet := func(a attack) attack {
		a.after = func(w *world) error {
			if s := w.reg.Seen(); len(s) > 0 {
				return fmt.Errorf("it asked for %+v", s)
			}
			return nil
		}
		return a
	}
	works := func(a attack) attack { a.works = true; return a }
	// reads is for what is read as a file; shown is for what naive makes of it.
	shown := func(harm string, naive func(w *world, n *naive) error, a attack) attack {
		a.harm, a.naive = harm, naive
		return a
	}
	reads := func(harm, name string, a attack) attack {
		return shown(harm, func(w *world, n *naive) error { return n.reads(filepath.Join(w.dir, "files", name)) }, a)
	}
	list := []attack{
		shown("takes", func(w *world, n *naive) error { return n.obeys(w) }, quiet(building("B8 a syntax of somebody's", "# syntax=REG/evil/frontend:1\nFROM scratch\nLABEL a=1\n", "not supported", func(w *world) { w.reg.Answer(fixture.Rule{Match: ".", Body: "{}"}) }))),
		quiet(building("B2 a mount that spreads", "FROM scratch\nRUN --mount=type=bind,target=/x,bind-propagation=shared true\n", "bind-propagation", nil)),
		copying("B12 copies ..", "FROM scratch\nCOPY ../canary /c\n", nil),
		copying("B12 copies more ..", "FROM scratch\nCOPY a/../../../../../../../canary /c\n", nil),
		copying("B12 copies what is absolute", "FROM scratch\nCOPY DIR/canary /c\n", nil),
		copying("B12 copies through a symlink", "FROM scratch\nCOPY l /c\n", func(w *world) { w.link("l", w.dir+"/canary") }),
		copying("B12 copies below a symlink", "FROM scratch\nCOPY l/canary /c\n", func(w *world) { w.link("l", "..") }),
		copying("B12 copies by a pattern through a symlink", "FROM scratch\nCOPY l/can* /c/\n", func(w *world) { w.link("l", w.dir) }),
		copying("B12 copies a directory that is a symlink", "FROM scratch\nCOPY l /c/\n", func(w *world) { w.link("l", w.dir+"/outside/..") }),
		copying("B12 copies through 41 symlinks", "FROM scratch\nCOPY l40 /c\n", func(w *world) {
			w.link("l0", "../canary")
			for i := range 40 {
				w.link(fmt.Sprintf("l%d", i+1), fmt.Sprintf("l%d", i))
			}
		}),
		copying("B12 copies from a stage through a symlink", "FROM scratch AS s\nCOPY l /l\nFROM scratch\nCOPY --from=s /l/canary /c\n", func(w *world) { w.link("l", "../../../../../../.."+w.dir) }),
		copying("B12 adds through a symlink", "FROM scratch\nADD l /c\n", func(w *world) { w.link("l", w.dir+"/canary") }),
		copying("B12 copies onto a symlink of a stage", "FROM scratch\nCOPY l /l\nCOPY f /l/canary\n", func(w *world) { w.link("l", w.dir); w.file("f", "dead") }),
		shown("escapes", func(w *world, n *naive) error { return n.copies(w, "Dockerfile") },
			building("B10 the Dockerfile is a symlink", "", "", func(w *world) { w.link("Dockerfile", "../canary") })),
		{name: "B10 a tar's Dockerfile is a symlink", args: []string{"build", "-q", "-"}, stdin: string(tarOfEntries(
			entry{name: "Dockerfile", kind: tar.TypeSymlink, link: strings.Repeat("../", 12) + "canary"}, entry{name: "Dockerfile", content: "dead"}))[:1100]},
		// it is looked for in the context, where there is no such thing
		reads("floods", ".dockerignore", copying("B13 the ignore file is a symlink to a device", "FROM scratch\nCOPY . /\n", func(w *world) { w.link(".dockerignore", "/dev/zero") })),
		reads("hangs", ".dockerignore", building("B13 the ignore file is a pipe", "FROM scratch\nCOPY . /\n", "", func(w *world) { w.pipe(".dockerignore") })),
		{name: "B13 a million patterns", args: []string{"build", "-q", "-t", "x:1", "."}, either: true, answer: func(w *world) {
			w.file("Dockerfile", "FROM scratch\nCOPY a /\n")
			w.file("a/b/c", "x")
			w.file(".dockerignore", strings.Repeat("*a/**/b*c/!\n", 1e6))
		}},
		copying("B13 patterns that lead up", "FROM scratch\nCOPY . /\n", func(w *world) {
			w.file(".dockerignore", "../*\n!../canary\n!../../canary\n**/**/**/**/**/**/**/**/**/x\n")
		}),
		reads("floods", "Dockerfile", building("B14 the Dockerfile is a device", "", "", func(w *world) { w.link("Dockerfile", "/dev/zero") })),
		reads("floods", "Dockerfile", building("B14 a line of 50 MB", "FROM scratch\nLABEL a="+strings.Repeat("x", 50<<20)+"\n", "", nil)),
		building("B14 a heredoc without end", "FROM scratch\nCOPY <<EOF /x\n"+strings.Repeat("a\n", 1000), "Dockerfile:", nil),
		building("B14 only lines of CR", "FROM scratch\rRUN x\r", "", nil),
		building("B14 only comments", "# a\n# b\n", "", nil),
		building("B14 NUL and bytes that are no text", "FROM scr\x00atch\xff\xfe\n", "", nil),
		building("B14 an empty name by expansion", "FROM ${0:+0}\n", "", nil),
		building("B14 escape twice", "# escape=`\n# escape=\\\nFROM scratch\n", "", nil),
		building("B14 a directive of blanks", "#  \t = \nFROM\n", "", nil),
		shown("floods", func(w *world, n *naive) error { return n.expands("$X$X", 40) },
			building("B15 doubles forty times", "FROM scratch\nENV X=xxxxxxxx\n"+strings.Repeat("ENV X=$X$X\n", 40), "", nil)),
		building("B15 ten thousand deep", "FROM scratch\nLABEL a="+strings.Repeat("${A:-", 10000)+strings.Repeat("}", 10000)+"\n", "", nil),
		shown("loops", func(w *world, n *naive) error { return n.builds(w) },
			building("B16 a stage of itself", "FROM scratch AS a\nCOPY --from=a x /y\n", "", nil)),
		shown("loops", func(w *world, n *naive) error { return n.builds(w) },
			building("B16 a circle of stages", "FROM b AS a\nFROM a AS b\nCOPY --from=c / /\nFROM scratch AS c\nCOPY --from=b / /\n", "", func(w *world) { w.reg.Answer() })),
		building("B16 triggers of triggers", "FROM scratch\nONBUILD ONBUILD RUN x\n", "ONBUILD", nil),
		building("B16 FROM by trigger", "FROM scratch\nONBUILD FROM x\n", "ONBUILD", nil),

		web("B17 moved to a file", "takes", fixture.Rule{Match: ".", Status: 302, Header: map[string]string{"Location": "file:///etc/hostname"}}),
		web("B17 moved in a circle", "loops", fixture.Rule{Match: ".", Status: 302, Header: map[string]string{"Location": "/file"}}),
		web("B17 shorter than said", "takes", fixture.Rule{Match: ".", Body: "x", Length: 100}),
		web("B17 a refusal without end", "floods", fixture.Rule{Match: ".", Status: 500, Body: "x", Endless: true}),
		web("B17 a header without end", "", fixture.Rule{Match: ".", Header: map[string]string{"X-A": strings.Repeat("a", 12<<20)}}),
		shown("takes", web("", "", fixture.Rule{}).naive,
			building("B17 another sum", "FROM scratch\nADD --checksum=sha256:"+strings.Repeat("0", 64)+" http://REG/file /d/\n", "digest|sha256", func(w *world) { w.reg.Answer(fixture.Rule{Match: ".", Body: "x"}) })),
		shown("escapes", func(w *world, n *naive) error { return n.downloads(w.reg.Addr) }, copying("B17 a name that leads up", "FROM scratch\nADD http://REG/file /d/\n", func(w *world) {
			w.reg.Answer(fixture.Rule{Match: ".", Body: "dead", Header: map[string]string{"Content-Disposition": `attachment; filename="../../../../../../canary"`}})
		})),
		reads("hangs", "d/p", works(building("B22 what can not be copied and is not", "FROM scratch\nCOPY f /f\n", "", func(w *world) { w.file("f", "x"); w.pipe("p"); w.pipe("d/p") }))),
		reads("hangs", "p", copying("B22 pipes are copied as pipes", "FROM scratch\nCOPY . /\n", func(w *world) { w.pipe("p") })),
		copying("B22 a socket", "FROM scratch\nCOPY . /\n", func(w *world) { w.socket("s") }),
		reads("floods", "l", copying("B22 a symlink to a device", "FROM scratch\nCOPY l /\n", func(w *world) { w.link("l", "/dev/zero") })),
		reads("takes", "f", copying("B22 a file that is cut off while it is read", "FROM scratch\nCOPY f /\n", func(w *world) { w.restless("f", true) })),
		reads("takes", "f", copying("B22 a file that grows while it is read", "FROM scratch\nCOPY f /\n", func(w *world) { w.restless("f", false) })),
	}
	for _, url := range []string{
		"git://REG/x", "ssh://-oProxyCommand=touch${IFS}DIR/outside/x/y.git", "ext::sh -c touch% DIR/outside/x", "file://DIR/files#main:..", "https://REG/x.git#--upload-pack=touch", "git@REG:x.git", "http://REG/../../canary",
	} {
		show := strings.NewReplacer("DIR", "", "REG", "").Replace(url)
		context := attack{name: "B11 context " + show, args: []string{"build", "-q", url}, answer: func(w *world) { w.reg.Answer() }}
		if strings.HasPrefix(url, "ext::") {
			context = shown("escapes", func(w *world, n *naive) error { return n.clones(w, w.expand(url)) }, context)
		}
		list = append(list, context,
			building("B11 ADD "+show, "FROM scratch\nADD \""+url+"\" /x\n", "", nil))
	}
	return list
}

func (w *world) link(name, to string) { _ = os.Symlink(to, filepath.Join(w.dir, "files", name)) }

func (w *world) pipe(name string) {
	name = filepath.Join(w.dir, "files", name)
	_ = os.MkdirAll(filepath.Dir(name), 0o755)
	_ = syscall.Mkfifo(name, 0o644)
}

func (w *world) socket(name string) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		panic(err)
	}
	defer syscall.Close(fd)
	// The name of a socket has 108 bytes.
	dir, err := os.Open(filepath.Join(w.dir, "files"))
	if err != nil {
		panic(err)
	}
	defer dir.Close()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)}); err != nil {
		panic(err)
	}
}

// restless is a file of 30 MB that somebody writes to for two seconds, and cuts off over and over if it
// vanishes.
func (w *world) restless(name string, vanishes bool) {
	w.file(name, strings.Repeat("x", 30<<20))
	f, err := os.OpenFile(filepath.Join(w.dir, "files", name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		panic(err)
	}
	go func() {
		defer f.Close()
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if vanishes {
				_ = f.Truncate(20 << 20)
			}
			_, _ = f.Write(make([]byte, 64<<10))
		}
	}()
}

// expands gives X its own value by an expression, so often.
func (n *naive) expands(expression string, times int) error {
	x := "xxxxxxxx"
	for range times {
		if x = os.Expand(expression, func(string) string { return x }); len(x) > naiveBytes {
			n.flooded = true
			return nil
		}
	}
	return nil
}

// obeys fetches what the first line of the Dockerfile says that it is to be read by.
func (n *naive) obeys(w *world) error {
	b, err := os.ReadFile(filepath.Join(w.dir, "files/Dockerfile"))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	name, ok := strings.CutPrefix(line, "# syntax=")
	if !ok {
		return fmt.Errorf("no syntax in %q", line)
	}
	host, name, _ := strings.Cut(name, "/")
	name, tag, _ := strings.Cut(name, ":")
	_, _, err = n.get("http://" + host + "/v2/" + name + "/manifests/" + tag)
	return err
}

// builds makes a Dockerfile's last stage, and before it each stage that it names.
func (n *naive) builds(w *world) error {
	b, err := os.ReadFile(filepath.Join(w.dir, "files/Dockerfile"))
	if err != nil {
		return err
	}
	names, last := map[string][]string{}, ""
	for line := range strings.Lines(string(b)) {
		word := strings.Fields(line)
		switch {
		case len(word) == 4 && word[0] == "FROM":
			last = word[3]
			names[last] = append(names[last], word[1])
		case len(word) > 1 && strings.HasPrefix(word[1], "--from="):
			names[last] = append(names[last], strings.TrimPrefix(word[1], "--from="))
		}
	}
	var build func(stage string)
	build = func(stage string) {
		for _, name := range names[stage] {
			if n.asked++; n.asked > naiveAsks {
				return
			}
			build(name)
		}
	}
	build(last)
	return nil
}

// clones has git fetch whatever it is given, by whatever git is allowed to run.
func (n *naive) clones(w *world, url string) error {
	mark := filepath.Join(w.dir, "outside/x")
	cmd := exec.Command("git", "-c", "protocol.allow=always", "ls-remote", url)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	err := cmd.Run()
	if _, e := os.Lstat(mark); e == nil {
		n.left = true
		return os.Remove(mark)
	}
	return err
}

// downloads writes a file where the server says that it is to be.
func (n *naive) downloads(addr string) error {
	resp, err := http.Get("http://" + addr + "/file")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
	n.left = n.left || !filepath.IsLocal(params["filename"])
	return err
}

// copies reads what a COPY names as if a path were a path, and has escaped when that is the canary.
func (n *naive) copies(w *world, source string) error {
	for _, at := range []string{w.dir + "/files/" + w.expand(source), w.expand(source)} {
		found, err := filepath.Glob(at)
		if err != nil {
			return err
		}
		for _, name := range append(found, at, at+"/canary") {
			if b, err := os.ReadFile(name); err == nil && string(b) == "alive" {
				n.left = true
			}
		}
	}
	return nil
}

// holdsNothing wants that the image x:1, if there is one, has nothing of the canary.
func holdsNothing(w *world) error {
	out, err := w.dhow(attack{}, "save", "-o", "x.tar", "x:1")
	if err != nil {
		return nil //nolint:nilerr // there is none
	}
	b, err := os.ReadFile(filepath.Join(w.dir, "files/x.tar"))
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if strings.Contains(string(b), "alive") {
		return fmt.Errorf("the image has the canary's text")
	}
	return nil
}
