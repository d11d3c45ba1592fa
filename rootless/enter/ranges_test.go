package enter

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The readers of passwd, subuid and subgid run in every command on files that others write.
func TestRangesUnderSanitizers(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc: the C readers are not tried under sanitizers")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "ranges")
	build := exec.Command(gcc, "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-I.", `-DETC="`+dir+`"`, "-o", bin, "testdata/ranges.c", "subids.c", "helper.c", "maps.c")
	if out, err := build.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "asan") {
			t.Skipf("no sanitizers: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(bin, "1", "4000").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.TrimSpace(string(out)) == "0" {
		t.Error("no file gave a full map: the test tries too little")
	}
	t.Logf("%s of 4000 files gave a full map", strings.TrimSpace(string(out)))
}
