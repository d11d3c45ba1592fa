package dockerfile

import (
	"strings"
	"testing"
)

// FuzzMounts: whatever stands in --mount, it is refused or has one of the known types, and reading
// it again gives the same.
func FuzzMounts(f *testing.F) {
	for _, s := range []string{"type=bind,source=../..,target=/x,rw", "type=cache,id=../../..,target=/c,sharing=locked,mode=0777,uid=1",
		"type=secret,id=a,env=B,required", "type=tmpfs,target=/t,size=1g", `"type=bind","source=a,b",target=/q`, "type=ssh", "target=$V,ro=false",
		"type=cache,target=/x,id=" + strings.Repeat("i", 10_000), "type=bind,bind-propagation=rshared,target=/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, mount string) {
		if strings.ContainsAny(mount, " \t\r\n\v\f\\") {
			return // ends the flag or the line
		}
		df, err := Parse(strings.NewReader("FROM a\nRUN --mount="+mount+" x\n"), "")
		if err != nil {
			return
		}
		run, ok := df.Stages[0].Instructions[0].(*Run)
		if !ok {
			return
		}
		expand := func(w string) (string, error) {
			out, _, err := df.Words().Expand(w, env{"V": "/value"})
			return out, err
		}
		first, err := run.Mounts(expand)
		again, err2 := run.Mounts(expand)
		if (err == nil) != (err2 == nil) || len(first) != len(again) {
			t.Fatalf("read twice: %v and %v", err, err2)
		}
		for _, m := range first {
			switch m.Type {
			case "bind", "cache", "secret", "tmpfs", "ssh":
			default:
				t.Fatalf("a mount of type %q", m.Type)
			}
			if m.Mode != nil && *m.Mode > 0xffffffff {
				t.Fatalf("mode %o", *m.Mode)
			}
		}
		if len(run.Froms()) != len(first) && err == nil {
			t.Fatal("sources and mounts differ in number")
		}
	})
}
