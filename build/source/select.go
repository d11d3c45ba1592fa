package source

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/dockerfile"
)

// Pattern is one source of a COPY.
type Pattern struct {
	// Path is absolute within the tree and may hold wildcards. A symlink at its end is followed.
	Path string
	// Parents, for COPY --parents, is the pattern of what to take below the directory Path.
	Parents string
	// Required makes it an error to match nothing.
	Required bool
}

// SelectOptions narrow a selection.
type SelectOptions struct {
	// Exclude are patterns relative to each selected directory (or to the directory of a selected
	// file).
	Exclude []string
	// Ignore leaves out files by their path from the root of the tree: a context's ignore file.
	Ignore *dockerfile.Matcher
	// Stat replaces fstatat, to see image owners in a tree that only records them; nil is fstatat.
	Stat StatFunc
}

// StatFunc gives the status of name in the directory dirfd, not following a symlink; rel is its
// path from the root of the tree, "." for the root itself. Its error is an errno.
type StatFunc func(dirfd int, name, rel string) (unix.Stat_t, error)

// Selection is one matched source with everything below it.
type Selection struct {
	// Path is where the match lies in the tree, symlinks resolved: "/src/app". "/" is the root.
	Path string
	// Base is the last component of the match as it was written or found: the name the file gets
	// when it is copied into a directory.
	Base string
	// Dir says it is a directory: its contents are copied into the destination, not itself.
	Dir bool
	// Partial says that only some of a directory was asked for (--parents): of directories that
	// stand in the destination already, mode and owner are not touched.
	Partial bool
	// Entries are parents before children, siblings by name in byte order. The first is the match
	// itself, with Rel "".
	Entries []Entry
}

// Entry is one file of a selection.
type Entry struct {
	Rel  string // path below the selection; "" is the selection itself
	Stat unix.Stat_t
	// Bare tells of a regular file that it has no extended attributes, as long as it has that status.
	// Digest finds it out.
	Bare bool
}

// Select finds what patterns mean in the tree at root: one list of selections in the order of the
// patterns, matches of one pattern by name. Nothing is followed out of the tree; in a context,
// what the ignore file says is left out. Symlinks are selected as such, except for one that a pattern
// itself matches: that one is followed, if it leads anywhere.
//
// A Required pattern that matches nothing is an error that wraps ErrNotFound.
func Select(root *os.File, patterns []Pattern, opts SelectOptions) ([]Selection, error) {
	w := &walker{root: root, opts: opts}
	var err error
	if w.exclude, err = dockerfile.NewMatcher(opts.Exclude); err != nil {
		return nil, fmt.Errorf("--exclude: %w", err)
	}
	var out []Selection
	for _, p := range patterns {
		found, err := w.pattern(p)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", p.shown(), reason(err))
		}
		out = append(out, found...)
	}
	return out, nil
}

func (p Pattern) shown() string {
	if p.Parents == "" {
		return p.Path
	}
	return path.Join(p.Path, p.Parents)
}

// walker selects in one tree.
type walker struct {
	root    *os.File
	opts    SelectOptions
	exclude *dockerfile.Matcher
	include *dockerfile.Matcher // of --parents
}

func (w *walker) pattern(p Pattern) ([]Selection, error) {
	if strings.IndexByte(p.Path+p.Parents, 0) >= 0 {
		return nil, errors.New("a path holds a NUL byte")
	}
	w.include = nil
	if p.Parents != "" {
		var err error
		if w.include, err = dockerfile.NewMatcher([]string{p.Parents}); err != nil {
			return nil, err
		}
	}
	fixed, wild := splitWildcards(p.Path)
	if wild == nil {
		s, err := w.one(fixed, p)
		if err != nil {
			if !p.Required && errors.Is(reason(err), ErrNotFound) {
				return nil, nil
			}
			return nil, err
		}
		return []Selection{s}, nil
	}
	for _, c := range wild {
		if _, err := path.Match(c, ""); err != nil {
			return nil, err
		}
	}
	start, err := resolve(w.root, fixed)
	if err != nil {
		if !p.Required && errors.Is(reason(err), ErrNotFound) {
			return nil, nil
		}
		return nil, err
	}
	var out []Selection
	err = w.expand(start, wild, func(found string) error {
		s, err := w.one(found, p)
		switch {
		case errors.Is(reason(err), ErrNotFound):
			return nil // left out, or gone meanwhile
		case err != nil:
			return fmt.Errorf("%s: %w", found, err)
		}
		out = append(out, s)
		return nil
	})
	if err == nil && len(out) == 0 && p.Required {
		err = ErrNotFound
	}
	return out, err
}

