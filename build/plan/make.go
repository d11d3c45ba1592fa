package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/dockerfile"
)

// Make plans a Dockerfile for one target. resolve is asked for the images that are needed, in
// parallel. Errors stand at their line (*dockerfile.Error) where they have one.
func Make(ctx context.Context, file *dockerfile.File, opts Options, resolve Resolver) (*Graph, error) {
	m, err := newMaker(file, opts, resolve)
	if err != nil {
		return nil, err
	}
	if err := m.readStages(); err != nil {
		return nil, err
	}
	target, err := m.target()
	if err != nil {
		return nil, err
	}
	if err := m.linkStages(); err != nil {
		return nil, err
	}
	needed, err := m.resolveBases(ctx, target)
	if err != nil {
		return nil, err
	}
	if err := m.dispatchAll(needed); err != nil {
		return nil, err
	}
	return m.graph(target)
}

// maker holds what all stages share while a graph is made.
type maker struct {
	file     *dockerfile.File
	opts     Options
	resolve  Resolver
	words    dockerfile.Words
	checks   *dockerfile.Checks
	platform Platform
	globals  *vars           // ARGs before the first FROM and the automatic ones
	declared map[string]bool // every name an ARG before the first FROM mentions
	proxy    []string
	epoch    *time.Time

	stages   []*stage          // those of the Dockerfile, then images named by COPY and mounts
	byName   map[string]*stage // the last of a name
	contexts map[string]string // name → value, names normalised
	lookups  lookups
	bases    map[string]*Node // one per image
	nodes    []*Node          // in the order made: each after its parent and inputs
	spent    int
}

func newMaker(file *dockerfile.File, opts Options, resolve Resolver) (*maker, error) {
	m := &maker{file: file, opts: opts, resolve: resolve, words: file.Words(), platform: opts.Platform,
		declared: map[string]bool{}, byName: map[string]*stage{}, bases: map[string]*Node{}}
	m.opts.BuildArgs = maps.Clone(opts.BuildArgs)
	if m.platform == (Platform{}) {
		m.platform = HostPlatform()
	}
	if err := m.platform.check(); err != nil {
		return nil, err
	}
	if err := m.builderArgs(); err != nil {
		return nil, err
	}
	var err error
	if m.checks, err = m.newChecks(); err != nil {
		return nil, err
	}
	if m.contexts, err = contextNames(opts.Contexts); err != nil {
		return nil, err
	}
	switch opts.Network {
	case "", "default", "none", "host":
	default:
		return nil, fmt.Errorf("network %q: a build knows default, none and host", opts.Network)
	}
	return m, m.globalArgs()
}

// newChecks starts the list of findings; BUILDKIT_DOCKERFILE_CHECK replaces the file's directive.
func (m *maker) newChecks() (*dockerfile.Checks, error) {
	text, ok := m.opts.BuildArgs["BUILDKIT_DOCKERFILE_CHECK"]
	if !ok {
		return m.file.Checks()
	}
	file := *m.file
	file.Directives.Check = text
	return file.Checks()
}

// target finds the stage to build, by name or number.
func (m *maker) target() (*stage, error) {
	own := m.ownStages()
	if m.opts.Target == "" {
		return own[len(own)-1], nil
	}
	if s, ok := m.byName[strings.ToLower(m.opts.Target)]; ok {
		return s, nil
	}
	if i, err := strconv.Atoi(m.opts.Target); err == nil && i >= 0 && i < len(own) {
		return own[i], nil
	}
	err := fmt.Errorf("target stage %q could not be found", m.opts.Target)
	if s := dockerfile.Suggest(strings.ToLower(m.opts.Target), m.stageNames()); s != "" {
		err = fmt.Errorf("%w (did you mean %s?)", err, s)
	}
	return nil, &dockerfile.Error{File: m.file.Name, Err: err}
}

// ownStages are the stages of the Dockerfile, without the images other instructions name.
func (m *maker) ownStages() []*stage { return m.stages[:len(m.file.Stages)] }

func (m *maker) stageNames() []string {
	var names []string
	for _, s := range m.ownStages() {
		if s.text.Name != "" {
			names = append(names, s.text.Name)
		}
	}
	return names
}

// graph collects what target needs.
func (m *maker) graph(target *stage) (*Graph, error) {
	if err := m.materialise(target); err != nil {
		return nil, err
	}
	m.noteUnusedArgs()
	g := &Graph{Final: target.node, Base: target.baseNode, Image: target.finished(m), Target: target.shown(),
		Epoch: m.epoch, File: m.file}
	g.Findings = append(slices.Clone(m.file.Findings), m.checks.Findings()...)
	slices.SortStableFunc(g.Findings, func(a, b dockerfile.Finding) int { return a.Span.Start - b.Span.Start })
	if where, err := m.checks.Err(m.file.Findings...); err != nil {
		return nil, m.file.Wrap(where, err)
	}
	wanted := map[*Node]bool{}
	mark(wanted, target.node)
	if m.opts.AllStages {
		for _, s := range m.stages {
			mark(wanted, s.node)
		}
	}
	for _, n := range m.nodes {
		if wanted[n] {
			n.ID = len(g.Nodes)
			g.Nodes = append(g.Nodes, n)
		}
	}
	for _, s := range m.ownStages() {
		if s.done && (s == target || s.node == nil || wanted[s.node]) {
			g.Stages = append(g.Stages, Stage{Name: s.shown(), Index: s.index, Last: s.node, Span: s.span})
		}
	}
	g.Image.Config.Labels = withLabels(g.Image.Config.Labels, m.opts.Labels)
	return g, nil
}

// mark adds n and everything it needs.
func mark(wanted map[*Node]bool, n *Node) {
	todo := []*Node{n}
	for len(todo) > 0 {
		n, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if n == nil || wanted[n] {
			continue
		}
		wanted[n] = true
		todo = append(append(todo, n.Parent), n.Inputs...)
	}
}

func withLabels(labels, more map[string]string) map[string]string {
	if len(more) == 0 {
		return labels
	}
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, more)
	return out
}

// maxSpent bounds the strings copied while planning: a few lines can make stages times variables
// grow without end.
const maxSpent = 2 << 20

var errTooLarge = errors.New("the Dockerfile makes too large a plan: too many stages, steps and variables at once")

func (m *maker) spend(n int) error {
	if m.spent += n; m.spent > maxSpent {
		return errTooLarge
	}
	return nil
}
