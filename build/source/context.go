// Package source opens what a build reads: contexts, the Dockerfile and ignore files, and finds in
// them, or in any directory tree, the files a COPY means.
//
// Everything inside a tree is resolved through descriptors and never leaves it. Contents get a
// digest that is remembered by inode, so that an unchanged tree costs one look per file.
package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/dockerfile"
)

// Options say where a build gets its input.
type Options struct {
	// Context is a directory, or "-" for Stdin: a tar (also gzip, bzip2, xz, zstd) or a Dockerfile.
	Context string
	// Dockerfile is -f: a path, "-" for Stdin, or "" for the context's Dockerfile (or
	// Containerfile). With a tar from Stdin it is a path inside it.
	Dockerfile string
	Stdin      io.Reader
	// Named are the --build-context values by name: "dir" or "docker-image://ref".
	Named map[string]string
	// TempDir is where a tar context is unpacked; its contents are removed by Close. "" is the
	// system's.
	TempDir string
}

// Sources is the opened input of one build.
type Sources struct {
	Main       *Context
	Named      map[string]*Context // those that are directories, by normalised name
	Images     map[string]string   // those that are images: normalised name → reference
	Dockerfile []byte
	// Name is what errors call the Dockerfile.
	Name     string
	Warnings []string

	opts  Options
	clean []func() error
}

// Context is one directory tree that files are copied or mounted from. It is safe for concurrent
// use.
type Context struct {
	Name   string // "" is the main one
	Dir    string // where it lies
	Ignore *dockerfile.Matcher
	// IgnoreName is the file Ignore was read from; "" for none.
	IgnoreName string
	root       *os.File
}

// Root is the open directory, for Select and for bind mounts. It belongs to the Context.
func (c *Context) Root() *os.File { return c.root }

