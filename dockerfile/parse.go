package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Limits of a Dockerfile. A larger one is an error, not cut. They are far above what anybody
// writes, and keep the time and memory a hostile one takes small.
const (
	MaxSize  = 4 << 20 // bytes
	MaxLines = 50_000
)

// File is a parsed Dockerfile, nothing expanded. It is read-only after Parse and may be planned
// many times, from many goroutines.
type File struct {
	Name       string // as shown in errors: the path given, "Dockerfile" or "-"
	Data       []byte
	Directives Directives
	Args       []*Arg // the ARG lines before the first FROM
	Stages     []Stage
	Findings   []Finding // what the reading alone found, in order of line
}

// Directives are the "# key=value" lines at the top.
type Directives struct {
	Syntax string
	Check  string
	Escape rune // '\\' or '`'
}

// Stage is a FROM with what follows it.
type Stage struct {
	Index        int
	Name         string // in lower case; "" when unnamed
	Base         string // image, stage or "scratch", not expanded
	Platform     string // of --platform, not expanded
	Doc          string // the description in the comment above
	Head         Head
	Instructions []Instruction
}

// Parse reads a Dockerfile of at most MaxSize bytes. name is what errors call it; "" means
// "Dockerfile". Mistakes in the text are *Error; other errors come from r.
func Parse(r io.Reader, name string) (*File, error) {
	if name == "" {
		name = "Dockerfile"
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > MaxSize {
		return nil, &Error{File: name, Err: fmt.Errorf("the Dockerfile is larger than %d MiB", MaxSize>>20)}
	}
	f := &File{Name: name, Data: data}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) parse() error {
	if len(bytes.TrimSpace(f.Data)) == 0 {
		return &Error{File: f.Name, Err: errors.New("the Dockerfile cannot be empty")}
	}
	if n := bytes.Count(f.Data, []byte("\n")); n > MaxLines {
		return &Error{File: f.Name, Span: Span{MaxLines, MaxLines}, Err: fmt.Errorf("the Dockerfile has more than %d lines", MaxLines)}
	}
	if err := f.refuseBytes(); err != nil {
		return err
	}
	if err := f.directives(); err != nil {
		return err
	}
	tree, err := parser.Parse(bytes.NewReader(f.Data))
	if err != nil {
		return f.directiveLine(located(f.Name, f.Data, err))
	}
	f.Directives.Escape = tree.EscapeToken
	checks, err := f.Checks()
	if err != nil {
		return err
	}
	for _, w := range tree.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			checks.emptyContinuation(spanOf([]parser.Range{*w.Location}))
		}
	}
	stages, args, err := instructions.Parse(tree.AST, checks.lint)
	if err != nil {
		return located(f.Name, f.Data, err)
	}
	for i := range args {
		f.Args = append(f.Args, convertArg(&args[i]))
	}
	for i, s := range stages {
		if err := f.addStage(i, s); err != nil {
			return err
		}
	}
	if len(f.Stages) == 0 {
		return &Error{File: f.Name, Err: errors.New("the Dockerfile has no stage: a FROM line is missing")}
	}
	checks.stages(f.Stages)
	f.Findings = checks.Findings()
	return nil
}

func (f *File) addStage(i int, s instructions.Stage) error {
	stage := Stage{Index: i, Name: s.Name, Base: s.BaseName, Platform: s.Platform, Doc: s.DocComment,
		Head: Head{Keyword: s.OrigCmd, Code: s.SourceCode, Span: spanOf(s.Location), Comments: s.Comments}}
	for _, c := range s.Commands {
		in, err := convert(c)
		if err != nil {
			return f.Wrap(spanOf(c.Location()), err)
		}
		stage.Instructions = append(stage.Instructions, in)
	}
	f.Stages = append(f.Stages, stage)
	return nil
}

// refuseBytes stops at what is no text: a NUL byte means a binary or UTF-16 file was given, and no
// argument, path or variable could carry it anyway.
func (f *File) refuseBytes() error {
	i := bytes.IndexByte(f.Data, 0)
	if i < 0 {
		return nil
	}
	line := 1 + bytes.Count(f.Data[:i], []byte("\n"))
	return &Error{File: f.Name, Span: Span{line, line}, Err: errors.New("a NUL byte: this is not a text file in UTF-8")}
}

// directives reads syntax and check. The front ends of docker/dockerfile are what is built in
// here, whatever their version and channel; any other would be a program to download and run.
func (f *File) directives() error {
	syntax, _, where, ok := parser.DetectSyntax(f.Data)
	if ok {
		f.Directives.Syntax = syntax
		if !builtIn(syntax) {
			return f.Wrap(spanOf(where), fmt.Errorf("syntax %q is a front end of its own and is not supported: only docker/dockerfile is, and it is built in", syntax))
		}
	}
	_, f.Directives.Check, _, _ = parser.ParseDirective("check", f.Data)
	return nil
}

// directiveLine corrects the place of a wrong directive: the parser counts the line after it has
// looked at it.
func (f *File) directiveLine(err *Error) error {
	msg := err.Err.Error()
	if strings.HasPrefix(msg, "invalid escape token") || strings.HasSuffix(msg, "parser directive can be used") {
		err.Span.Start++
		err.Span.End = err.Span.Start
	}
	return err
}

// builtIn tells whether the front end image is docker/dockerfile or docker/dockerfile-upstream, on
// Docker Hub or a mirror of it.
func builtIn(ref string) bool {
	ref, _, _ = strings.Cut(ref, "@")
	if slash := strings.LastIndexByte(ref, '/'); slash >= 0 {
		if colon := strings.IndexByte(ref[slash:], ':'); colon >= 0 {
			ref = ref[:slash+colon]
		}
	}
	return ref == "docker/dockerfile" || ref == "docker/dockerfile-upstream" ||
		strings.HasSuffix(ref, "/docker/dockerfile") || strings.HasSuffix(ref, "/docker/dockerfile-upstream")
}

// ParseTrigger reads one instruction of a base image's ONBUILD list. Its place is that of the FROM
// that pulled it in.
func (f *File) ParseTrigger(text string, at Span) (Instruction, error) {
	fail := func(err error) error {
		return f.Wrap(at, fmt.Errorf("ONBUILD %s: %w", strconv.Quote(text), plain(err)))
	}
	if len(text) > MaxSize || strings.IndexByte(text, 0) >= 0 {
		return nil, f.Wrap(at, errors.New("an ONBUILD trigger of the base image is too long or holds a NUL byte"))
	}
	tree, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, fail(err)
	}
	if len(tree.AST.Children) != 1 {
		return nil, fail(errors.New("an ONBUILD trigger is a single instruction"))
	}
	node := tree.AST.Children[0]
	node.StartLine, node.EndLine = at.Start, at.End
	switch strings.ToUpper(node.Value) {
	case "FROM", "ONBUILD", "MAINTAINER":
		return nil, fail(fmt.Errorf("%s is not allowed as an ONBUILD trigger", strings.ToUpper(node.Value)))
	}
	c, err := instructions.ParseCommand(node)
	if err != nil {
		return nil, fail(err)
	}
	in, err := convert(c)
	if err != nil {
		return nil, fail(err)
	}
	return in, nil
}
