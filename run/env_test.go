package run

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseLines(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		err  string
	}{
		{"A=1\n# comment\n\n  B=two words \nC\n", []string{"A=1", "B=two words ", "C"}, ""},
		{"\xef\xbb\xbfA=1", []string{"A=1"}, ""},
		{"A=\"quoted\"\nB='x'\n", []string{"A=\"quoted\"", "B='x'"}, ""},
		{"A=a=b\r\n", []string{"A=a=b"}, ""},
		{"A B=1", nil, "contains whitespaces"},
		{"=1", nil, "no variable name"},
		{"A=\xff", nil, "invalid utf8"},
		{"A=1\nB=c\x00d\n", nil, "file: variable 'B' contains a zero byte"},
		{"", nil, ""},
	} {
		got, err := parseLines([]byte(c.text), "file", "environment")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: got %q, %v; want an error with %q", c.text, got, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

func TestReadEnv(t *testing.T) {
	t.Setenv("FROM_CALLER", "c")
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("A=file\nFROM_CALLER\nNOT_SET_ANYWHERE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var w wishes
	o := Options{EnvFiles: []string{file}, Env: []string{"A=flag", "FROM_CALLER", "GONE"}}
	if err := o.readEnv(&w); err != nil {
		t.Fatal(err)
	}
	want := []string{"A=file", "FROM_CALLER=c", "A=flag", "FROM_CALLER=c", "GONE"}
	if !slices.Equal(w.Env, want) {
		t.Errorf("got %q, want %q", w.Env, want)
	}
	for _, bad := range []string{"", "=x"} {
		if err := (Options{Env: []string{bad}}).readEnv(&w); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if err := (Options{EnvFiles: []string{"/nonexistent"}}).readEnv(&w); err == nil {
		t.Error("a missing file was taken")
	}
}

func FuzzParseLines(f *testing.F) {
	f.Add([]byte("A=1\n#\n B"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := parseLines(data, "f", "environment")
		if err != nil {
			return
		}
		for _, l := range lines {
			if name, _, _ := strings.Cut(l, "="); name == "" || strings.ContainsAny(name, " \t\r\n") || strings.Contains(l, "\n") {
				t.Errorf("%q gave %q", data, l)
			}
		}
	})
}

func TestWishes(t *testing.T) {
	good := Options{
		Name: "web", SecurityOpt: []string{"no-new-privileges", "seccomp=unconfined", "label=disable"},
		Ulimits: []string{"nofile=10"}, Sysctls: []string{"net.core.somaxconn=5"}, ShmSize: "1m",
		Volumes: []string{"/a:/b"}, Mounts: []string{"type=tmpfs,dst=/t"}, Tmpfs: []string{"/u:size=1m"},
		Labels: []string{"k=v", "empty"}, Network: "none",
	}
	w, err := good.wishes()
	if err != nil {
		t.Fatal(err)
	}
	if !w.NoNewPrivileges || w.Seccomp != "unconfined" || len(w.Mounts) != 3 || w.ShmSizeBytes != 1<<20 || w.labels["k"] != "v" {
		t.Errorf("got %+v", w)
	}
	if _, ok := w.labels["empty"]; !ok {
		t.Error("a label without a value is missing")
	}
	for name, o := range map[string]Options{
		"name":      {Name: "../x"},
		"security":  {SecurityOpt: []string{"frob"}},
		"apparmor":  {SecurityOpt: []string{"apparmor=docker-default"}},
		"privilege": {SecurityOpt: []string{"no-new-privileges=maybe"}},
		"ulimit":    {Ulimits: []string{"nofile"}},
		"sysctl":    {Sysctls: []string{"kernel"}},
		"shm":       {ShmSize: "lots"},
		"volume":    {Volumes: []string{"a:b"}},
		"mount":     {Mounts: []string{"type=bind"}},
		"tmpfs":     {Tmpfs: []string{"rel"}},
		"label":     {Labels: []string{"=v"}},
		"cap":       {CapAdd: []string{"FLY"}},
		"network":   {Network: "no-such-network"},
	} {
		if _, err := o.wishes(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
