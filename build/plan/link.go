package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
)

// linkStages finds what COPY --from and the mounts of every stage read.
func (m *maker) linkStages() error {
	for _, s := range m.ownStages() {
		for i := range s.commands {
			if err := m.linkCommand(s, &s.commands[i]); err != nil {
				return m.file.Wrap(s.commands[i].in.Head().Span, err)
			}
		}
	}
	if len(m.stages) == 1 {
		m.stages[0].name = ""
	}
	return nil
}

func (m *maker) linkCommand(s *stage, c *command) error {
	switch in := c.in.(type) {
	case *dockerfile.Copy:
		if in.From == "" {
			return nil
		}
		expanded, _, err := m.words.Expand(in.From, newVars())
		if err != nil {
			return err
		}
		if expanded != in.From {
			return fmt.Errorf("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
		}
		src, err := m.source(in.From, in.Head().Span)
		if err != nil {
			return err
		}
		c.sources = []*stage{src}
		s.deps = append(s.deps, src)
	case *dockerfile.Run:
		for _, from := range in.Froms() {
			if from == "" {
				// BuildKit counts the empty source as a stage of its own, which shows in the names.
				from = scratch
			}
			src, ok := m.byName[strings.ToLower(from)]
			if !ok {
				src = m.imageStage(from, in.Head().Span)
			}
			c.sources = append(c.sources, src)
			s.deps = append(s.deps, src)
		}
	}
	return nil
}

// source finds a stage by number or name, or makes one of the image that name means.
func (m *maker) source(from string, at dockerfile.Span) (*stage, error) {
	if i, err := strconv.Atoi(from); err == nil {
		if i < 0 || i >= len(m.ownStages()) {
			return nil, fmt.Errorf("invalid stage index %d: the Dockerfile has the stages 0 to %d", i, len(m.ownStages())-1)
		}
		return m.stages[i], nil
	}
	if s, ok := m.byName[strings.ToLower(from)]; ok {
		return s, nil
	}
	return m.imageStage(from, at), nil
}

func (m *maker) imageStage(name string, at dockerfile.Span) *stage {
	s := &stage{index: -1, baseName: name, span: at, platform: m.platform}
	m.addStage(s)
	return s
}

// reachable lists what target needs, in the order of m.stages.
func (m *maker) reachable(target *stage) []*stage {
	seen := map[*stage]bool{}
	todo := []*stage{target}
	if m.opts.AllStages {
		todo = append(todo, m.ownStages()...)
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s == nil || seen[s] {
			continue
		}
		seen[s] = true
		if s.override == "" { // a replaced stage needs nothing of what it says
			todo = append(append(todo, s.base), s.deps...)
		}
	}
	var out []*stage
	for _, s := range m.stages {
		if seen[s] {
			out = append(out, s)
		}
	}
	return out
}
