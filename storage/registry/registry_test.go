package registry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

// auth is "u:p" in the files' form.
func auth(user string) string {
	return `{"auth":"` + map[string]string{"a": "YTph", "b": "Yjpi", "c": "Yzpj"}[user] + `"}`
}

func TestCredentials(t *testing.T) {
	home, run := t.TempDir(), t.TempDir()
	write(t, run+"/containers/auth.json", `{"auths":{"one.example":`+auth("a")+`,"two.example/ns":`+auth("a")+`}}`)
	write(t, home+"/.config/containers/auth.json", `{"auths":{"one.example":`+auth("b")+`,"three.example":`+auth("b")+`}}`)
	write(t, home+"/.docker/config.json", `{"auths":{"https://index.docker.io/v1/":`+auth("c")+`,"three.example":`+auth("c")+`,"reg.example:5000":`+auth("c")+`,"empty.example":{}},"credsStore":""}`)
	t.Setenv("HOME", home)
	s := FromEnvironment(env(map[string]string{"HOME": home, "XDG_RUNTIME_DIR": run}), "", 1000)
	s.TempDir = t.TempDir()
	sys, done, err := s.Context(Access{})
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for key, want := range map[string]string{
		"one.example/x":        "a", // the runtime directory's file comes first
		"two.example/ns/x":     "a",
		"two.example/other":    "", // G13: the path is part of the scope
		"two.example/nsx/y":    "",
		"three.example/x":      "b",
		"docker.io/library/x":  "c",
		"reg.example:5000/x":   "c",
		"reg.example:50001/x":  "",
		"reg.example/x":        "",
		"empty.example/x":      "",
		"evil.one.example/x":   "",
		"one.example.evil.com": "",
	} {
		got, err := config.GetCredentials(sys, key)
		if err != nil || got.Username != want {
			t.Errorf("%s: %q %v, want %q", key, got.Username, err, want)
		}
	}
}

