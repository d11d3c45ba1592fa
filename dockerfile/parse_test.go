package dockerfile

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseErrorsSayWhere(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "Dockerfile: the Dockerfile cannot be empty"},
		{"blank", " \n\t\n", "Dockerfile: the Dockerfile cannot be empty"},
		{"only comments", "# a\n# b\n", "Dockerfile:2: file with no instructions"},
		{"unknown instruction", "FROM a\nRUM x\n", "Dockerfile:2: unknown instruction: RUM (did you mean RUN?)"},
		{"no FROM", "RUN x\n", "Dockerfile:1: no build stage in current context"},
		{"only ARG", "ARG a\n", "Dockerfile: the Dockerfile has no stage: a FROM line is missing"},
		{"heredoc", "FROM a\nRUN <<EOF\nx\n", "Dockerfile:2: unterminated heredoc"},
		{"heredoc as destination", "FROM a\nCOPY x <<EOF\nEOF\n", "Dockerfile:2: COPY cannot accept a heredoc as a destination"},
		{"bad stage name", "FROM a AS 1x\n", `Dockerfile:1: invalid name for build stage: "1x", name can't start with a number or contain symbols`},
		{"from with too much", "FROM a b\n", "Dockerfile:1: FROM requires either one or three arguments"},
		{"unknown flag", "FROM a\n\nCOPY --chonw=1 a b\n", "Dockerfile:3: unknown flag: --chonw (did you mean chown?)"},
		{"copy with one operand", "FROM a\nCOPY a\n", "Dockerfile:2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
		{"bad escape", "# escape=x\nFROM a\n", "Dockerfile:1: invalid escape token 'x' does not match ` or \\"},
		{"escape twice", "# escape=`\n# escape=`\nFROM a\n", "Dockerfile:2: only one escape parser directive can be used"},
		{"mount type", "FROM a\nRUN --mount=type=bind,from=$x y\n", "Dockerfile:2: 'from' doesn't support variable expansion, define alias stage instead"},
		{"network", "FROM a\nRUN --network=x y\n", `Dockerfile:2: invalid network mode "x"`},
		{"onbuild onbuild", "FROM a\nONBUILD ONBUILD RUN x\n", "Dockerfile:2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
		{"onbuild from", "FROM a\nONBUILD FROM x\n", "Dockerfile:2: FROM isn't allowed as an ONBUILD trigger"},
		{"other syntax", "# syntax=evil/frontend:1\nFROM a\n", `Dockerfile:1: syntax "evil/frontend:1" is a front end of its own and is not supported: only docker/dockerfile is, and it is built in`},
		{"syntax after a shebang", "#!/usr/bin/env x\n# syntax=evil\nFROM a\n", `Dockerfile:2: syntax "evil" is a front end of its own and is not supported: only docker/dockerfile is, and it is built in`},
		{"NUL", "FROM a\nRUN x\x00y\n", "Dockerfile:2: a NUL byte: this is not a text file in UTF-8"},
		{"bad check", "# check=nonsense\nFROM a\n", `Dockerfile:1: the check directive: invalid check option "nonsense"`},
		{"shell not JSON", "FROM a\nSHELL bash -c\n", "Dockerfile:2: SHELL requires the arguments to be in JSON form"},
		{"continuation at the end", "FROM a\nBOGUS \\\n", "Dockerfile:2: unknown instruction: BOGUS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(c.text), "")
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			var located *Error
			if !errors.As(err, &located) {
				t.Errorf("%T is not an *Error", err)
			}
		})
	}
}

func TestBuiltInSyntax(t *testing.T) {
	for _, ref := range []string{"docker/dockerfile", "docker/dockerfile:1", "docker/dockerfile:1.7-labs", "docker.io/docker/dockerfile:1",
		"docker/dockerfile-upstream:master", "docker/dockerfile:1@sha256:abc", "mirror.example:5000/docker/dockerfile:1"} {
		parse(t, "# syntax="+ref+"\nFROM a\n")
	}
	for _, ref := range []string{"dockerfile", "docker/dockerfilex", "x.docker/dockerfile2", "docker/dockerfile/x"} {
		if _, err := Parse(strings.NewReader("# syntax="+ref+"\nFROM a\n"), ""); err == nil {
			t.Errorf("syntax %s is taken for built in", ref)
		}
	}
}

