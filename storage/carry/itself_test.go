package carry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIntoItself: a directory is not copied to a place below it, which would never end, and nothing is
// written before that is seen. A copy next to it is none of that.
func TestIntoItself(t *testing.T) {
	for name, c := range map[string]struct{ from, in, to, name string }{
		"below":                {"/", "d", "d/sub", "new"},
		"to itself":            {"/", "d", "/", "d"},
		"its content below":    {"d", "", "d/sub", ""},
		"its content to it":    {"d", "", "d", ""},
		"the top":              {"/", "", "d", "new"},
		"found on the way":     {"/", "", "", ""},
		"not below: a sibling": {"/", "d", "/", "e"},
		"not below: its child": {"d", "sub", "/", "sub"},
	} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "d", "sub"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "d", "f"), nil, 0o644))
		from, to, root := open(t, filepath.Join(dir, c.from)), open(t, filepath.Join(dir, c.to)), open(t, dir)
		place := Place{Root: root, Dir: to, Path: filepath.Join("/", c.to), Name: c.name}
		source := Tree{Dir: from, Name: c.in, At: filepath.Join("/", c.from, c.in)}
		err := ToTree(place, source)
		fine := strings.HasPrefix(name, "not below")
		if fine != (err == nil) || err != nil && !strings.Contains(err.Error(), "into itself") {
			t.Errorf("%s: %v", name, err)
		}
		names, _ := os.ReadDir(filepath.Join(dir, "d", "sub"))
		if len(names) != 0 {
			t.Errorf("%s: wrote %v", name, names)
		}
	}
}

// TestIntoItselfOnTheWay: a mount can show the place below the source where no path says so; here the walk
// alone has to see it.
func TestIntoItselfOnTheWay(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a", "f"), nil, 0o644))
	w := &writing{p: Place{Root: open(t, dir), Dir: open(t, filepath.Join(dir, "a", "b"))}, last: -1}
	defer w.forget()
	items := 0
	err := Tree{Dir: open(t, dir)}.Each(func(i *Item) error {
		if items++; items > 50 {
			t.Fatal("it does not end")
		}
		return w.item(i)
	})
	if err == nil || !strings.Contains(err.Error(), "into itself") {
		t.Error(err)
	}
}