func TestCredentialPlaces(t *testing.T) {
	home := t.TempDir()
	named := write(t, t.TempDir()+"/named.json", `{"auths":{"x.example":`+auth("b")+`}}`)
	write(t, home+"/.docker/config.json", `{"auths":{"x.example":`+auth("a")+`}}`)
	dockerDir := t.TempDir()
	write(t, dockerDir+"/config.json", `{"auths":{"x.example":`+auth("c")+`}}`)
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"home":               {map[string]string{"HOME": home}, "a"},
		"REGISTRY_AUTH_FILE": {map[string]string{"HOME": home, "REGISTRY_AUTH_FILE": named}, "b"},
		"DOCKER_CONFIG":      {map[string]string{"HOME": home, "DOCKER_CONFIG": dockerDir}, "c"},
		"DOCKER_AUTH_CONFIG": {map[string]string{"HOME": home, "DOCKER_AUTH_CONFIG": `{"auths":{"x.example":` + auth("b") + `}}`}, "b"},
		"no runtime dir":     {map[string]string{"HOME": home, "XDG_RUNTIME_DIR": "/nonexistent"}, "a"},
		"nothing":            {map[string]string{}, ""},
	} {
		s := FromEnvironment(env(c.env), "", 1000)
		s.TempDir = t.TempDir()
		sys, done, err := s.Context(Access{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := config.GetCredentials(sys, "x.example/y")
		if err != nil || got.Username != c.want {
			t.Errorf("%s: %q %v, want %q", name, got.Username, err, c.want)
		}
		done()
	}
	s := FromEnvironment(env(map[string]string{"REGISTRY_AUTH_FILE": "/nonexistent/auth.json"}), "", 1000)
	if _, _, err := s.Context(Access{}); err != nil {
		t.Errorf("a missing auth file: %v", err)
	}
	s = FromEnvironment(env(map[string]string{"REGISTRY_AUTH_FILE": write(t, t.TempDir()+"/x", "{")}), "", 1000)
	if _, _, err := s.Context(Access{}); err == nil {
		t.Error("read a broken auth file")
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ conf, name, want string }{
		{"", "alpine", "docker.io/library/alpine:latest"},
		{"", "quay.io/x", "quay.io/x:latest"},
		{`unqualified-search-registries = ["docker.io"]`, "alpine", "docker.io/library/alpine:latest"},
		{`unqualified-search-registries = ["reg.example"]`, "alpine:1", "reg.example/alpine:1"},
		{`unqualified-search-registries = ["reg.example"]`, "u/app", "reg.example/u/app:latest"},
		// G14: never a search through several.
		{`unqualified-search-registries = ["reg.example", "docker.io"]`, "alpine", "docker.io/library/alpine:latest"},
		{`unqualified-search-registries = ["one.example", "two.example"]`, "alpine", "one.example/alpine:latest"},
		{"[aliases]\n\"alpine\" = \"quay.io/libs/alpine\"", "alpine:3", "quay.io/libs/alpine:3"},
		{"[aliases]\n\"alpine\" = \"quay.io/libs/alpine\"", "docker.io/alpine", "docker.io/library/alpine:latest"},
		{`unqualified-search-registries = ["reg.example"]`, "localhost/x", "localhost/x:latest"},
	} {
		dir := t.TempDir()
		s := Settings{RegistryConf: write(t, dir+"/registries.conf", c.conf), TempDir: dir, Home: dir, UID: 1000}
		sys, done, err := s.Context(Access{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Resolve(sys, c.name); err != nil || got.String() != c.want {
			t.Errorf("%q, %s: %s %v, want %s", c.conf, c.name, got, err, c.want)
		}
		done()
	}
}

func TestLoopback(t *testing.T) {
	for domain, want := range map[string]types.OptionalBool{
		"127.0.0.1:5000": types.OptionalBoolTrue, "localhost:1": types.OptionalBoolTrue, "localhost": types.OptionalBoolTrue,
		"[::1]:5000": types.OptionalBoolTrue, "127.9.9.9": types.OptionalBoolTrue,
		"docker.io": types.OptionalBoolUndefined, "localhost.example:1": types.OptionalBoolUndefined, "127.0.0.1.example": types.OptionalBoolUndefined,
		"10.0.0.1:5000": types.OptionalBoolUndefined, "": types.OptionalBoolUndefined,
	} {
		s := Settings{TempDir: t.TempDir()}
		sys, done, err := s.Context(Access{Domain: domain})
		if err != nil {
			t.Fatal(err)
		}
		done()
		if sys.DockerInsecureSkipTLSVerify != want {
			t.Errorf("%s: %v", domain, sys.DockerInsecureSkipTLSVerify)
		}
	}
}

func TestPlatform(t *testing.T) {
	for in, want := range map[string]string{
		"linux/amd64": "linux amd64 ", "linux/arm/v7": "linux arm v7", "arm64": "linux arm64 ", "linux/arm64/v8": "linux arm64 ",
		"linux/x86_64": "linux amd64 ", "linux/aarch64": "linux arm64 ", "LINUX/AMD64": "linux amd64 ", "windows/amd64": "windows amd64 ", "linux": "linux " + runtime.GOARCH + " ",
	} {
		os, arch, variant, err := ParsePlatform(in)
		if got := os + " " + arch + " " + variant; err != nil || got != want {
			t.Errorf("%s: %q %v", in, got, err)
		}
	}
	for _, in := range []string{"/", "linux/", "a/b/c/d", "/amd64"} {
		if _, _, _, err := ParsePlatform(in); err == nil {
			t.Errorf("took %q", in)
		}
	}
}

func FuzzMergeAuth(f *testing.F) {
	f.Add([]byte(`{"auths":{"x":{"auth":"YTph"}},"credHelpers":{"y":"z"}}`))
	f.Add([]byte(`{"auths":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := Settings{DockerAuth: string(data), AuthFile: "/dev/null"}
		out, err := s.mergeAuth("")
		if err == nil && !json.Valid(out) {
			t.Errorf("%q", out)
		}
	})
}

func TestHelpers(t *testing.T) {
	bin, home := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\nread s; case $s in\n" +
		"https://index.docker.io/v1/) echo '{\"Username\":\"hub\",\"Secret\":\"x\"}';;\n" +
		"reg.example:5000) echo '{\"Username\":\"reg\",\"Secret\":\"x\"}';;\n" +
		"token.example) echo '{\"Username\":\"<token>\",\"Secret\":\"tok\"}';;\n" +
		"broken.example) echo secret; exit 0;;\n" +
		"*) echo credentials not found in native keychain; exit 1;; esac\n"
	write(t, bin+"/docker-credential-test", script)
	if err := os.Chmod(bin+"/docker-credential-test", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("HOME", home)
	for _, c := range []struct {
		config, domain, want, token string
		fails                       bool
	}{
		{config: `{"credsStore":"test"}`, domain: "docker.io", want: "hub"},
		{config: `{"credsStore":"test"}`, domain: "reg.example:5000", want: "reg"},
		{config: `{"credsStore":"test"}`, domain: "token.example", want: "<token>", token: "tok"},
		{config: `{"credsStore":"test"}`, domain: "other.example"},
		{config: `{"credsStore":"test"}`, domain: "broken.example", fails: true},
		{config: `{"credHelpers":{"reg.example:5000":"test"}}`, domain: "reg.example:5000", want: "reg"},
		{config: `{"credHelpers":{"reg.example:5000":"test"}}`, domain: "docker.io"},
		{config: `{"credsStore":"missing"}`, domain: "docker.io"},
		{config: `{"credsStore":"../test"}`, domain: "docker.io", fails: true},
	} {
		write(t, home+"/.docker/config.json", c.config)
		s := FromEnvironment(env(map[string]string{"HOME": home}), "", 1000)
		s.TempDir = t.TempDir()
		sys, done, err := s.Context(Access{Domain: c.domain})
		if err != nil {
			if !c.fails {
				t.Errorf("%s %s: %v", c.config, c.domain, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the answer is in the error: %v", err)
			}
			continue
		}
		got, err := config.GetCredentials(sys, c.domain+"/x")
		if err != nil || got.Username != c.want || got.IdentityToken != c.token || c.fails {
			t.Errorf("%s %s: %+v %v", c.config, c.domain, got, err)
		}
		done()
	}
}