func TestFormsOfText(t *testing.T) {
	for name, text := range map[string]string{
		"CRLF":               "FROM a\r\nRUN x\r\n",
		"BOM":                "\xef\xbb\xbfFROM a\nRUN x\n",
		"lower case":         "from a\nrun x\n",
		"no end of line":     "FROM a\nRUN x",
		"leading space":      "  FROM a\n\t RUN x\n",
		"comment in between": "FROM a\nRUN \\\n# comment\n x\n",
		"directive":          "# escape=`\nFROM a\nRUN `\n x\n",
	} {
		f := parse(t, text)
		if len(f.Stages) != 1 || f.Stages[0].Base != "a" || len(f.Stages[0].Instructions) != 1 {
			t.Fatalf("%s: %+v", name, f.Stages)
		}
		run := f.Stages[0].Instructions[0].(*Run)
		if got := strings.TrimSpace(run.Args[0]); got != "x" || !run.Shell {
			t.Errorf("%s: RUN %q", name, run.Args)
		}
	}
}

func TestSpans(t *testing.T) {
	f := parse(t, "FROM a\nRUN one \\\n  two\n\nCOPY <<E /x\nbody\nE\nENV A=1\n")
	want := []Span{{2, 3}, {5, 7}, {8, 8}}
	for i, in := range f.Stages[0].Instructions {
		if in.Head().Span != want[i] {
			t.Errorf("%s stands at %v, want %v", in.Head().Name(), in.Head().Span, want[i])
		}
	}
	if f.Stages[0].Head.Span != (Span{1, 1}) {
		t.Error("FROM", f.Stages[0].Head.Span)
	}
}

func TestExcerpt(t *testing.T) {
	f := parse(t, "FROM a\nRUN one \\\n  two\x1b[31m\n\nENV A=1\nENV B=1\n")
	got := f.Excerpt(Span{2, 3})
	want := "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN one \\\n   3 | >>>   two\uFFFD[31m\n" +
		"   4 |     \n   5 |     ENV A=1\n--------------------\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, s := range []Span{{0, 0}, {99, 100}, {-1, 2}} {
		if f.Excerpt(s) != "" {
			t.Error("an excerpt of", s)
		}
	}
	long := parse(t, "FROM a\nRUN "+strings.Repeat("x \\\n", 500)+"y\n")
	if n := strings.Count(long.Excerpt(Span{2, 502}), "\n"); n > 60 {
		t.Errorf("an excerpt of %d lines", n)
	}
}

func TestMountsAreReadAgain(t *testing.T) {
	f := parse(t, "FROM a\nRUN --mount=type=cache,target=$T --mount=type=bind,from=x,target=/b true\n")
	run := f.Stages[0].Instructions[0].(*Run)
	for _, value := range []string{"/one", "/two"} {
		m, err := run.Mounts(func(w string) (string, error) { return strings.ReplaceAll(w, "$T", value), nil })
		if err != nil || len(m) != 2 || m[0].Target != value || m[0].Type != "cache" || m[1].From != "x" || !m[1].ReadOnly {
			t.Errorf("%+v %v", m, err)
		}
	}
	if got := run.Froms(); len(got) != 2 || got[1] != "x" {
		t.Error(got)
	}
}

func TestTriggers(t *testing.T) {
	f := parse(t, "FROM a\nONBUILD COPY <<E /x\nbody\nE\n")
	trigger := f.Stages[0].Instructions[0].(*Onbuild).Trigger
	in, err := f.ParseTrigger(trigger, Span{7, 7})
	if err != nil {
		t.Fatal(err)
	}
	if c := in.(*Copy); c.Inlines[0].Data != "body\n" || c.Head().Span != (Span{7, 7}) {
		t.Errorf("%+v", c)
	}
	for _, bad := range []string{"", "FROM x", "ONBUILD RUN x", "MAINTAINER x", "RUN x\nRUN y", "NOPE x", "RUN <<E\nx", "RUN \x00"} {
		if in, err := f.ParseTrigger(bad, Span{7, 7}); err == nil {
			t.Errorf("trigger %q gives %+v", bad, in)
		} else if !strings.HasPrefix(err.Error(), "Dockerfile:7: ") {
			t.Errorf("trigger %q: %v", bad, err)
		}
	}
}

