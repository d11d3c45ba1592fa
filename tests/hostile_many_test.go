package tests

import (
	"archive/tar"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// manyAttacks are images of very many layers and files. They are honest, and are to work; the harm is to
// whoever takes them for a few.
func manyAttacks() []attack {
	const layers, files = 130, 20_000
	tars := make([][]byte, layers)
	for i := range tars {
		tars[i] = tarOfEntries(entry{name: fmt.Sprintf("l%d", i), content: "x"}, entry{name: "top", content: fmt.Sprint(i)})
	}
	crowded := func() []byte {
		list := []entry{{name: "d/", kind: tar.TypeDir}}
		for i := range files {
			list = append(list, entry{name: fmt.Sprintf("d/f%d", i)})
		}
		return tarOfEntries(list...)
	}
	// shows makes a container of the image and looks at all of its files.
	shows := func(image string, want func(names []string) error) func(*world) error {
		return func(w *world) error {
			out := filepath.Join(w.dir, "files", "all.tar")
			for _, args := range [][]string{{"create", "--name", "many", w.expand(image), "/x"}, {"export", "-o", out, "many"}, {"rm", "many"}} {
				if said, err := w.dhow(attack{}, args...); err != nil {
					return fmt.Errorf("%s: %w: %.500s", args[0], err, said)
				}
			}
			list, err := exec.Command("tar", "-tf", out).Output()
			if err != nil {
				return err
			}
			return want(strings.Fields(string(list)))
		}
	}
	count := func(begin string, n int) func([]string) error {
		return func(names []string) error {
			for _, name := range names {
				if strings.HasPrefix(name, begin) && !strings.HasSuffix(name, "/") {
					n--
				}
			}
			if n != 0 {
				return fmt.Errorf("%d of the files called %s… are missing, of %d names", n, begin, len(names))
			}
			return nil
		}
	}
	return []attack{
		{name: "A15 a hundred and thirty layers: pull", works: true, answer: func(w *world) { w.reg.Answer(fixture.Image(runtime.GOARCH, tars...).Rules()...) },
			after: shows("REG/r:x", count("l", layers))},
		{name: "A15 twenty thousand files in a directory: load", works: true, args: []string{"load", "-q", "-i", "x.tar"},
			answer: func(w *world) { t := crowded(); w.file("x.tar", string(dockerArchive("", configOf(t), t))) },
			after:  shows("x:1", count("d/f", files))},
	}
}