// splitWildcards cuts a path before its first component with a wildcard.
func splitWildcards(p string) (fixed string, wild []string) {
	parts := strings.Split(strings.Trim(path.Clean("/"+p), "/"), "/")
	for i, part := range parts {
		if hasWildcards(part) {
			return "/" + strings.Join(parts[:i], "/"), parts[i:]
		}
	}
	// A backslash that hides a wildcard is taken off only where patterns are matched; alone it is
	// part of the name, as in BuildKit.
	return "/" + strings.Join(parts, "/"), nil
}

func hasWildcards(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// expand calls found for every path below dir whose components match the wild ones, in order of
// name. Symlinks are not followed on the way.
func (w *walker) expand(dir string, wild []string, found func(string) error) error {
	names, err := w.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if ok, _ := path.Match(wild[0], name); !ok {
			continue
		}
		at := path.Join(dir, name)
		if len(wild) == 1 {
			if err := found(at); err != nil {
				return err
			}
			continue
		}
		err := w.expand(at, wild[1:], found)
		if err != nil && err != unix.ENOTDIR && err != unix.ELOOP && err != unix.ENOENT {
			return err
		}
	}
	return nil
}

// names lists a directory, which must not be reached through a symlink. The error is an errno.
func (w *walker) names(dir string) ([]string, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(int(w.root.Fd()), relative(dir), &how)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	return sortedNames(f)
}

func sortedNames(f *os.File) ([]string, error) {
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// one selects a single path, followed when it is a symlink.
func (w *walker) one(name string, p Pattern) (Selection, error) {
	at, err := resolve(w.root, name)
	dangling := false
	if err == unix.ENOENT && hasWildcards(p.Path) {
		// A dangling symlink that a wildcard happens to match is copied as it is.
		dir, base := path.Split(name)
		if dir, err = resolve(w.root, dir); err == nil {
			at, dangling = path.Join(dir, base), true
		}
	}
	if err != nil {
		return Selection{}, err
	}
	if at != name {
		hidden, _, err := w.ignored(name)
		if err != nil {
			return Selection{}, err
		}
		if hidden && !w.opts.Ignore.MayHoldExceptions(strings.TrimPrefix(name, "/")) {
			return Selection{}, errIgnored
		}
	}
	s := Selection{Path: at, Base: path.Base(name), Partial: p.Parents != ""}
	if s.Base == "/" {
		s.Base = path.Base(at)
	}
	if err := w.fill(&s, dangling); err != nil {
		return Selection{}, err
	}
	if p.Parents != "" && p.Required && len(s.Entries) < 2 {
		return Selection{}, ErrNotFound
	}
	return s, nil
}

func orNotFound(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

// ignored tells what the ignore file says of an absolute path and of its directories, from the root
// down.
func (w *walker) ignored(name string) (hidden bool, state dockerfile.State, err error) {
	if w.opts.Ignore == nil || name == "/" {
		return false, state, nil
	}
	parts := strings.Split(strings.TrimPrefix(name, "/"), "/")
	for i := range parts {
		if hidden, state, err = w.opts.Ignore.Match(strings.Join(parts[:i+1], "/"), state); err != nil {
			return false, state, err
		}
	}
	return hidden, state, nil
}
