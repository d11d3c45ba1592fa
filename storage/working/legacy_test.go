package working

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The mount of kernels before 6.5 works on newer ones too.
func TestMountOld(t *testing.T) {
	before := oldKernel
	t.Cleanup(func() { oldKernel = before })
	oldKernel = func() bool { return true }
	var files []string
	for i := range 200 {
		files = append(files, "same f"+strconv.Itoa(i))
	}
	w := &Work{Lowers: lowers(t, files...), Dir: t.TempDir(), Volatile: true}
	mounted(t, w)
	for name, want := range map[string]string{"f0": "same f0", "same": "same f199", "f150": "same f150"} {
		if b, err := os.ReadFile(filepath.Join(w.Merged(), name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.Merged(), "f0"), []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(w.Upper(), "f0")); err != nil || string(b) != "new" {
		t.Errorf("the upper directory has %q: %v", b, err)
	}
	r := &Work{Lowers: lowers(t, "one"), Dir: t.TempDir(), ReadOnly: true}
	mounted(t, r)
	if err := os.WriteFile(filepath.Join(r.Merged(), "two"), nil, 0o600); err == nil {
		t.Error("a mount without an upper directory was written to")
	}
}
