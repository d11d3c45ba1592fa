package dockerfile

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Limits of an ignore file: matching takes patterns times files, and each pattern its length times
// that of the path.
const (
	maxIgnoreSize     = 1 << 20
	maxIgnorePatterns = 10_000
	maxPattern        = 4096 // bytes, as of a path
	maxStars          = 40   // in one pattern
)

// IgnoreNames lists the files that may hold ignore patterns for the Dockerfile called base (its
// last path component), best first. The names in first stand beside the Dockerfile, those in then
// in the context's root.
func IgnoreNames(base string) (first, then []string) {
	return []string{base + ".dockerignore", base + ".containerignore"}, []string{".dockerignore", ".containerignore"}
}

// ReadIgnore reads the patterns of an ignore file; name is for errors.
func ReadIgnore(r io.Reader, name string) ([]string, error) {
	limited := &io.LimitedReader{R: r, N: maxIgnoreSize + 1}
	patterns, err := ignorefile.ReadAll(limited)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("%s is larger than %d KiB", name, maxIgnoreSize>>10)
	}
	if len(patterns) > maxIgnorePatterns {
		return nil, fmt.Errorf("%s has more than %d patterns", name, maxIgnorePatterns)
	}
	if _, err := NewMatcher(patterns); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return patterns, nil
}

// Matcher tells which paths a list of ignore patterns leaves out. A nil Matcher leaves out none.
// It is safe for concurrent use.
type Matcher struct {
	mu         sync.Mutex
	m          *patternmatcher.PatternMatcher
	patterns   []string
	positives  []string
	exclusions []string // the "!" patterns, without "!"
	root       bool     // everything is left out by *, ** or **/*
}

// NewMatcher compiles patterns as ReadIgnore and --exclude give them. Without patterns it is nil.
func NewMatcher(patterns []string) (*Matcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	patterns = slices.Clone(patterns)
	for i, p := range patterns {
		for strings.Contains(p, "**/**/") {
			p = strings.ReplaceAll(p, "**/**/", "**/") // the same, at a fraction of the cost
		}
		patterns[i] = p
		switch {
		case strings.IndexByte(p, 0) >= 0:
			return nil, errors.New("a pattern holds a NUL byte")
		case len(p) > maxPattern || strings.Count(p, "*") > maxStars:
			return nil, fmt.Errorf("the pattern %s is too long or has too many stars", shorten(p))
		}
	}
	pm, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	m := &Matcher{m: pm, patterns: patterns}
	for _, p := range pm.Patterns() {
		switch {
		case p.Exclusion():
			m.exclusions = append(m.exclusions, p.String())
			continue
		case p.String() == "*" || p.String() == "**" || p.String() == "**/*":
			m.root = true
		}
		m.positives = append(m.positives, p.String())
	}
	// The first match compiles the patterns; a broken one is better found now than in the walk.
	if _, err := pm.MatchesOrParentMatches("a"); err != nil {
		return nil, err
	}
	return m, nil
}

// Patterns are what the matcher was made of.
func (m *Matcher) Patterns() []string {
	if m == nil {
		return nil
	}
	return m.patterns
}

// State is what the patterns said of a directory; pass it to Match for the directory's entries.
// The zero State is that of the root.
type State struct{ info patternmatcher.MatchInfo }

// Match tells whether path, relative to the root and clean, is left out. parent is the State of its
// directory; a walk from the root costs one look per file this way.
func (m *Matcher) Match(path string, parent State) (bool, State, error) {
	if m == nil {
		return false, State{}, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	skip, info, err := m.m.MatchesUsingParentResults(path, parent.info)
	return skip, State{info}, err
}

// MayHoldExceptions tells whether something below the left-out directory dir may be taken back in
// by a "!" pattern, so that a walk must enter it.
func (m *Matcher) MayHoldExceptions(dir string) bool {
	if m == nil {
		return false
	}
	for _, e := range m.exclusions {
		if reaches(e, dir) {
			return true
		}
	}
	return false
}

// MayMatchBelow tells whether something below the directory dir may match a pattern although dir
// does not.
func (m *Matcher) MayMatchBelow(dir string) bool {
	if m == nil {
		return false
	}
	for _, p := range m.positives {
		if reaches(p, dir) {
			return true
		}
	}
	return false
}

// reaches tells whether pattern may match something below dir: its first components match those of
// dir, and there are more of them. "**" reaches everywhere.
func reaches(pattern, dir string) bool {
	p, d := strings.Split(pattern, "/"), strings.Split(dir, "/")
	for i := range d {
		if i >= len(p) {
			return false
		}
		if strings.Contains(p[i], "**") {
			return true
		}
		if ok, err := path.Match(p[i], d[i]); err == nil && !ok {
			return false
		}
	}
	return len(p) > len(d)
}

// HidesSource tells whether COPY of path is in vain because path is left out. It never says so of
// patterns with exceptions, which cannot be judged without the files.
func (m *Matcher) HidesSource(path string) bool {
	if m == nil || len(m.exclusions) > 0 {
		return false
	}
	if path == "." || path == "/" {
		if !m.root {
			return false
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	hidden, err := m.m.MatchesOrParentMatches(path)
	return err == nil && hidden
}
