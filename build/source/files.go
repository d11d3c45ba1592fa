package source

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/given"
)

// defaultNames are looked for in a context when -f is not given, in this order.
var defaultNames = []string{"Dockerfile", "Containerfile", "dockerfile"}

var _, contextIgnore = dockerfile.IgnoreNames("")

// opener opens a file for reading by a name it knows how to resolve.
type opener func(name string) (*os.File, error)

// openIn opens a regular file of the context; symlinks stay inside.
func (c *Context) openIn(name string) (*os.File, error) {
	fd, err := openIn(int(c.root.Fd()), name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return regular(os.NewFile(uintptr(fd), name))
}

func regular(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// findDockerfile takes the context's own Dockerfile.
func (s *Sources) findDockerfile() error {
	found := ""
	for _, name := range defaultNames {
		var st unix.Stat_t
		if unix.Fstatat(int(s.Main.root.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if found != "" && name == "Containerfile" {
			s.Warnings = append(s.Warnings, fmt.Sprintf("the context has a %s and a %s: using %s", found, name, found))
		}
		if found == "" {
			found = name
		}
	}
	if found == "" {
		return fmt.Errorf("there is no Dockerfile (or Containerfile) in the context %s: name one with -f", s.shownContext())
	}
	return s.contextDockerfile(found)
}

func (s *Sources) shownContext() string {
	if s.opts.Context == "-" {
		return "from standard input"
	}
	return fmt.Sprintf("%q", s.opts.Context)
}

// contextDockerfile reads a Dockerfile inside the context.
func (s *Sources) contextDockerfile(name string) error {
	s.Name = name
	f, err := s.Main.openIn(name)
	if err != nil {
		if errors.Is(err, unix.ENOENT) && isLink(s.Main.root, name) {
			err = errors.New("it is a symlink that leads to nothing inside the context; name the file itself with -f")
		}
		return fmt.Errorf("reading the Dockerfile %q: %w", name, err)
	}
	defer f.Close()
	if s.Dockerfile, err = readAll(f, fmt.Sprintf("the Dockerfile %q", name), dockerfile.MaxSize); err != nil {
		return err
	}
	return s.ignoreFile(s.Main, name, "")
}

func isLink(root *os.File, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(root.Fd()), relative(name), &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
}

// givenDockerfile reads the file -f names: as the caller sees it, or else inside the context. A
// pipe, as of a shell's <(…), is read too.
func (s *Sources) givenDockerfile(name string) error {
	if kind := remote(name); kind != "" {
		return fmt.Errorf("-f %s: %s is not supported yet", name, kind)
	}
	s.Name = name
	text, err := given.Read(name, dockerfile.MaxSize)
	if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(name) {
		if inside, err2 := s.Main.openIn(name); err2 == nil {
			inside.Close()
			return s.contextDockerfile(name)
		}
	}
	if errors.Is(err, unix.EISDIR) {
		return fmt.Errorf("reading the Dockerfile %q: it is a directory", name)
	}
	if err != nil {
		return fmt.Errorf("reading the Dockerfile %q: %w", name, cause(err))
	}
	s.Dockerfile = text
	return s.ignoreFile(s.Main, filepath.Base(name), filepath.Dir(name))
}

// cause takes the path off an error that names it anyway.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ignoreFile reads the ignore file that belongs to a Dockerfile: first <name>.dockerignore beside
// it, then the context's. beside is the Dockerfile's directory, "" when it is in the context.
func (s *Sources) ignoreFile(c *Context, name, beside string) error {
	own, _ := dockerfile.IgnoreNames(path.Base(name))
	open := c.openIn
	dir := path.Dir(name)
	if beside != "" {
		dir = beside
		open = func(n string) (*os.File, error) {
			f, err := os.OpenFile(n, os.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				return nil, err
			}
			return regular(f)
		}
	}
	for i := range own {
		own[i] = filepath.Join(dir, own[i])
	}
	found, err := s.readIgnore(c, own, open)
	if err != nil || found {
		return err
	}
	_, err = s.readIgnore(c, contextIgnore, c.openIn)
	return err
}

// readIgnore reads the first of names that exists and notes the others that do.
func (s *Sources) readIgnore(c *Context, names []string, open opener) (bool, error) {
	var there []string
	for _, name := range names {
		f, err := open(name)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("reading %s: %w", name, cause(err))
		}
		if len(there) == 0 {
			var patterns []string
			if patterns, err = dockerfile.ReadIgnore(f, name); err == nil {
				c.Ignore, err = dockerfile.NewMatcher(patterns)
				c.IgnoreName = name
			}
		}
		f.Close()
		if err != nil {
			return false, err
		}
		there = append(there, name)
	}
	if len(there) > 1 && !slices.Contains(s.Warnings, there[1]) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("both %s and %s exist: using %s", there[0], there[1], there[0]))
	}
	return len(there) > 0, nil
}
