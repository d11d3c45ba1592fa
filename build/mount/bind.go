package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/working"
)

// bind shows part of a tree. What a writable one receives is thrown away.
func (s *Set) bind(i int, m plan.Mount, c Config) error {
	tree, err := c.Tree(i, m)
	if err != nil {
		return err
	}
	fd, st, err := find(tree.Root, m.Source)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	name := strconv.Itoa(i)
	out := spec.Mount{Type: "bind", Target: m.Target, ReadOnly: m.ReadOnly, NonRecursive: true}
	if !tree.Foreign {
		out.Volume = "build"
	}
	switch {
	case m.ReadOnly:
		out.Source, err = s.attach(fd, st, c.Dir, "bind-"+name, true)
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		out.Source, err = s.discarding(fd, filepath.Join(c.Dir, "bind-"+name))
	default:
		// An overlay shows directories only.
		dir := filepath.Join(c.Dir, "bind-"+name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := c.Copy(tree, m.Source, dir); err != nil {
			return err
		}
		out.Source, err = onlyFile(dir)
	}
	if err != nil {
		return err
	}
	s.put(out)
	return nil
}

// discarding mounts the directory fd with a layer over it that goes with the step.
func (s *Set) discarding(fd int, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	w := &working.Work{Lowers: []string{"/proc/self/fd/" + strconv.Itoa(fd)}, Dir: dir, Volatile: true}
	if err := w.Mount(); err != nil {
		return "", err
	}
	s.points = append(s.points, w.Merged())
	return w.Merged(), nil
}

// onlyFile gives the path of the one file in dir.
func onlyFile(dir string) (string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", fmt.Errorf("%d files where one was expected", len(list))
	}
	return filepath.Join(dir, list[0].Name()), nil
}

// Script makes the file of a heredoc with a shebang and the mount that shows it.
func Script(dir string, in plan.Inline, target string) (spec.Mount, error) {
	path := filepath.Join(dir, "script")
	if err := os.WriteFile(path, []byte(in.Data), 0o700); err != nil {
		return spec.Mount{}, fmt.Errorf("writing the heredoc %s: %w", in.Name, err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return spec.Mount{}, fmt.Errorf("writing the heredoc %s: %w", in.Name, err)
	}
	return spec.Mount{Type: "bind", Source: path, Target: target, ReadOnly: true, NonRecursive: true, Volume: "build"}, nil
}
