package dockerfile

import (
	"strings"
	"testing"
	"time"
)

func TestIgnorePatterns(t *testing.T) {
	text := "\xef\xbb\xbf# comment\n/build\n  *.log  \r\n!keep.log\n**/node_modules\ndocs/*\n!docs/README*\n\nlead/../trail/\n"
	patterns, err := ReadIgnore(strings.NewReader(text), ".dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMatcher(patterns)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"build": true, "build/x": true, "a.log": true, "sub/a.log": false, "keep.log": false, "node_modules": true,
		"a/b/node_modules/c": true, "docs": false, "docs/x": true, "docs/README.md": false, "docs/sub/README.md": true, "trail": true, "main.go": false,
	} {
		var state State
		var hidden bool
		parts := strings.Split(path, "/")
		for i := range parts {
			if hidden, state, err = m.Match(strings.Join(parts[:i+1], "/"), state); err != nil {
				t.Fatal(err)
			}
		}
		if hidden != want {
			t.Errorf("%s is left out: %v", path, hidden)
		}
	}
}

func TestExceptionsBelow(t *testing.T) {
	for _, c := range []struct {
		patterns, dir string
		want          bool
	}{
		{"*\n!a/b", "a", true}, {"*\n!a/b", "c", false}, {"*\n!a/b", "a/b", false}, {"*\n!*/x", "a", true}, {"*\n!*.md", "docs", false},
		{"*\n!**/*.md", "docs/deep", true}, {"*", "a", false}, {"*\n!a/*/c", "a/b", true}, {"*\n!a/*/c", "b/b", false},
	} {
		patterns, _ := ReadIgnore(strings.NewReader(c.patterns), "x")
		m, _ := NewMatcher(patterns)
		if got := m.MayHoldExceptions(c.dir); got != c.want {
			t.Errorf("%q: %s may hold exceptions: %v", c.patterns, c.dir, got)
		}
	}
}

func TestIgnoreIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"too many":    strings.Repeat("a\n", maxIgnorePatterns+1),
		"too large":   strings.Repeat("#"+strings.Repeat("x", 60_000)+"\n", 20),
		"long line":   strings.Repeat("a", 100_000),
		"bad pattern": "a[\n",
		"lone !":      "!\n",
		"NUL":         "a\x00b\n",
		"stars":       strings.Repeat("a*", 2000) + "b\n",
	} {
		if p, err := ReadIgnore(strings.NewReader(text), "f"); err == nil {
			t.Errorf("%s: %d patterns", name, len(p))
		} else if !strings.Contains(err.Error(), "f") || len(err.Error()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Stars that other matchers need exponential time for.
	patterns, err := ReadIgnore(strings.NewReader(strings.Repeat("**/", 1000)+"x\n"+strings.Repeat("a*", maxStars)+"b\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMatcher(patterns)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	m.Match(strings.Repeat("a/", 1000)+strings.Repeat("a", 4000), State{})
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestNilMatcher(t *testing.T) {
	m, err := NewMatcher(nil)
	if m != nil || err != nil {
		t.Fatal(m, err)
	}
	if hidden, _, err := m.Match("a", State{}); hidden || err != nil || m.HidesSource("a") || m.MayHoldExceptions("a") || m.Patterns() != nil {
		t.Error("a nil matcher does something")
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("*\n!a/**\n#x\n", "a/b/c")
	f.Add("[a-\n", "x")
	f.Add("**/**/**/x\n!y\n", "a/b/x")
	f.Fuzz(func(t *testing.T, text, path string) {
		patterns, err := ReadIgnore(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		m, err := NewMatcher(patterns)
		if err != nil {
			t.Fatalf("ReadIgnore takes what NewMatcher does not: %v", err)
		}
		hidden, _, err := m.Match(path, State{})
		if err == nil && hidden && len(patterns) == 0 {
			t.Error("left out by nothing")
		}
		m.HidesSource(path)
		m.MayHoldExceptions(path)
		m.MayMatchBelow(path)
	})
}
