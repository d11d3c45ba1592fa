package source

import (
	"os"

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
// path from the root of the tree.
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
	// Partial says that only some of a directory was asked for (--parents): the mode and owner of
	// the destination itself are not touched.
	Partial bool
	// Entries are parents before children, siblings by name in byte order. The first is the match
	// itself, with Rel "".
	Entries []Entry
}

// Entry is one file of a selection.
type Entry struct {
	Rel  string // path below the selection; "" is the selection itself
	Stat unix.Stat_t
}

// Select finds what patterns mean in the tree at root: one list of selections in the order of the
// patterns, matches of one pattern by name. Nothing is followed out of the tree; sockets are left
// out. Symlinks are selected as such, except for one that is itself named by a pattern.
func Select(root *os.File, patterns []Pattern, opts SelectOptions) ([]Selection, error) {
	return nil, nil
}
