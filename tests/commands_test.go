package tests

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	ociv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// startRegistry serves the base image as library/base:latest and gives its full reference.
func startRegistry(t *testing.T, userland string) (*fixture.Registry, string) {
	t.Helper()
	r, err := fixture.StartRegistry()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	var b bytes.Buffer
	if err := fixture.WriteBase(&b, userland); err != nil {
		t.Fatal(err)
	}
	var arm bytes.Buffer // an image of another architecture: never run
	tw := tar.NewWriter(&arm)
	if err := errors.Join(tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "arm64/", Mode: 0o755}), tw.Close()); err != nil {
		t.Fatal(err)
	}
	if err := r.Push("library/base:latest", ociv1.ImageConfig{Env: []string{fixture.Path}, Cmd: []string{"sh"}}, b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := r.PushIndex("library/multi:latest", ociv1.ImageConfig{Cmd: []string{"sh"}}, map[string][]byte{"amd64": b.Bytes(), "arm64": arm.Bytes()}); err != nil {
		t.Fatal(err)
	}
	// Its s390x image has programs of this machine: it runs, if it is asked for.
	many := map[string][][]byte{"amd64": {b.Bytes()}, "arm64": {arm.Bytes()}, "s390x": {b.Bytes(), arm.Bytes()}}
	if err := r.PushAttested("library/many:latest", ociv1.ImageConfig{Env: []string{fixture.Path}, Cmd: []string{"sh"}}, many); err != nil {
		t.Fatal(err)
	}
	return r, r.Addr + "/library/base:latest"
}

// commands are the words that the scripts have beyond testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"layers":    layersCmd,
	"leftovers": leftoversCmd,
	"oneline":   onelineCmd,
	"syscalls":  syscallsCmd,
	"terminal":  terminalCmd,
	"watcher":   watcherCmd,
	"posture":   postureCmd,
	"refused":   refusedCmd,
	"sigstore":  sigstoreCmd,
	"hostile":   hostileCmd,
	"interrupt": interruptCmd,
}

// layersCmd is `layers IMAGE FILE`: it saves IMAGE and writes to FILE one line for each entry of each
// layer that IMAGE has beyond the base image's one: layer, type, mode, owner, name, link, xattrs. Times
// are left out, so that the same build gives the same text for every kind of user.
func layersCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: layers IMAGE FILE")
	}
	archive := ts.MkAbs(".layers.tar")
	ts.Check(ts.Exec("dhow", "save", "-o", archive, args[0]))
	defer os.Remove(archive)
	f, err := os.Open(archive)
	ts.Check(err)
	defer f.Close()
	text, err := layerText(f)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// layerText lists the layers of a docker-archive, the first (the base image's) left out.
func layerText(archive io.Reader) (string, error) {
	files := map[string][]byte{}
	tr := tar.NewReader(archive)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return "", err
		}
		files[h.Name] = b
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		return "", err
	}
	if len(manifest) != 1 {
		return "", fmt.Errorf("%d images in the archive, want 1", len(manifest))
	}
	var out strings.Builder
	for i, name := range manifest[0].Layers[1:] {
		tr := tar.NewReader(bytes.NewReader(files[name]))
		for {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return "", fmt.Errorf("layer %d: %w", i+1, err)
			}
			fmt.Fprintf(&out, "%d %c %04o %d:%d %s", i+1, h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Name)
			if h.Linkname != "" {
				fmt.Fprintf(&out, " -> %s", h.Linkname)
			}
			if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
				fmt.Fprintf(&out, " %d,%d", h.Devmajor, h.Devminor)
			}
			var keys []string
			for k := range h.PAXRecords {
				if strings.HasPrefix(k, "SCHILY.xattr.") {
					keys = append(keys, k)
				}
			}
			sort.Strings(keys)
			for _, k := range keys {
				fmt.Fprintf(&out, " %s=%x", strings.TrimPrefix(k, "SCHILY.xattr."), h.PAXRecords[k])
			}
			out.WriteByte('\n')
		}
	}
	return out.String(), nil
}

// kept are files that stay in a store's working directories on purpose.
var kept = map[string]bool{
	"names": true, // containers/names: the index of the names in use
}

// leftoversCmd fails when a command left something behind: a mount below the script's directory, a
// temporary object in the store, a container's record, a process that runs the userland of this script.
func leftoversCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: leftovers")
	}
	home := ts.Getenv("HOME")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	ts.Check(err)
	if strings.Contains(string(mounts), home) {
		ts.Fatalf("a mount was left below %s:\n%s", home, mounts)
	}
	for _, pattern := range []string{"tmp/*", "containers/*"} {
		found, err := filepath.Glob(filepath.Join(home, ".local/share/dhow/store-*", pattern))
		ts.Check(err)
		for _, f := range found {
			if kept[filepath.Base(f)] {
				continue
			}
			ts.Fatalf("left behind: %s", f)
		}
	}
	procs, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	ts.Check(err)
	for _, p := range procs {
		b, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(b), home) {
			cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
			ts.Fatalf("a process with the store's mounts is still there: %q", cmd)
		}
	}
}

// onelineCmd is `oneline FILE`: FILE (usually stderr) holds exactly one line, printable, without a
// stack trace.
func onelineCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline stderr|FILE")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, "\n"); n != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%d lines, want one:\n%s", n, text)
	}
	if strings.Contains(text, "goroutine") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
		ts.Fatalf("not a clean line: %q", text)
	}
}
