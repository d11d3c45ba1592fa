package tree

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestContentIsKept(t *testing.T) {
	dir := t.TempDir()
	big := make([]byte, 3<<20+17)
	for i := range big {
		big[i] = byte(i * 7)
	}
	sparse := filepath.Join(dir, "sparse")
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("start"), 0)
	f.WriteAt([]byte("end"), 8<<20)
	f.Truncate(16 << 20)
	f.Close()
	os.WriteFile(filepath.Join(dir, "big"), big, 0o644)
	os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644)
	for _, plain := range []bool{false, true} {
		for _, name := range []string{"big", "empty", "sparse"} {
			from, _ := os.Open(filepath.Join(dir, name))
			to, _ := os.Create(filepath.Join(dir, "copy"))
			var st, out unix.Stat_t
			unix.Fstat(int(from.Fd()), &st)
			c := &Content{}
			c.noClone.Store(plain)
			c.noRange.Store(plain)
			if err := c.Copy(int(to.Fd()), int(from.Fd()), &st); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			a, _ := os.ReadFile(from.Name())
			b, _ := os.ReadFile(to.Name())
			if !slices.Equal(a, b) {
				t.Errorf("%s (plain %v): content differs", name, plain)
			}
			unix.Fstat(int(to.Fd()), &out)
			if name == "sparse" && out.Blocks > st.Blocks+64 {
				t.Errorf("holes were filled: %d blocks, %d before", out.Blocks, st.Blocks)
			}
			// A file that is shorter than it was must not be taken for the whole.
			st.Size += 5
			if name == "big" {
				c.noClone.Store(true)
				to.Truncate(0)
				if err := c.Copy(int(to.Fd()), int(from.Fd()), &st); !errors.Is(err, ErrShort) {
					t.Errorf("a shortened file gave %v", err)
				}
			}
			from.Close()
			to.Close()
		}
	}
}
