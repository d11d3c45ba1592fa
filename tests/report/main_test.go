package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const pass = `{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: not root\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Elapsed":1.25}
`
	cases := []struct {
		name, in string
		status   int
		want     []string
		not      string
	}{
		{"pass", pass, 0, []string{"pass p (1.2 s)", "TestB: b_test.go:1: not root", "1 passed, 0 failed, 1 skipped in 1 packages"}, "noise"},
		{"fail", pass + `{"Action":"output","Package":"q","Test":"TestC","Output":"boom\n"}
{"Action":"fail","Package":"q","Test":"TestC"}
{"Action":"fail","Package":"q"}
`, 1, []string{"boom", "Failed:\n  q TestC", "1 passed, 1 failed"}, "noise"},
		{"build failure", `{"Action":"build-output","ImportPath":"p","Output":"p.go:1: syntax\n"}
{"Action":"build-fail","ImportPath":"p"}
`, 1, []string{"p.go:1: syntax"}, "noise"},
		{"panic outside of a test", `{"Action":"output","Package":"p","Output":"panic: x\n"}
{"Action":"fail","Package":"p"}
`, 1, []string{"panic: x"}, "noise"},
		{"nothing", "", 1, []string{"0 passed"}, "noise"},
		{"no JSON", "go: cannot find main module\n", 1, []string{"cannot find main module"}, "noise"},
	}
	for _, c := range cases {
		var b strings.Builder
		if got := report(strings.NewReader(c.in), &b); got != c.status {
			t.Errorf("%s: status %d, want %d", c.name, got, c.status)
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, b.String())
			}
		}
		if strings.Contains(b.String(), c.not) {
			t.Errorf("%s: %q in\n%s", c.name, c.not, b.String())
		}
	}
}
