package dockerfile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Limits of expansion. A kernel takes no environment string longer than 128 KiB (execve(2)), so
// nothing useful is lost; without them forty lines of ENV X=$X$X make 2^40 bytes.
const (
	MaxExpansion = 1 << 20  // bytes one word may become
	maxWord      = 1 << 20  // bytes of a word before expansion
	maxEffort    = 64 << 20 // bytes produced, or pattern steps taken, on the way
	maxDepth     = 200      // ${a:-${b:-…}}
)

// Variables is what expansion looks names up in.
type Variables interface {
	Get(name string) (value string, ok bool)
	Keys() []string
}

// Words expands variables as a Dockerfile's instructions do. The zero Words escapes with '\'.
type Words struct {
	Escape rune
}

// Words expands with the file's escape character.
func (f *File) Words() Words { return Words{f.Directives.Escape} }

// Used are the names an expansion looked up.
type Used struct {
	Found, Missing []string
}

// Expand replaces variables in word and takes away one level of quotes.
func (w Words) Expand(word string, vars Variables) (string, Used, error) {
	out, used, err := w.run(word, vars, w.lex(), true)
	return out.Result, used, err
}

// Split does as Expand and splits the result at unquoted white space.
func (w Words) Split(word string, vars Variables) ([]string, error) {
	out, _, err := w.run(word, vars, w.lex(), false)
	return out.Words, err
}

// ExpandData replaces variables in the body of a heredoc, leaving quotes alone. The escape is
// always '\', as in BuildKit.
func (w Words) ExpandData(data string, vars Variables) (string, Used, error) {
	lex := shell.NewLex('\\')
	lex.SkipProcessQuotes = true
	out, used, err := w.run(data, vars, lex, true)
	return out.Result, used, err
}

// Show expands text for the eye: quotes, escapes and unknown variables stay. Text that cannot be
// expanded comes back unchanged.
func (w Words) Show(text string, vars Variables) string {
	lex := w.lex()
	lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
	out, _, err := w.run(text, vars, lex, true)
	if err != nil {
		return text
	}
	return out.Result
}

// ShowPlain is Show with quotes taken away and unknown variables empty, as BuildKit prints COPY,
// ADD and WORKDIR.
func (w Words) ShowPlain(text string, vars Variables) string {
	out, _, err := w.run(text, vars, w.lex(), true)
	if err != nil {
		return text
	}
	return out.Result
}

func (w Words) lex() *shell.Lex {
	if w.Escape == 0 {
		w.Escape = '\\'
	}
	return shell.NewLex(w.Escape)
}

func (w Words) run(word string, vars Variables, lex *shell.Lex, single bool) (out shell.ProcessWordResult, used Used, err error) {
	if !strings.ContainsAny(word, `$'"<\`+"`") && single {
		out.Result = word // nothing to do, and most words are like that
		return out, used, nil
	}
	if err := tooComplex(word); err != nil {
		return out, used, err
	}
	meter := &meter{vars: vars, word: len(word), patterns: pattern().MatchString(word)}
	if single {
		out, err = lex.ProcessWordWithMatches(word, meter)
	} else {
		out.Words, err = lex.ProcessWords(word, meter)
	}
	switch {
	case meter.over || len(out.Result) > MaxExpansion:
		return shell.ProcessWordResult{}, used, fmt.Errorf("expanding %s gives more than %d KiB or takes too much work", shorten(word), MaxExpansion>>10)
	case err != nil:
		return out, used, shortened(err)
	}
	used.Found = slices.Sorted(maps.Keys(out.Matched))
	used.Missing = slices.Sorted(maps.Keys(out.Unmatched))
	return out, used, nil
}

// pattern finds ${x#…}, ${x%…} and ${x/…}: their cost is the product of value and pattern.
var pattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{\w*[#%/]`) })

// meter hands out values until their sum, or the work they cause, passes the limits. The lexer
// knows no limit of its own and cannot be stopped, so beyond them it is fed empty values.
type meter struct {
	vars     Variables
	word     int
	patterns bool
	out      int // bytes handed out, an upper bound of what has been produced
	over     bool
}

func (m *meter) Get(name string) (string, bool) {
	v, ok := m.vars.Get(name)
	if !ok || m.over {
		return "", ok
	}
	grown := m.out + len(v)
	if m.patterns {
		// A replacement can stand once for every byte of v, a pattern is tried at every byte.
		grown = m.out + (len(v)+1)*(m.word+m.out+1)
	}
	if limit := MaxExpansion; !m.patterns && grown > limit || grown > maxEffort {
		m.over = true
		return "", true
	}
	m.out = grown
	return v, true
}

func (m *meter) Keys() []string { return m.vars.Keys() }

func tooComplex(word string) error {
	if len(word) > maxWord {
		return fmt.Errorf("%s is longer than %d KiB", shorten(word), maxWord>>10)
	}
	depth := 0
	for i := 0; i < len(word); i++ {
		switch {
		case word[i] == '{' && i > 0 && word[i-1] == '$':
			if depth++; depth > maxDepth {
				return fmt.Errorf("%s nests variables more than %d deep", shorten(word), maxDepth)
			}
		case word[i] == '}' && depth > 0:
			depth--
		}
	}
	return nil
}

// shortened keeps BuildKit's message, which repeats the word, readable when the word is huge.
func shortened(err error) error {
	msg := err.Error()
	if len(msg) <= 512 {
		return errors.New(msg)
	}
	return errors.New(strings.ToValidUTF8(msg[:200], "") + " … " + strings.ToValidUTF8(msg[len(msg)-200:], ""))
}

func shorten(word string) string {
	if len(word) > 40 {
		word = strings.ToValidUTF8(word[:40], "") + "…"
	}
	return fmt.Sprintf("%q", word)
}
