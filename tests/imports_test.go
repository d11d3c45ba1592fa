package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dhow-containers/dhow"

// mayImport is the table of the house: which rooms a room may use. Doors use work, work uses ground;
// on the ground storage may know rootless, and dockerfile knows nothing of ours.
var mayImport = map[string][]string{
	"":            {"commands", "run", "rootless", "storage"}, // main.go: the role table
	"commands":    {"build", "run", "storage", "rootless", "dockerfile", "completions"},
	"build":       {"run/spec", "run/sandbox", "run/network", "run/seccomp", "storage", "rootless", "dockerfile"},
	"run":         {"storage", "rootless"},
	"storage":     {"rootless"},
	"rootless":    {},
	"dockerfile":  {},
	"completions": {},
	"tests":       {"commands", "build", "run", "storage", "rootless", "dockerfile", "completions"},
}

// oneRoom says which room alone knows a library: elsewhere we speak in our own types.
var oneRoom = map[string]string{
	"github.com/opencontainers/runc":       "run/sandbox",
	"github.com/opencontainers/cgroups":    "run/sandbox",
	"go.podman.io/storage":                 "storage",
	"go.podman.io/image/v5":                "storage",
	"github.com/moby/buildkit":             "dockerfile",
	"github.com/urfave/cli":                "commands",
	"github.com/BurntSushi/toml":           "commands",
	"gvisor.dev/gvisor":                    "run/network",
	"github.com/seccomp/libseccomp-golang": "run/seccomp",
}

// standIns are modules of their own: they have the names of libraries they replace.
var standIns = map[string]bool{"run/seccomp/libseccomp": true, "storage/ocicrypt": true, "storage/genproto": true}

// exceptions are single imports outside the table, each with its reason.
var exceptions = map[string]string{
	"main.go go.podman.io/storage/pkg/reexec":                     "the store's own re-execs are roles, and roles are told apart in main.go",
	"main.go github.com/opencontainers/runc/libcontainer/nsenter": "the C bootstraps are imported only in main.go (architecture §3)",
}

func TestImportsFollowTheHouse(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != ".." || standIns[rel]) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, rel, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImport(t *testing.T, file, imported string) {
	if exceptions[file+" "+imported] != "" {
		return
	}
	dir := filepath.ToSlash(filepath.Dir(file))
	room, _, _ := strings.Cut(dir, "/")
	if room == "." {
		room = ""
	}
	for lib, home := range oneRoom {
		if within(imported, lib) && !within(dir, home) && room != "tests" {
			t.Errorf("%s imports %s, which only %s knows", file, imported, home)
		}
	}
	ours, ok := strings.CutPrefix(imported, module+"/")
	if !ok || within(ours, room) && room != "" {
		return
	}
	allowed, known := mayImport[room]
	if !known {
		t.Errorf("%s: the room %q is not in the table", file, room)
		return
	}
	for _, a := range allowed {
		if within(ours, a) {
			return
		}
	}
	t.Errorf("%s imports %s: %q may use only %v", file, ours, room, allowed)
}

// within reports whether path is root or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}
