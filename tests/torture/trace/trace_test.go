package trace

import (
	"os"
	"path/filepath"
	"testing"
)

// The N-th call of the tree is not made, all before it are.
func TestKillsBeforeTheNth(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	script := "mkdir a; mkdir b; (mkdir c); mkdir d"
	run := func(dir string, at int) Result {
		r := Start(Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: os.Environ(), Dir: dir, Stdin: null, Stdout: null, Stderr: null,
			UID: os.Getuid(), At: at, Then: (*Tree).Kill, Record: true})
		res, err := r.Wait()
		if err != nil {
			t.Fatal(err)
		}
		<-r.all
		return res
	}
	whole := run(t.TempDir(), 0)
	if !whole.Status.Exited() || whole.Status.ExitStatus() != 0 {
		t.Fatalf("ended with %v", whole.Status)
	}
	made := 0
	for n, name := range whole.Names {
		dir := t.TempDir()
		res := run(dir, n+1)
		if res.Hit == "" || !res.Status.Signaled() {
			t.Errorf("call %d, %s: not killed: %+v", n+1, name, res)
		}
		if got, _ := filepath.Glob(filepath.Join(dir, "*")); len(got) != made {
			t.Errorf("killed before call %d, %s: %v, want %d", n+1, name, got, made)
		}
		if name == "mkdir" || name == "mkdirat" {
			made++
		}
	}
	if made != 4 {
		t.Errorf("saw %d of 4 mkdirs: %v", made, whole.Names)
	}
}
