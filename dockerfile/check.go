package dockerfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

// Finding is a warning of BuildKit's build checks.
type Finding struct {
	Rule        string // "UndefinedVar"; "" for a remark that is none of BuildKit's rules
	Description string // what the rule is about
	URL         string
	Message     string // what was found
	Span        Span
}

func (f Finding) String() string {
	s := f.Message
	if f.Rule != "" {
		s = f.Rule + ": " + s
	}
	if f.Span.Start > 0 {
		s += fmt.Sprintf(" (line %d)", f.Span.Start)
	}
	return s
}

// maxFindings keeps a hostile file from filling memory and screen with warnings.
const maxFindings = 1000

// Checks gathers findings, leaving out what "# check=skip=…" says. It is safe for concurrent use.
type Checks struct {
	lint  *linter.Linter
	found *findings
}

type findings struct {
	mu   sync.Mutex
	list []Finding
}

// Checks begins an empty list of findings under the file's "# check=" directive.
func (f *File) Checks() (*Checks, error) {
	cfg, err := linter.ParseLintOptions(f.Directives.Check)
	if err != nil {
		return nil, f.Wrap(Span{1, 1}, fmt.Errorf("the check directive: %w", plain(err)))
	}
	c := &Checks{found: &findings{}}
	cfg.Warn = func(rule, description, url, message string, where []parser.Range) {
		c.found.add(Finding{rule, description, url, message, spanOf(where)})
	}
	c.lint = linter.New(cfg)
	return c, nil
}

func (l *findings) add(f Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < maxFindings {
		l.list = append(l.list, f)
	}
}

// At gives the checks to use for an instruction: a "# check=skip=…" right above it is honoured.
func (c *Checks) At(h Head) *Checks {
	return &Checks{c.lint.WithMergedConfigFromComments(h.Comments), c.found}
}

// Findings are what was found so far, in order of line.
func (c *Checks) Findings() []Finding {
	c.found.mu.Lock()
	defer c.found.mu.Unlock()
	out := slices.Clone(c.found.list)
	slices.SortStableFunc(out, func(a, b Finding) int { return a.Span.Start - b.Span.Start })
	return out
}

// Err is an error naming rules and findings, and where the first one is, when "# check=error=true"
// makes findings fatal; earlier are the findings of other lists that count as well.
func (c *Checks) Err(earlier ...Finding) (Span, error) {
	var where Span
	if !c.lint.ReturnAsError {
		return where, nil
	}
	var rules, found []string
	for _, f := range append(slices.Clone(earlier), c.Findings()...) {
		if f.Rule == "" {
			continue
		}
		rules = append(rules, f.Rule)
		found = append(found, f.String())
		if f.Span.Start > 0 && (where.Start == 0 || f.Span.Start < where.Start) {
			where = f.Span
		}
	}
	if len(rules) == 0 {
		return where, nil
	}
	slices.Sort(rules)
	return where, fmt.Errorf("lint violation found for rules: %s: %s", strings.Join(slices.Compact(rules), ", "), strings.Join(found, "; "))
}

// Note adds a remark that is not one of BuildKit's rules.
func (c *Checks) Note(at Span, format string, args ...any) {
	c.found.add(Finding{Message: fmt.Sprintf(format, args...), Span: at})
}

func (c *Checks) emptyContinuation(at Span) {
	r := &linter.RuleNoEmptyContinuation
	c.lint.Run(r, at.ranges(), r.Format())
}

// stages holds the checks that need the whole file: names and casing.
func (c *Checks) stages(stages []Stage) {
	seen := map[string]bool{}
	lower, upper := 0, 0
	count := func(word string) {
		switch word {
		case strings.ToLower(word):
			lower++
		case strings.ToUpper(word):
			upper++
		}
	}
	for _, s := range stages {
		if s.Name == "scratch" || s.Name == "context" {
			r := &linter.RuleReservedStageName
			c.lint.Run(r, s.Head.Span.ranges(), r.Format(s.Name))
		}
		if s.Name != "" && seen[s.Name] {
			r := &linter.RuleDuplicateStageName
			c.lint.Run(r, s.Head.Span.ranges(), r.Format(s.Name))
		}
		seen[s.Name] = true
		count(s.Head.Keyword)
		for _, in := range s.Instructions {
			count(in.Head().Keyword)
		}
	}
	for _, s := range stages {
		c.casing(s.Head, lower > upper)
		for _, in := range s.Instructions {
			c.casing(in.Head(), lower > upper)
		}
	}
}

func (c *Checks) casing(h Head, wantLower bool) {
	want := ""
	if wantLower && strings.ToLower(h.Keyword) != h.Keyword {
		want = "lowercase"
	} else if !wantLower && strings.ToUpper(h.Keyword) != h.Keyword {
		want = "uppercase"
	}
	if want != "" {
		r := &linter.RuleConsistentInstructionCasing
		c.lint.Run(r, h.Span.ranges(), r.Format(h.Keyword, want))
	}
}

