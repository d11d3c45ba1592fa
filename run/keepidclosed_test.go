package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/spec"
)

func smallMapping() idmap.Mapping {
	ids := []idmap.Range{{Inside: 0, Outside: 0, Length: 3000}}
	return idmap.Mapping{Kind: idmap.Subids, UIDs: ids, GIDs: ids}
}

func TestClosedTo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs other owners: run as root")
	}
	shift := smallMapping().KeepID(1000, 1000)
	top := t.TempDir()
	if dir := closedTo(shift, filepath.Join(top, "merged")); dir != "" {
		t.Skip("the tests' own directory is closed:", dir)
	}
	for name, c := range map[string]struct {
		uid, gid int
		mode     os.FileMode
		closed   bool
	}{
		"the caller's":             {0, 0, 0o700, false},
		"of a subordinate id":      {5, 5, 0o700, false},
		"another's, open":          {5000, 5000, 0o711, false},
		"another's, closed":        {5000, 5000, 0o750, true},
		"another group's, closed":  {0, 5000, 0o750, true},
		"of nobody known, closed":  {0, 65534, 0o750, true},
		"another group's, to pass": {0, 5000, 0o751, false},
	} {
		dir := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "store", "merged"), 0o755), os.Chown(dir, c.uid, c.gid), os.Chmod(dir, c.mode)); err != nil {
			t.Fatal(err)
		}
		want := ""
		if c.closed {
			want = dir
		}
		if got := closedTo(shift, filepath.Join(dir, "store", "merged")); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Only who has a number above all others is helped by another one.
func TestExplainFew(t *testing.T) {
	for uid, want := range map[uint32]bool{1000: false, 2999: false, 70000: true} {
		c := &container{o: Options{Mapping: smallMapping()}, w: wishes{}}
		c.w.KeepID = &spec.KeepID{UID: uid, GID: 1000}
		got := c.explainFew(fmt.Errorf("owner 3000:3000: %w", unix.EINVAL)).Error()
		if strings.Contains(got, "keep-id:uid=1000,gid=1000") != want {
			t.Errorf("%d: %s", uid, got)
		}
	}
}
