package run

import (
	"path"
	"strings"
	"testing"
)

func TestSplitCopyArgument(t *testing.T) {
	for arg, want := range map[string][2]string{
		"web:/x":       {"web", "/x"},
		"web:":         {"web", ""},
		"web:a:b":      {"web", "a:b"},
		"/a:b":         {"", "/a:b"},
		"./a:b":        {"", "./a:b"},
		"../a:b":       {"", "../a:b"},
		".hidden:x":    {"", ".hidden:x"},
		"file":         {"", "file"},
		"-":            {"", "-"},
		"host/name:/x": {"host/name", "/x"},
	} {
		if c, p := SplitCopyArgument(arg); c != want[0] || p != want[1] {
			t.Errorf("%q: %q %q, want %q", arg, c, p, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		what      string
		src       copySource
		dst       copyTarget
		dir, name string
		err       error
	}{
		{"a file to a new name", copySource{"f", false}, copyTarget{"/a/b", false, false}, "/a", "b", nil},
		{"a file into a directory", copySource{"f", false}, copyTarget{"/a/b", true, true}, "/a/b", "f", nil},
		{"a file into a directory, said so", copySource{"f", false}, copyTarget{"/a/b/", true, true}, "/a/b/", "f", nil},
		{"a file into the root", copySource{"f", false}, copyTarget{"/", true, true}, "/", "f", nil},
		{"a file over a file", copySource{"f", false}, copyTarget{"/a/b", true, false}, "/a", "b", nil},
		{"a file to a missing directory", copySource{"f", false}, copyTarget{"/a/b/", false, false}, "", "", errNoSuchDir},
		{"a file to a missing directory's inside", copySource{"f", false}, copyTarget{"/a/b/.", false, false}, "", "", errNoSuchDir},
		{"a directory to a new name", copySource{"d", true}, copyTarget{"/a/b", false, false}, "/a", "b", nil},
		{"a directory to a new name, said so", copySource{"d", true}, copyTarget{"/a/b/", false, false}, "/a", "b", nil},
		{"a directory to a new inside", copySource{"d", true}, copyTarget{"/a/b/.", false, false}, "/a", "b", nil},
		{"a directory into a directory", copySource{"d", true}, copyTarget{"/a/b", true, true}, "/a/b", "d", nil},
		{"an inside into a directory", copySource{".", true}, copyTarget{"/a/b", true, true}, "/a/b", "", nil},
		{"an inside to a new name", copySource{".", true}, copyTarget{"/b", false, false}, "/", "b", nil},
		{"a root into a directory", copySource{"/", true}, copyTarget{"/a", true, true}, "/a", "", nil},
		{"a directory over a file", copySource{"d", true}, copyTarget{"/a/b", true, false}, "", "", errCopyDir},
		{"an inside over a file", copySource{".", true}, copyTarget{"/a/b", true, false}, "", "", errCopyDir},
	} {
		dir, name, err := placeOf(c.src, c.dst)
		if dir != c.dir || name != c.name || err != c.err {
			t.Errorf("%s: %q %q %v", c.what, dir, name, err)
		}
	}
}

func TestCleanKept(t *testing.T) {
	for p, want := range map[string]string{
		"": "/", "/": "/", ".": "/.", "/.": "/.", "a": "/a", "a/": "/a/", "a/.": "/a/.", "/a//b/../c/": "/a/c/",
		"..": "/", "../../x": "/x", "/a/./": "/a/",
	} {
		if got := cleanKept(p); got != want {
			t.Errorf("%q: %q, want %q", p, got, want)
		}
	}
}

// FuzzPlaces: whatever the paths, a file goes to one name in a clean absolute directory.
func FuzzPlaces(f *testing.F) {
	f.Add("/a/b", "/c/.", true, true, true)
	f.Add("..", "x/..", false, false, true)
	f.Fuzz(func(t *testing.T, from, to string, srcDir, exists, dstDir bool) {
		from, to = cleanKept(from), cleanKept(to)
		if !path.IsAbs(from) || strings.Contains(from+"/", "/../") || cleanKept(from) != from {
			t.Fatalf("cleaned to %q", from)
		}
		_, base := splitLast(from)
		dir, name, err := placeOf(copySource{base, srcDir}, copyTarget{to, exists, exists && dstDir})
		if err != nil {
			return
		}
		if !path.IsAbs(dir) || strings.Contains(dir+"/", "/../") {
			t.Errorf("%q to %q: directory %q", from, to, dir)
		}
		if strings.Contains(name, "/") && name != "/" || name == ".." || name == "." {
			t.Errorf("%q to %q: name %q", from, to, name)
		}
	})
}
