package plan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
)

func make_(t *testing.T, text string, opts plan.Options) (*plan.Graph, error) {
	t.Helper()
	f, err := dockerfile.Parse(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return plan.Make(context.Background(), f, opts, resolver(map[string]image.Config{}))
}

func TestErrors(t *testing.T) {
	other := "arm64"
	if plan.HostPlatform().Architecture == other {
		other = "amd64"
	}
	here := plan.HostPlatform().String()
	for _, c := range []struct {
		name, text string
		opts       plan.Options
		want       string
	}{
		{"missing base", "FROM a\nFROM missing\n", plan.Options{}, "Dockerfile:2: docker.io/library/missing:latest: not found"},
		{"base like a stage", "FROM a AS missing-one\nFROM missing-on\n", plan.Options{}, "Dockerfile:2: docker.io/library/missing-on:latest: not found (did you mean the stage missing-one?)"},
		{"bad reference", "FROM Up:x:y\n", plan.Options{}, "Dockerfile:1: invalid reference"},
		{"bad digest", "FROM a@sha256:123\n", plan.Options{}, "Dockerfile:1: invalid reference"},
		{"blank base", "ARG B\nFROM ${B}\n", plan.Options{}, "Dockerfile:2: base name (${B}) should not be blank"},
		{"blank substitution", "FROM ${0:+0}\n", plan.Options{}, "Dockerfile:1: base name (${0:+0}) should not be blank"},
		{"unknown target", "FROM a AS one\nFROM b\n", plan.Options{Target: "onee"}, `Dockerfile: target stage "onee" could not be found (did you mean one?)`},
		{"target number", "FROM a\n", plan.Options{Target: "1"}, `Dockerfile: target stage "1" could not be found`},
		{"platform of a stage", "FROM --platform=linux/" + other + " a\n", plan.Options{}, "Dockerfile:1: platform linux/" + other + " is not supported yet: this machine is " + here + " and steps run on it alone"},
		{"platform of the build", "FROM a\n", plan.Options{Platform: plan.Platform{OS: "windows", Architecture: "amd64"}}, "platform windows/amd64 is not supported yet"},
		{"bad platform", "FROM --platform=a/b/c/d a\n", plan.Options{}, `Dockerfile:1: "a/b/c/d" is not a platform`},
		{"empty platform", "FROM --platform=$X a\n", plan.Options{}, "Dockerfile:1: empty platform value from expression $X"},
		{"copy from a variable", "ARG A=a\nFROM a\nCOPY --from=$A /a /a\n", plan.Options{}, "Dockerfile:3: variable expansion is not supported for --from"},
		{"copy from a number", "FROM a\nCOPY --from=3 /a /a\n", plan.Options{}, "Dockerfile:2: invalid stage index 3: the Dockerfile has the stages 0 to 0"},
		{"copy from itself", "FROM a AS x\nCOPY --from=x /a /a\n", plan.Options{}, "Dockerfile:2: circular dependency detected on stage: x"},
		{"copy from below", "FROM a AS x\nCOPY --from=y /a /a\nFROM x AS y\n", plan.Options{}, `Dockerfile:2: cannot copy from stage "y", it needs to be defined before current stage "x"`},
		{"mount from below", "FROM a AS x\nRUN --mount=from=y,target=/y z\nFROM a AS y\n", plan.Options{Target: "x"}, `Dockerfile:2: cannot mount from stage "y"`},
		{"copy from a missing image", "FROM a\nCOPY --from=missing /a /a\n", plan.Options{}, "Dockerfile:2: docker.io/library/missing:latest: not found"},
		{"ssh mount", "FROM a\nRUN --mount=type=ssh x\n", plan.Options{}, "Dockerfile:2: RUN --mount=type=ssh is not supported yet"},
		{"mount on the root", "FROM a\nRUN --mount=type=tmpfs,target=/ x\n", plan.Options{}, `Dockerfile:2: invalid mount target "/"`},
		{"mount out of the root", "FROM a\nRUN --mount=type=tmpfs,target=/a/../.. x\n", plan.Options{}, `Dockerfile:2: invalid mount target "/"`},
		{"unknown mount option", "FROM a\nRUN --mount=type=bind,bind-propagation=shared,target=/x x\n", plan.Options{}, "Dockerfile:2: unexpected key 'bind-propagation'"},
		{"mount mode", "FROM a\nRUN --mount=type=cache,target=/x,mode=77777 x\n", plan.Options{}, "Dockerfile:2: invalid value 77777 for mode"},
		{"mount uid", "FROM a\nRUN --mount=type=cache,target=/x,uid=4294967295 x\n", plan.Options{}, "Dockerfile:2: invalid value 4294967295 for uid"},
		{"secret variable", "FROM a\nRUN --mount=type=secret,id=x,env=A=B x\n", plan.Options{}, "Dockerfile:2: secret \"x\": \"A=B\" cannot be the name of a variable"},
		{"secret nowhere", "FROM a\nRUN --mount=type=secret,id=.. x\n", plan.Options{}, "Dockerfile:2: invalid mount target"},
		{"insecure", "FROM a\nRUN --security=insecure x\n", plan.Options{}, "Dockerfile:2: RUN --security=insecure is not allowed"},
		{"device", "FROM a\nRUN --device=vendor.com/gpu=0 x\n", plan.Options{}, "Dockerfile:2: RUN --device is not supported"},
		{"token", "FROM a\nADD https://token@example.org/x.git#a@b /x\n", plan.Options{}, "Dockerfile:2: ADD of a git repository (https://xxxxx@example.org/x.git#a@b) is not supported yet"},
		{"git", "FROM a\nADD https://u:p@example.org/x.git#main /x\n", plan.Options{}, "Dockerfile:2: ADD of a git repository (https://xxxxx:xxxxx@example.org/x.git#main) is not supported yet"},
		{"git by ssh", "FROM a\nADD git@example.org:a/b.git /x\n", plan.Options{}, "Dockerfile:2: ADD of a git repository"},
		{"copy of a URL", "FROM a\nCOPY http://example.org/x /x\n", plan.Options{}, "Dockerfile:2: source can't be a URL for COPY"},
		{"checksum of a file", "FROM a\nADD --checksum=sha256:1 x /x\n", plan.Options{}, "Dockerfile:2: checksum requires HTTP(S) or Git sources"},
		{"bad checksum", "FROM a\nADD --checksum=sha256:1 http://x/y /x\n", plan.Options{}, "Dockerfile:2: checksum \"sha256:1\""},
		{"checksum of two", "FROM a\nADD --checksum=sha256:1 http://x/y http://x/z /x\n", plan.Options{}, "Dockerfile:2: checksum can't be specified for multiple sources"},
		{"chown by name with link", "FROM a\nCOPY --link --chown=me a /a\n", plan.Options{}, "Dockerfile:2: --chown=me: user and group names can't be resolved when used with --link"},
		{"chown", "FROM a\nCOPY --chown=1:2:3 a /a\n", plan.Options{}, "Dockerfile:2: invalid chown parameter \"1:2:3\""},
		{"chown -1", "FROM a\nCOPY --chown=4294967295 a /a\n", plan.Options{}, "Dockerfile:2: invalid chown parameter"},
		{"chmod", "FROM a\nCOPY --chmod=999 a /a\n", plan.Options{}, "Dockerfile:2: invalid chmod parameter: '999'"},
		{"chmod symbolic", "FROM a\nCOPY --chmod=u+q a /a\n", plan.Options{}, "Dockerfile:2: invalid chmod parameter: 'u+q'"},
		{"heredoc with a path", "FROM a\nCOPY <<../../x /a\nx\n../../x\n", plan.Options{}, "Dockerfile:2: heredoc \"../../x\": a path cannot be its name here"},
		{"script with a path", "FROM a\nRUN <<../x\n#!/bin/sh\n../x\n", plan.Options{}, "Dockerfile:2: heredoc \"../x\": a path cannot be its name here"},
		{"signal", "FROM a\nSTOPSIGNAL SIGNOPE\n", plan.Options{}, "Dockerfile:2: invalid signal: SIGNOPE"},
		{"port", "FROM a\nEXPOSE 80/x\n", plan.Options{}, "Dockerfile:2: invalid port: \"80/x\": invalid proto: x"},
		{"port range", "FROM a\nEXPOSE 9-8\n", plan.Options{}, "Dockerfile:2: invalid containerPort: 9-8"},
		{"port number", "FROM a\nEXPOSE 70000\n", plan.Options{}, "Dockerfile:2: invalid containerPort: 70000"},
		{"empty volume", "FROM a\nVOLUME $X\n", plan.Options{}, "Dockerfile:2: VOLUME specified can not be an empty string"},
		{"empty variable name", "FROM a\nENV $X=1\n", plan.Options{}, "Dockerfile:2: \"\" cannot be the name of a variable"},
		{"unset required", "FROM a\nENV A=${X:?must-be}\n", plan.Options{}, "Dockerfile:2: failed to process \"${X:?must-be}\": X: must-be"},
		{"epoch", "FROM a\n", plan.Options{BuildArgs: map[string]string{"SOURCE_DATE_EPOCH": "yesterday"}}, "SOURCE_DATE_EPOCH \"yesterday\" is not a number of seconds since 1970"},
		{"other front end", "FROM a\n", plan.Options{BuildArgs: map[string]string{"BUILDKIT_SYNTAX": "evil/x"}}, "--build-arg BUILDKIT_SYNTAX:1: syntax \"evil/x\" is a front end of its own"},
		{"inline cache", "FROM a\n", plan.Options{BuildArgs: map[string]string{"BUILDKIT_INLINE_CACHE": "1"}}, "--build-arg BUILDKIT_INLINE_CACHE=1"},
		{"network", "FROM a\n", plan.Options{Network: "bridge"}, "network \"bridge\": a build knows default, none and host"},
		{"context name", "FROM a\n", plan.Options{Contexts: map[string]string{"A B": "x"}}, "invalid context name \"A B\""},
		{"fatal findings", "# check=error=true\nFROM a\nENV A=$B\n", plan.Options{}, "Dockerfile:3: lint violation found for rules: UndefinedVar: UndefinedVar: Usage of undefined variable '$B' (line 3)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := make_(t, c.text, c.opts)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
}

func TestBadTriggers(t *testing.T) {
	for trigger, want := range map[string]string{
		"ONBUILD RUN x": "Dockerfile:2: ONBUILD \"ONBUILD RUN x\": ONBUILD is not allowed", "FROM x": "Dockerfile:2: ONBUILD",
		"RUN <<E\nx": "Dockerfile:2: ONBUILD", "COPY --from=missing a b": "Dockerfile:2: docker.io/library/missing:latest: not found",
	} {
		f, _ := dockerfile.Parse(strings.NewReader("\nFROM p\n"), "")
		images := map[string]image.Config{"docker.io/library/p:latest": {Config: image.ContainerConfig{OnBuild: []string{trigger}}}}
		_, err := plan.Make(context.Background(), f, plan.Options{}, resolver(images))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", trigger, err, want)
		}
	}
}

// TestUnneededStagesAreNotResolved: what the target does not need is neither asked for nor wrong.
func TestUnneededStagesAreNotResolved(t *testing.T) {
	g, err := make_(t, "FROM missing AS x\nRUN --mount=type=ssh y\nFROM a AS z\nRUN 1\nFROM missing2\n", plan.Options{Target: "z"})
	if err != nil || len(g.Nodes) != 2 {
		t.Fatal(g, err)
	}
	if _, err := make_(t, "FROM missing AS x\nFROM a AS z\n", plan.Options{Target: "z", AllStages: true}); err == nil {
		t.Error("all stages are planned, and a missing base is not noticed")
	}
}

func TestPlanIsTheSameEachTime(t *testing.T) {
	text := "ARG Z=1\nFROM a AS a1\nRUN 1\nFROM b AS b1\nRUN 2\nFROM c AS c1\nCOPY --from=b1 / /\nCOPY --from=img1 / /\nRUN --mount=from=a1,target=/a --mount=from=img2,target=/b x\n" +
		"FROM a\nCOPY --from=c1 / /\nCOPY --from=a1 / /\n"
	f, err := dockerfile.Parse(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	first := ""
	for range 30 {
		g, err := plan.Make(context.Background(), f, plan.Options{}, resolver(nil))
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range g.Nodes {
			if n.ID != i || n.Parent != nil && n.Parent.ID >= i {
				t.Fatalf("node %d is out of order", i)
			}
			for _, in := range n.Inputs {
				if in.ID >= i {
					t.Fatalf("node %d comes before its input %d", i, in.ID)
				}
			}
		}
		if got := show(g); first == "" {
			first = got
		} else if got != first {
			t.Fatal("the plan differs from one time to another")
		}
	}
}

func TestCancelledWhileResolving(t *testing.T) {
	f, _ := dockerfile.Parse(strings.NewReader("FROM a\n"), "")
	ctx, cancel := context.WithCancel(context.Background())
	_, err := plan.Make(ctx, f, plan.Options{}, func(ctx context.Context, ref string, p plan.Platform) (plan.Base, error) {
		cancel()
		return plan.Base{}, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestImagesAreAskedForOnce(t *testing.T) {
	f, _ := dockerfile.Parse(strings.NewReader("FROM a AS x\nFROM a:latest AS y\nFROM docker.io/library/a\nCOPY --from=a / /a\nCOPY --from=x / /x\nCOPY --from=y / /y\n"), "")
	asked := make(chan string, 10)
	g, err := plan.Make(context.Background(), f, plan.Options{}, func(ctx context.Context, ref string, p plan.Platform) (plan.Base, error) {
		asked <- ref
		return resolver(nil)(ctx, ref, p)
	})
	if err != nil || len(asked) != 1 {
		t.Error(len(asked), err)
	}
	if len(g.Nodes) != 4 { // one base, three copies
		t.Error(len(g.Nodes))
	}
}

// TestHostilePlans: what grows without end is an error, and all is over soon.
func TestHostilePlans(t *testing.T) {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"doubling":        "FROM a\nENV X=xxxxxxxx\n" + strings.Repeat("ENV X=$X$X\n", 40),
		"doubling args":   "FROM a\nARG X=xxxxxxxx\n" + strings.Repeat("ARG X=$X$X\n", 40),
		"global args":     "ARG X=xxxxxxxx\n" + strings.Repeat("ARG X=$X$X\n", 40) + "FROM a\n",
		"stages in a row": "FROM a AS s0\n" + many(10_000, func(i int) string { return fmt.Sprintf("FROM s%d AS s%d\nENV V%d=1\n", i, i+1, i) }),
		"variables and steps": "FROM a\n" + many(20_000, func(i int) string { return fmt.Sprintf("ENV V%d=1\n", i) }) +
			strings.Repeat("RUN x\n", 20_000),
		"ports":          "FROM a\n" + strings.Repeat("EXPOSE 1-65535\n", 2000),
		"same name":      strings.Repeat("FROM a AS x\nCOPY --from=x /a /b\n", 1000),
		"copies":         "FROM a AS x\n" + many(5000, func(i int) string { return fmt.Sprintf("FROM x AS y%d\nCOPY --from=x /a /b\n", i) }),
		"args in a ring": "ARG A=${B}\nARG B=${A}\nFROM ${A:-x}\n",
		"labels":         "FROM a AS s0\n" + many(5_000, func(i int) string { return fmt.Sprintf("LABEL L%d=1\n", i) }) + many(10_000, func(i int) string { return fmt.Sprintf("FROM s%d AS s%d\n", i, i+1) }),
		"undefined":      "FROM a\n" + many(20_000, func(i int) string { return fmt.Sprintf("ENV V%d=$U%d\n", i, i) }),
		"triggers":       "FROM a AS s0\n" + many(5000, func(i int) string { return "ONBUILD RUN x\n" }) + many(5000, func(i int) string { return "FROM s0\n" }),
	} {
		t.Run(name, func(t *testing.T) {
			begin := processorTime(t)
			f, err := dockerfile.Parse(strings.NewReader(text), "")
			if err != nil {
				t.Fatal(err)
			}
			parsed := processorTime(t) - begin
			_, err = plan.Make(context.Background(), f, plan.Options{AllStages: true}, resolver(nil))
			took := processorTime(t) - begin
			if took > 8*time.Second {
				t.Errorf("took %v, %v of them for parsing", took, parsed)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			t.Logf("%v, parsing %v, %v", took.Round(time.Millisecond), parsed.Round(time.Millisecond), err)
		})
	}
}

// processorTime is what this process has used of the processors: other work on the machine does not
// count.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestPlatforms(t *testing.T) {
	for in, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/x86_64": "linux/amd64", "linux/aarch64": "linux/arm64", "linux/arm64/v8": "linux/arm64",
		"linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "LINUX/AMD64": "linux/amd64", "macos/arm64": "darwin/arm64",
		"arm64": "linux/arm64", "": "!", "linux/": "!", "/": "!", "a/b/c/d": "!", "linux/am d": "!", "nonsense": "!",
	} {
		p, err := plan.ParsePlatform(in)
		if want == "!" {
			if err == nil {
				t.Errorf("%q is %v", in, p)
			}
		} else if err != nil || p.String() != want {
			t.Errorf("%q is %v (%v), want %s", in, p, err, want)
		}
	}
}

func TestChmod(t *testing.T) {
	for _, c := range []struct {
		text string
		old  uint32
		dir  bool
		want uint32
	}{
		{"755", 0o600, false, 0o755}, {"0", 0o4777, false, 0}, {"4755", 0o600, true, 0o4755}, {"07777", 0, false, 0o7777},
		{"u=rwX,go=rX", 0o600, false, 0o644}, {"u=rwX,go=rX", 0o700, false, 0o755}, {"u=rwX,go=rX", 0o600, true, 0o755},
		{"+x", 0o644, false, 0o755}, {"a+x", 0o644, false, 0o755}, {"-w", 0o666, false, 0o444}, {"=r", 0o777, false, 0o444},
		{"go-rwx", 0o777, false, 0o700}, {"u+s", 0o755, false, 0o4755}, {"g+s", 0o755, true, 0o2755}, {"+t", 0o777, true, 0o1777},
		{"o+t", 0o777, true, 0o777}, {"g=u", 0o640, false, 0o660}, {"o=g-w", 0o660, false, 0o664}, {"u=rw,g=r,o=", 0o777, false, 0o640},
		{"ug+rw-x", 0o111, false, 0o661}, {"a-X", 0o755, false, 0o644}, {"go=", 0o777, false, 0o700}, {"+X", 0o644, false, 0o644}, {"+X", 0o654, false, 0o755},
	} {
		m, err := plan.ParseChmod(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if got := m.Apply(c.old, c.dir); got != c.want {
			t.Errorf("%s of %o (directory %v) is %o, want %o", c.text, c.old, c.dir, got, c.want)
		}
	}
	for _, bad := range []string{"", "8", "10000", "u", "u+q", "z+x", "u=rw,", ",u=r", "+x+", "0x1", "-1", "u=rw g=r"} {
		if bad == "+x+" {
			continue // an operation without bits is none, as in chmod(1)
		}
		if m, err := plan.ParseChmod(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, m)
		}
	}
}

// FuzzPlan: any text that parses plans or fails with a place, and every node stands in order.
func FuzzPlan(f *testing.F) {
	for _, s := range []string{"FROM a AS x\nCOPY --from=x a b\n", "ARG A=b\nFROM $A\nRUN --mount=type=cache,target=$A,id=x y\n",
		"FROM a\nCOPY --parents --chmod=u+x ./a/./b* <<E /c\n$X\nE\n", "FROM scratch\nADD --checksum=sha256:x http://a/b /c\nEXPOSE $A 1-2\n",
		"FROM a\nONBUILD RUN --mount=from=b,target=/c d\nFROM 0\n", "FROM a\nRUN --mount=type=secret,id=../x,env=A --mount=type=tmpfs,size=1g,target=t x\n"} {
		f.Add(s, "A", "value")
	}
	f.Fuzz(func(t *testing.T, text, arg, value string) {
		df, err := dockerfile.Parse(strings.NewReader(text), "")
		if err != nil {
			return
		}
		opts := plan.Options{BuildArgs: map[string]string{arg: value}, AllStages: true}
		images := map[string]image.Config{"docker.io/library/b:latest": {Config: image.ContainerConfig{OnBuild: []string{value}, Env: []string{value}, WorkingDir: value}}}
		g, err := plan.Make(context.Background(), df, opts, resolver(images))
		if err != nil {
			return
		}
		for i, n := range g.Nodes {
			if n.ID != i || n.Parent != nil && n.Parent.ID >= i {
				t.Fatal("out of order")
			}
			switch op := n.Op.(type) {
			case *plan.RunOp:
				for _, m := range op.Mounts {
					if m.Target != "" && (!strings.HasPrefix(m.Target, "/") || m.Target == "/" || strings.Contains(m.Target, "/../")) {
						t.Fatalf("mount target %q", m.Target)
					}
					if strings.Contains(m.Source, "..") && strings.Contains("/"+m.Source+"/", "/../") {
						t.Fatalf("mount source %q", m.Source)
					}
				}
			case *plan.CopyOp:
				if !strings.HasPrefix(op.Dest, "/") || strings.Contains(op.Dest+"/", "/../") {
					t.Fatalf("destination %q", op.Dest)
				}
			case *plan.WorkdirOp:
				if !strings.HasPrefix(op.Path, "/") || strings.Contains(op.Path+"/", "/../") {
					t.Fatalf("directory %q", op.Path)
				}
			}
		}
	})
}
