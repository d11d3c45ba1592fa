package run

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// picture is what a copy must keep, one line a file.
func picture(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		value := make([]byte, 100)
		n, _ := unix.Lgetxattr(path, "user.containers.override_stat", value)
		target, _ := os.Readlink(path)
		nlink := uint64(st.Nlink)
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			nlink = 0
		}
		fmt.Fprintf(&b, "%s %o %d:%d %d %d %q %s\n", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, nlink, value[:max(n, 0)], target)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCopyUp(t *testing.T) {
	image, volume := t.TempDir(), t.TempDir()
	script := `set -e
mkdir -p srv/data/sub srv/data/private
echo one >srv/data/file; ln srv/data/file srv/data/sub/again; ln -s ../../etc/passwd srv/data/link
mkfifo srv/data/fifo; chmod 4750 srv/data/file; chmod 1777 srv/data/sub; chmod 700 srv/data/private
ln -s /srv/data lib
touch -d @1000000 srv/data/file srv/data/sub srv/data`
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = image
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_ = unix.Setxattr(filepath.Join(image, "srv/data/sub"), "user.containers.override_stat", []byte("5:6:0755:dir"), 0)
	if os.Geteuid() == 0 {
		for _, f := range []string{"srv/data", "srv/data/file", "srv/data/link", "srv/data/fifo"} {
			if err := os.Lchown(filepath.Join(image, f), 12, 34); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(image, "srv/data/file"), 0o750|os.ModeSetuid); err != nil {
			t.Fatal(err)
		}
	}
	// Through a link of the image, as the container would go.
	if bare, err := copyUp(image, "/lib", volume, false); err != nil || bare {
		t.Fatal(err)
	}
	if got, want := picture(t, volume), picture(t, filepath.Join(image, "srv/data")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if err := os.WriteFile(filepath.Join(volume, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := picture(t, volume)
	if _, err := copyUp(image, "/srv", volume, false); err != nil || picture(t, volume) != before {
		t.Errorf("a volume with content was changed: %v", err)
	}
}

// A target that leads out of the image, or to nothing, leaves the volume empty.
func TestCopyUpStaysInside(t *testing.T) {
	image, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(image, "abs")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../../../.."+outside, filepath.Join(image, "rel")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(image, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/abs", "/rel", "/abs/..", "/none", "/file", "/../../.." + outside} {
		volume := t.TempDir()
		_, err := copyUp(image, filepath.Clean(target), volume, false)
		names, _ := os.ReadDir(volume)
		for _, n := range names {
			if n.Name() == "secret" {
				t.Errorf("%s: copied from outside", target)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}
