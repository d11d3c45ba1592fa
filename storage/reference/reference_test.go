package reference

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	sum := "sha256:" + strings.Repeat("a", 64)
	for in, want := range map[string]string{
		"alpine":                           "docker.io/library/alpine:latest",
		"alpine:3.20":                      "docker.io/library/alpine:3.20",
		"user/app":                         "docker.io/user/app:latest",
		"docker.io/alpine":                 "docker.io/library/alpine:latest",
		"index.docker.io/library/alpine":   "docker.io/library/alpine:latest",
		"localhost/x":                      "localhost/x:latest",
		"localhost:5000/x":                 "localhost:5000/x:latest",
		"127.0.0.1:5066/a/b/c:v1":          "127.0.0.1:5066/a/b/c:v1",
		"[::1]:5000/x":                     "[::1]:5000/x:latest",
		"quay.io/a/b@" + sum:               "quay.io/a/b@" + sum,
		"alpine:3@" + sum:                  "docker.io/library/alpine:3@" + sum,
		"reg.example.com/x_y/z-1__2:T.a-b": "reg.example.com/x_y/z-1__2:T.a-b",
	} {
		if n, err := Parse(in); err != nil || n.String() != want {
			t.Errorf("%s: %q %v, want %q", in, n, err, want)
		}
	}
	for _, in := range []string{
		"", " ", "Alpine", "a b", "-x", "a//b", "a:", ":a", "a@", "a@sha256:xyz", "a@md5:" + strings.Repeat("a", 32),
		"a@sha256:../../x", "a@sha256:" + strings.Repeat("A", 64), "http://x/y", "x/y:" + strings.Repeat("t", 129),
		strings.Repeat("a", 256), strings.Repeat("a/", 3000), strings.Repeat("a", 64), "sha256:abc/../x", "a\x00b", "ä", "a:b:c",
	} {
		if n, err := Parse(in); err == nil {
			t.Errorf("%q is %q", in, n)
		} else if len(err.Error()) > 1500 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: unreadable error", in)
		}
	}
}

func TestFamiliar(t *testing.T) {
	for in, want := range map[string]string{
		"docker.io/library/alpine:latest": "alpine:latest",
		"docker.io/user/app:1":            "user/app:1",
		"quay.io/a/b:1":                   "quay.io/a/b:1",
		"docker.io/library/alpine":        "alpine",
		"localhost/x:latest":              "localhost/x:latest",
		"<none>":                          "<none>",
	} {
		if got := Familiar(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	for in, want := range map[string]string{
		"x":               "docker.io/library/x:latest localhost/x:latest",
		"u/x:1":           "docker.io/u/x:1 localhost/u/x:1",
		"docker.io/x":     "docker.io/library/x:latest",
		"localhost/x":     "localhost/x:latest",
		"localhost:1/x":   "localhost:1/x:latest",
		"reg.example/x:1": "reg.example/x:1",
	} {
		names, err := Candidates(in)
		var got []string
		for _, n := range names {
			got = append(got, n.String())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v %v, want %s", in, got, err, want)
		}
	}
}

func TestID(t *testing.T) {
	full := strings.Repeat("0a", 32)
	for in, want := range map[string]struct {
		hex       string
		whole, ok bool
	}{
		full:             {full, true, true},
		"sha256:" + full: {full, true, true},
		"0a0a":           {"0a0a", false, true},
		"sha256:0a":      {"0a", false, true},
		"sha256:":        {"", false, false},
		"":               {"", false, false},
		"0A":             {"", false, false},
		full + "0":       {"", false, false},
		"xyz":            {"", false, false},
	} {
		if hex, whole, ok := ID(in); hex != want.hex || whole != want.whole || ok != want.ok {
			t.Errorf("%q: %q %v %v", in, hex, whole, ok)
		}
	}
}

// FuzzParse: what is accepted is a fixed point, and stays itself in its familiar form.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"alpine", "localhost:5000/x:1", "a@sha256:" + strings.Repeat("a", 64), "docker.io/library/x", "A/b", "[::1]:1/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		if n.Domain == "" || n.Path == "" || n.Tag == "" && n.Digest == "" {
			t.Fatalf("%q: %+v", s, n)
		}
		for _, form := range []string{n.String(), n.Familiar()} {
			again, err := Parse(form)
			if err != nil || again != n {
				t.Errorf("%q: %+v, its form %q is %+v (%v)", s, n, form, again, err)
			}
		}
		if strings.Contains(n.Repository(), "..") && strings.Contains(n.Repository(), "/../") {
			t.Errorf("%q leads up: %q", s, n)
		}
	})
}