// TestHostileSizes: absurd input is an error or a result in about a second and little memory.
func TestHostileSizes(t *testing.T) {
	for name, text := range map[string]string{
		"a very long line":       "FROM a\nRUN " + strings.Repeat("x", 3<<20) + "\n",
		"too large":              "FROM a\n" + strings.Repeat("RUN x\n", 1<<20),
		"many lines":             "FROM a\n" + strings.Repeat("RUN x\n", MaxLines-1),
		"too many lines":         "FROM a\n" + strings.Repeat("\n", MaxLines+1),
		"many stages":            strings.Repeat("FROM a\n", 10_000),
		"continuations":          "FROM a\nRUN x" + strings.Repeat(" \\\n", MaxLines-9) + "y\n",
		"empty continuations":    "FROM a\nRUN x \\\n" + strings.Repeat("\n", MaxLines-9) + "y\n",
		"heredocs":               "FROM a\nRUN " + strings.Repeat("<<E ", 1000) + "\n" + strings.Repeat("E\n", 1000),
		"heredoc in heredoc":     "FROM a\nRUN <<E\n<<E\n<<E\nE\n",
		"carriage returns alone": "FROM a\rRUN x\rRUN y",
		"invalid UTF-8":          "FROM a\nRUN \xff\xfe\nENV A=\xc3\x28\nLABEL \xf0\x28\x8c\xbc=1\n",
		"nested JSON":            "FROM a\nRUN " + strings.Repeat("[", 30_000) + "\n",
		"quotes":                 "FROM a\nENV " + strings.Repeat(`a="`, 20_000) + "\n",
		"backslash at the end":   "FROM a\nRUN x \\",
		"a comment without end":  "FROM a\n#" + strings.Repeat("x", 1<<20),
		"comments":               strings.Repeat("# x\n", MaxLines-9) + "FROM a\n",
		"labels":                 "FROM a\nLABEL " + strings.Repeat("a=b ", 15_000) + "\n",
		"many findings":          strings.Repeat("FROM a AS X\nMAINTAINER x\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			f, err := Parse(strings.NewReader(text), "")
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			if err == nil && len(f.Stages) == 0 {
				t.Error("neither stages nor an error")
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			t.Logf("%v, %d MiB allocated, %v", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		})
	}
}

func TestChecksAreSkippedAndFatal(t *testing.T) {
	f := parse(t, "# check=skip=MaintainerDeprecated\nFROM a AS Big\nMAINTAINER x\n# check=skip=JSONArgsRecommended\nrun x\n")
	var rules []string
	for _, x := range f.Findings {
		rules = append(rules, x.Rule)
	}
	if got := fmt.Sprint(rules); got != "[StageNameCasing ConsistentInstructionCasing]" {
		t.Error(got)
	}
	f = parse(t, "# check=error=true\nFROM a AS Big\n")
	c, err := f.Checks()
	if err != nil {
		t.Fatal(err)
	}
	if where, err := c.Err(f.Findings...); err == nil || where.Start != 2 || !strings.Contains(err.Error(), "StageNameCasing") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"FROM a\nRUN <<E\nx\nE\n", "# escape=`\nFROM a\nCOPY [\"a\", \"b\"]\n", "ARG A=${B:-$C}\nFROM ${A}\nONBUILD RUN x\n",
		"FROM a\nHEALTHCHECK --interval=1s CMD x\nEXPOSE 1-2/udp\n", "FROM a\nRUN --mount=type=cache,target=/x,id=\"a,b\" y\n", "FROM a\rRUN", "FROM ${0:+0}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		df, err := Parse(strings.NewReader(text), "")
		if err != nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, s := range df.Stages {
			for _, in := range s.Instructions {
				h := in.Head()
				if h.Span.Start < 1 || h.Span.End > lines || h.Span.End < h.Span.Start {
					t.Errorf("%s stands at %v of %d lines", h.Name(), h.Span, lines)
				}
				df.Excerpt(h.Span)
				if o, ok := in.(*Onbuild); ok {
					df.ParseTrigger(o.Trigger, h.Span)
				}
			}
		}
	})
}
