package dockerfile

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

type env map[string]string

func (e env) Get(k string) (string, bool) { v, ok := e[k]; return v, ok }
func (e env) Keys() []string              { return slices.Sorted(maps.Keys(e)) }

func TestExpand(t *testing.T) {
	vars := env{"A": "aaa", "EMPTY": "", "P": "/usr/lib/x.tar.gz", "Q": `say "hi"`}
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"}, {"$A", "aaa"}, {"${A}b", "aaab"}, {`\$A`, "$A"}, {`'$A'`, "$A"}, {`"$A b"`, "aaa b"},
		{"$NONE", ""}, {"${NONE:-d}", "d"}, {"${EMPTY:-d}", "d"}, {"${EMPTY-d}", ""}, {"${A:+set}", "set"}, {"${NONE+set}", ""},
		{"${P#*/}", "usr/lib/x.tar.gz"}, {"${P##*/}", "x.tar.gz"}, {"${P%.*}", "/usr/lib/x.tar"}, {"${P%%.*}", "/usr/lib/x"},
		{"${A/a/b}", "baa"}, {"${A//a/b}", "bbb"}, {"${A:-${B:-x}}", "aaa"}, {"${N:-${A:-x}}", "aaa"}, {"$Q", `say "hi"`},
		{"${NONE:?broken}", "!NONE: broken"}, {"${A", "!unsupported modifier"}, {"${}", "!bad substitution"}, {"${A^}", "!unsupported modifier"},
		{"$", "$"}, {"a$", "a$"}, {"$$", ""}, {"${A}${A}", "aaaaaa"}, {"日本$A", "日本aaa"},
	} {
		got, _, err := Words{}.Expand(c.in, vars)
		if want, bad := strings.CutPrefix(c.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %q %v, want an error about %s", c.in, got, err, want)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%q: %q %v, want %q", c.in, got, err, c.want)
		}
	}
}

func TestUsed(t *testing.T) {
	_, used, err := Words{}.Expand("$A ${B:-$C} $A", env{"A": "1", "C": "2"})
	if err != nil || strings.Join(used.Found, ",") != "A,C" || strings.Join(used.Missing, ",") != "B" {
		t.Errorf("%+v %v", used, err)
	}
}

func TestShowKeepsQuotesAndUnknown(t *testing.T) {
	got := Words{}.Show(`echo "$A" '$A' $HOME \$A ${B:-x}`, env{"A": "1"})
	if got != `echo "1" '$A' $HOME \$A ${B:-x}` {
		t.Error(got)
	}
	if got := (Words{}).Show(`broken "$A`, env{"A": "1"}); got != `broken "$A` {
		t.Error(got)
	}
}

func TestExpandData(t *testing.T) {
	got, _, err := Words{Escape: '`'}.ExpandData("a \"$A\" '$A' \\$A `x`\n", env{"A": "1"})
	if err != nil || got != "a \"1\" '1' $A `x`\n" {
		t.Errorf("%q %v", got, err)
	}
}

// TestExpansionIsBounded: whatever the words, the result is small or an error, and soon.
func TestExpansionIsBounded(t *testing.T) {
	big := env{"X": strings.Repeat("x", 500_000), "Y": strings.Repeat("ab", 60_000)}
	for name, word := range map[string]string{
		"doubling":            strings.Repeat("$X", 10),
		"many references":     strings.Repeat("${Y}", 200_000),
		"deep":                strings.Repeat("${N:-", 10_000) + strings.Repeat("}", 10_000),
		"deep without end":    strings.Repeat("${N:-", 100_000),
		"replacements":        "${Y//a/" + strings.Repeat("r", 60_000) + "}",
		"nested replacements": "${Y//a/${Y//b/${Y//a/" + strings.Repeat("r", 1000) + "}}}",
		"star patterns":       "${Y##" + strings.Repeat("*a", 5_000) + "c}",
		"question patterns":   "${Y%%" + strings.Repeat("?", 60_000) + "z}",
		"long":                strings.Repeat("x$", 2<<20),
		"quotes":              strings.Repeat(`"'`, 400_000),
		"reference of itself": strings.Repeat("${X:+${X:+", 90) + "$X" + strings.Repeat("}}", 90),
	} {
		begin := time.Now()
		got, _, err := Words{}.Expand(word, big)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if len(got) > MaxExpansion {
			t.Errorf("%s gives %d bytes", name, len(got))
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		t.Logf("%s: %d bytes, %.100v", name, len(got), err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"${A:-${B}}", "${A#*/}", "${A//x/y}", `"$A'`, "<<E $A", "${0:+0}", `\`, "`"} {
		f.Add(s, "value/x*y")
	}
	f.Fuzz(func(t *testing.T, word, value string) {
		vars := env{"A": value, "B": word}
		for _, w := range []Words{{}, {Escape: '`'}} {
			out, _, err := w.Expand(word, vars)
			if err == nil && len(out) > MaxExpansion {
				t.Errorf("%d bytes", len(out))
			}
			if !strings.ContainsAny(word, "$'\"<\\`") && (err != nil || out != word) {
				t.Errorf("a plain word %q becomes %q (%v)", word, out, err)
			}
			w.Split(word, vars)
			w.ExpandData(word, vars)
			w.Show(word, vars)
		}
	})
}
