package carry

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestManyDirectories: the times of a tar of any number of directories are kept, in bounded memory.
func TestManyDirectories(t *testing.T) {
	when := time.Unix(1_000_000_000, 0)
	folder := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: when}
	}
	headers := []tar.Header{folder("a")}
	const many = keptTimes + keptTimes/2
	for i := range many {
		headers = append(headers, folder(fmt.Sprintf("a/%d", i)))
	}
	headers = append(headers, folder("a/z"), folder("a/z/y"), file("a/z/y/f"), file("a/f"))
	dir := t.TempDir()
	fd := open(t, dir)
	w := &writing{p: Place{Root: fd, Dir: fd, Path: "/", Loose: true}, last: -1}
	defer w.forget()
	most := 0
	must(t, Tar{R: packed(t, headers...)}.Each(func(i *Item) error {
		err := w.item(i)
		most = max(most, len(w.times.list))
		return err
	}))
	must(t, w.setTimes(w.times.list))
	if most > keptTimes+1 {
		t.Errorf("%d times waited", most)
	}
	for _, name := range []string{"a", "a/0", fmt.Sprintf("a/%d", many-1), "a/z", "a/z/y"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || !st.ModTime().Equal(when) {
			t.Errorf("%s: %v", name, st.ModTime())
		}
	}
}
