package source

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What has no extended attributes is known by the digest, whether it was read or remembered.
func TestDigestNotesBareFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bare", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(filepath.Join(dir, "other"), "user.x", []byte("y"), 0); err != nil {
		t.Skip("no user xattrs here: ", err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	memory := OpenMemory(filepath.Join(t.TempDir(), "digests"))
	memory.now = func() time.Time { return time.Now().Add(time.Hour) }
	for _, how := range []string{"read", "remembered"} {
		sels, err := Select(root, []Pattern{{Path: "/"}}, SelectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Digest(context.Background(), root, sels, DigestOptions{Memory: memory}); err != nil {
			t.Fatal(err)
		}
		for _, e := range sels[0].Entries {
			if e.Bare != (e.Rel == "bare") {
				t.Errorf("%s: %q is bare: %v", how, e.Rel, e.Bare)
			}
		}
		if len(memory.known) != 2 {
			t.Errorf("%d files are remembered", len(memory.known))
		}
	}
}
