package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
)

// readStages expands the FROM lines and finds which stage stands on which.
func (m *maker) readStages() error {
	for i, text := range m.file.Stages {
		s := &stage{index: i, text: text, span: text.Head.Span, name: text.Name, platform: m.platform}
		checks := m.checks.At(text.Head)
		base, used, err := m.words.Expand(text.Base, m.globals)
		m.undeclared(checks, s.span, used)
		if err == nil && base == "" {
			err = fmt.Errorf("base name (%s) should not be blank", text.Base)
		}
		if err != nil {
			return m.file.Wrap(s.span, err)
		}
		s.baseName = base
		if text.Platform != "" {
			if err := m.stagePlatform(s, checks); err != nil {
				return m.file.Wrap(s.span, err)
			}
		}
		if s.name == "" {
			s.name = fmt.Sprintf("stage-%d", i)
		}
		m.addStage(s)
		for _, in := range text.Instructions {
			s.commands = append(s.commands, command{in: in})
			switch in.(type) {
			case *dockerfile.Add, *dockerfile.Copy, *dockerfile.Run, *dockerfile.Workdir:
				s.total++
			}
		}
		if s.base == nil && s.baseName != scratch {
			s.total++
		}
	}
	return nil
}

// addStage registers s under its name and finds the stage it stands on among the earlier ones.
func (m *maker) addStage(s *stage) {
	m.stages = append(m.stages, s)
	if s.text.Name != "" {
		if key, ok := m.contextFor(s.text.Name); ok {
			s.override = key
		}
	}
	if s.override == "" {
		s.base = m.byName[s.baseName]
	}
	if s.text.Name != "" {
		m.byName[strings.ToLower(s.text.Name)] = s
	}
}

func (m *maker) undeclared(checks *dockerfile.Checks, at dockerfile.Span, used dockerfile.Used) {
	for _, name := range used.Missing {
		if !m.declared[name] {
			checks.UndefinedArgInFrom(at, name, m.globals.Keys())
		}
	}
}

// stagePlatform reads --platform of a FROM line. Another platform than this machine's is refused
// only when the stage turns out to be needed.
func (m *maker) stagePlatform(s *stage, checks *dockerfile.Checks) error {
	text, used, err := m.words.Expand(s.text.Platform, m.globals)
	m.undeclared(checks, s.span, used)
	if err != nil {
		return fmt.Errorf("platform %s: %w", s.text.Platform, err)
	}
	if text == "" {
		return fmt.Errorf("empty platform value from expression %s", s.text.Platform)
	}
	p, err := ParsePlatform(text)
	if err != nil {
		return err
	}
	target, _ := m.globals.Get("TARGETPLATFORM")
	if len(used.Missing) == 0 && slices.Equal(used.Found, []string{"TARGETPLATFORM"}) && text == target {
		checks.RedundantTargetPlatform(s.span, s.text.Platform)
	}
	if len(used.Found)+len(used.Missing) == 0 && !strings.Contains(s.text.Name, p.OS) && !strings.Contains(s.text.Name, p.Architecture) {
		checks.PlatformConst(s.span, text)
	}
	s.platform = p
	return nil
}
