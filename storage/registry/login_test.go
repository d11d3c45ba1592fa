package registry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestServerKey(t *testing.T) {
	for server, want := range map[string]string{
		"":                             "docker.io",
		"docker.io":                    "docker.io",
		"https://index.docker.io/v1/":  "docker.io",
		"registry-1.docker.io":         "docker.io",
		"reg.example":                  "reg.example",
		"https://reg.example:5000/v2/": "reg.example:5000",
		"http://reg.example/team/app/": "reg.example/team/app",
		"[::1]:5000":                   "[::1]:5000",
		"reg.example/team/v2":          "reg.example/team/v2",
		"https://":                     "error",
		"a b":                          "error",
		"-u":                           "error",
		"user@reg.example":             "error",
		"reg.example/../other":         "error",
		"reg.example//x":               "error",
		"reg.example/x?y":              "error",
		"reg.example\nX: y":            "error",
	} {
		got, err := ServerKey(server)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q (%v), want %q", server, got, err, want)
		}
	}
}

func FuzzServerKey(f *testing.F) {
	for _, s := range []string{"", "https://index.docker.io/v1/", "reg:5000/a/v2", "http://x/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, server string) {
		key, err := ServerKey(server)
		if err != nil {
			return
		}
		if key == "" || strings.ContainsAny(key, " \n\"\\@") {
			t.Errorf("%q became %q", server, key)
		}
	})
}

func TestEditAuth(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "d", "config.json"), `{"n":1e999,"deep":{"a":[1,"<"]},"auths":{"x":{"auth":"YTpi","email":"e"}}}`)
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		all.Go(func() {
			err := editAuth(file, func(auths map[string]json.RawMessage) bool {
				auths[key] = json.RawMessage(`{"auth":"YTph"}`)
				return true
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"n": 1e999`, `"<"`, `"email": "e"`, `"a"`, `"b"`, `"c"`, `"d"`, `"e"`, `"f"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is lost: %s", want, raw)
		}
	}
	if st, _ := os.Stat(file); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	for _, broken := range []string{`{"auths":`, `[]`, `{"auths":[]}`} {
		bad := write(t, filepath.Join(dir, "bad.json"), broken)
		if err := editAuth(bad, func(map[string]json.RawMessage) bool { return true }); err == nil {
			t.Errorf("%s was taken", broken)
		}
		if raw, _ := os.ReadFile(bad); string(raw) != broken {
			t.Errorf("%s became %s", broken, raw)
		}
	}
	empty := write(t, filepath.Join(dir, "null.json"), "null")
	if err := editAuth(empty, func(auths map[string]json.RawMessage) bool { auths["x"] = json.RawMessage("{}"); return true }); err != nil {
		t.Error(err)
	}
}
