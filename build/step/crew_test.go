package step

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/storage/tree"
)

// many plants a tree that a crew comes for, and gives what copies it.
func many(t *testing.T) (src, upper string, sel source.Selection, cp *copier) {
	t.Helper()
	if was := runtime.GOMAXPROCS(0); was < 4 {
		runtime.GOMAXPROCS(4)
		t.Cleanup(func() { runtime.GOMAXPROCS(was) })
	}
	src, upper = t.TempDir(), t.TempDir()
	var lines []string
	for i := range 30 {
		dir := fmt.Sprintf("d%d/e%d/", i%5, i)
		lines = append(lines, fmt.Sprintf("d%d/", i%5), dir)
		for j := range 12 {
			lines = append(lines, fmt.Sprintf("%sf%d 0%o 0:0 =%d %d", dir, j, 0o600+j, i, j))
		}
		lines = append(lines, dir+"empty =", dir+"again == "+dir+"f3", dir+"link -> f1")
	}
	plant(t, src, single(), lines...)
	from, err := openDir(src)
	if err != nil {
		t.Fatal(err)
	}
	to, err := openDir(upper)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close(); to.Close() })
	sels, err := source.Select(from, pat("/"), source.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return src, upper, sels[0], &copier{u: newUnion(int(to.Fd()), -1, single(), single()), src: int(from.Fd()),
		content: &tree.Content{}, links: map[inode]string{}, ctx: context.Background()}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A copy made by a crew is the one made alone: contents, links, and the times of directories too.
func TestCrewCopiesAll(t *testing.T) {
	src, upper, sel, cp := many(t)
	before := openFiles(t)
	if err := cp.put(sel, "/"); err != nil {
		t.Fatal(err)
	}
	want, got := show(t, src, single()), show(t, upper, single())
	if !slices.Equal(want, got) || len(got) < 450 {
		t.Errorf("%d files were copied of %d", len(got), len(want))
		for i := range min(len(want), len(got)) {
			if want[i] != got[i] {
				t.Fatalf("the first that differs: %q, want %q", got[i], want[i])
			}
		}
	}
	if n := openFiles(t); n != before {
		t.Errorf("%d files are open, %d were", n, before)
	}
}

func TestCrewTellsOfAnError(t *testing.T) {
	src, _, sel, cp := many(t)
	before := openFiles(t)
	if err := os.WriteFile(filepath.Join(src, "d2/e7/f5"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := cp.put(sel, "/")
	if err == nil || !strings.Contains(err.Error(), "/d2/e7/f5") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	if n := openFiles(t); n != before {
		t.Errorf("%d files are open, %d were", n, before)
	}
}