// UndefinedVar: a variable is used that nothing defined. known are the defined names.
func (c *Checks) UndefinedVar(at Span, name string, known []string) {
	r := &linter.RuleUndefinedVar
	c.lint.Run(r, at.ranges(), r.Format(name, Suggest(name, known)))
}

// UndefinedArgInFrom: FROM uses a variable that no ARG above declares.
func (c *Checks) UndefinedArgInFrom(at Span, name string, known []string) {
	r := &linter.RuleUndefinedArgInFrom
	c.lint.Run(r, at.ranges(), r.Format(name, Suggest(name, known)))
}

// InvalidDefaultArgInFrom: without build arguments the base name is no valid reference.
func (c *Checks) InvalidDefaultArgInFrom(at Span, base string) {
	r := &linter.RuleInvalidDefaultArgInFrom
	c.lint.Run(r, at.ranges(), r.Format(base))
}

// RedundantTargetPlatform: FROM --platform=$TARGETPLATFORM says what is the case anyway.
func (c *Checks) RedundantTargetPlatform(at Span, written string) {
	r := &linter.RuleRedundantTargetPlatform
	c.lint.Run(r, at.ranges(), r.Format(written))
}

// PlatformConst: FROM --platform is a constant.
func (c *Checks) PlatformConst(at Span, platform string) {
	r := &linter.RuleFromPlatformFlagConstDisallowed
	c.lint.Run(r, at.ranges(), r.Format(platform))
}

// BasePlatform: the base image is of another platform than the build.
func (c *Checks) BasePlatform(at Span, image, expected, actual string) {
	r := &linter.RuleInvalidBaseImagePlatform
	c.lint.Run(r, at.ranges(), r.Format(image, expected, actual))
}

// LegacyKeyValue: "ENV key value".
func (c *Checks) LegacyKeyValue(h Head) {
	r := &linter.RuleLegacyKeyValueFormat
	c.lint.Run(r, h.Span.ranges(), r.Format(h.Keyword))
}

// JSONArgs: CMD or ENTRYPOINT in shell form.
func (c *Checks) JSONArgs(h Head) {
	r := &linter.RuleJSONArgsRecommended
	c.lint.Run(r, h.Span.ranges(), r.Format(h.Keyword))
}

// Repeated: an instruction of which only the last counts stands twice; earlier is the lost one.
func (c *Checks) Repeated(h Head, earlier Span) {
	r := &linter.RuleMultipleInstructionsDisallowed
	c.lint.Run(r, earlier.ranges(), r.Format(h.Keyword))
}

// WorkdirRelative: a relative WORKDIR before any absolute one.
func (c *Checks) WorkdirRelative(at Span, path string) {
	r := &linter.RuleWorkdirRelativePath
	c.lint.Run(r, at.ranges(), r.Format(path))
}

// CopyIgnored: COPY or ADD of a file the ignore file leaves out. verb is "Copy" or "Add".
func (c *Checks) CopyIgnored(at Span, verb, path string) {
	r := &linter.RuleCopyIgnoredFile
	c.lint.Run(r, at.ranges(), r.Format(verb, path))
}

// ExposeCasing: a protocol not in lower case.
func (c *Checks) ExposeCasing(at Span, port string) {
	r := &linter.RuleExposeProtoCasing
	c.lint.Run(r, at.ranges(), r.Format(port))
}

// ExposeFormat: an address or host port in EXPOSE.
func (c *Checks) ExposeFormat(at Span, port string) {
	r := &linter.RuleExposeInvalidFormat
	c.lint.Run(r, at.ranges(), r.Format(port))
}

// The names that look like secrets are BuildKit's list.
var (
	secretWords = sync.OnceValue(func() *regexp.Regexp {
		return wordIn("apikey|auth|credentials?|key|password|pword|passwd|secret|token")
	})
	allowedWords = sync.OnceValue(func() *regexp.Regexp { return wordIn("public|file|version") })
)

func wordIn(words string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)(?:_|^)(?:` + words + `)(?:_|$)`)
}

// SecretName: the name of a variable looks like a secret's, and its value stays in the image.
func (c *Checks) SecretName(h Head, key string) {
	if secretWords().MatchString(key) && !allowedWords().MatchString(key) {
		r := &linter.RuleSecretsUsedInArgOrEnv
		c.lint.Run(r, h.Span.ranges(), r.Format(h.Name(), key))
	}
}

// Suggest gives the one of options that word was probably meant to be, or "".
func Suggest(word string, options []string) string {
	if len(options) > maxFindings || len(word) > 256 {
		return ""
	}
	match, _ := suggest.Search(word, options, true)
	return match
}
