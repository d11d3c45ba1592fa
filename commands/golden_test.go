package commands

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with the file at path.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	have, old := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range have {
		if i >= len(old) || have[i] != old[i] {
			t.Errorf("%s:%d differs from what is made now; run the test with -update and read the difference:\n%s", path, i+1, have[i])
			return
		}
	}
	t.Errorf("%s has more lines than what is made now", path)
}

func TestCompletionScripts(t *testing.T) {
	for name, text := range map[string]string{"bash": bashScript(verbs), "zsh": zshScript(verbs), "fish": fishScript(verbs)} {
		golden(t, filepath.Join("..", "completions", "dhow."+name), text)
	}
}

func TestHelp(t *testing.T) {
	c := &call{verbs: verbs}
	golden(t, "testdata/help/overview.txt", c.overview())
	for _, v := range verbs {
		golden(t, "testdata/help/"+v.name+".txt", verbHelp(v))
	}
	golden(t, "testdata/help/dhow.1", manual(verbs))
	golden(t, "testdata/help/dhow-ps.1", verbManual(&psVerb))
}