// Open opens context, Dockerfile and named contexts. The caller closes the Sources. Errors are one
// line that names what was asked for.
func Open(ctx context.Context, opts Options) (*Sources, error) {
	s := &Sources{Named: map[string]*Context{}, Images: map[string]string{}, opts: opts}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sources) open(ctx context.Context) error {
	o := s.opts
	if o.Context == "" {
		return errors.New("the build needs a context: a directory, or - for standard input")
	}
	if o.Context == "-" && o.Dockerfile == "-" {
		return errors.New("context and Dockerfile cannot both be read from standard input")
	}
	var err error
	if o.Context == "-" {
		err = s.fromStdin(ctx)
	} else {
		err = s.fromDir()
	}
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(keys(o.Named)) {
		if err := s.named(name, o.Named[name]); err != nil {
			return err
		}
	}
	return nil
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Close removes what was unpacked and closes the contexts.
func (s *Sources) Close() error {
	var err error
	for _, f := range slices.Backward(s.clean) {
		err = errors.Join(err, f())
	}
	s.clean = nil
	return err
}

// Context gives the context of that name; "" is the main one. nil when there is none.
func (s *Sources) Context(name string) *Context {
	if name == "" {
		return s.Main
	}
	return s.Named[name]
}

// fromDir opens a directory as the main context, and the Dockerfile beside or in it.
func (s *Sources) fromDir() error {
	if kind := remote(s.opts.Context); kind != "" {
		return fmt.Errorf("context %q: building from %s is not supported yet", s.opts.Context, kind)
	}
	var err error
	if s.Main, err = s.directory("", s.opts.Context); err != nil {
		return fmt.Errorf("context %q: %w", s.opts.Context, err)
	}
	switch s.opts.Dockerfile {
	case "":
		err = s.findDockerfile()
	case "-":
		s.Name = "Dockerfile"
		if s.opts.Stdin == nil {
			return errors.New("reading the Dockerfile from standard input: there is none")
		}
		s.Dockerfile, err = readAll(s.opts.Stdin, "the Dockerfile from standard input", dockerfile.MaxSize)
		if err == nil {
			err = s.ignoreFile(s.Main, "Dockerfile", "")
		}
	default:
		err = s.givenDockerfile(s.opts.Dockerfile)
	}
	return err
}

// directory opens dir as a context.
func (s *Sources) directory(name, dir string) (*Context, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(abs, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOTDIR {
		return nil, errors.New("it is not a directory")
	}
	if err != nil {
		return nil, err
	}
	c := &Context{Name: name, Dir: abs, root: os.NewFile(uintptr(fd), abs)}
	s.clean = append(s.clean, c.root.Close)
	return c, nil
}

// named opens one --build-context.
func (s *Sources) named(name, value string) error {
	key, err := plan.ContextName(name)
	if err != nil {
		return err
	}
	if ref, ok := strings.CutPrefix(value, "docker-image://"); ok {
		if ref == "" {
			return fmt.Errorf("--build-context %s=%s: an image name is missing", name, value)
		}
		s.Images[key] = ref
		return nil
	}
	if kind := remote(value); kind != "" {
		return fmt.Errorf("--build-context %s=%s: %s is not supported yet", name, value, kind)
	}
	c, err := s.directory(key, value)
	if err != nil {
		return fmt.Errorf("--build-context %s=%s: %w", name, value, err)
	}
	s.Named[key] = c
	if _, err := s.readIgnore(c, contextIgnore, c.openIn); err != nil {
		return fmt.Errorf("--build-context %s=%s: %w", name, value, err)
	}
	return nil
}

// remote names the kind of a context that is no directory, or "".
func remote(value string) string {
	scheme, _, found := strings.Cut(value, "://")
	switch {
	case strings.HasPrefix(value, "git@") || found && (scheme == "git" || scheme == "ssh" || strings.HasPrefix(scheme, "git+")):
		return "a git repository"
	case found && (scheme == "http" || scheme == "https"):
		if path, _, _ := strings.Cut(value, "#"); strings.HasSuffix(path, ".git") {
			return "a git repository"
		}
		return "an address on the web"
	case found && scheme == "oci-layout":
		return "an OCI layout"
	case found && scheme == "docker-image":
		return "an image as main context"
	case strings.HasPrefix(value, "target:") || strings.HasPrefix(value, "input:"):
		return "the result of another target"
	case strings.HasPrefix(value, "github.com/"):
		if _, err := os.Stat(value); err != nil {
			return "a git repository"
		}
	}
	return ""
}

// readAll reads at most limit bytes; more is an error.
func readAll(r io.Reader, what string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", what, limit>>20)
	}
	return data, nil
}

// fromStdin takes a tar or a Dockerfile from standard input.
func (s *Sources) fromStdin(ctx context.Context) error {
	if s.opts.Stdin == nil {
		return errors.New("reading the context from standard input: there is none")
	}
	r := bufio.NewReaderSize(s.opts.Stdin, 64<<10)
	archive, err := isArchive(r)
	if err != nil {
		return fmt.Errorf("reading the context from standard input: %w", err)
	}
	dir, err := s.tempDir()
	if err != nil {
		return fmt.Errorf("making a directory for the context: %w", err)
	}
	if !archive {
		if s.opts.Dockerfile != "" {
			return errors.New("standard input is a Dockerfile, so -f cannot name another")
		}
		s.Name = "Dockerfile"
		if s.Dockerfile, err = readAll(r, "the Dockerfile from standard input", dockerfile.MaxSize); err != nil {
			return err
		}
		s.Main, err = s.directory("", dir)
		return err
	}
	skipped, err := unpack(ctx, r, dir)
	if err != nil {
		return fmt.Errorf("unpacking the context from standard input: %w", err)
	}
	s.Warnings = append(s.Warnings, skipped...)
	if s.Main, err = s.directory("", dir); err != nil {
		return err
	}
	if s.opts.Dockerfile == "" {
		return s.findDockerfile()
	}
	return s.contextDockerfile(s.opts.Dockerfile)
}

func (s *Sources) tempDir() (string, error) {
	dir, err := os.MkdirTemp(s.opts.TempDir, "context-")
	if err == nil {
		s.clean = append(s.clean, func() error { return removeAll(dir) })
	}
	return dir, err
}

// removeAll removes a tree that may hold directories nobody may write to.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, os.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
