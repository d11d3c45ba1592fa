package plan

import (
	"github.com/dhow-containers/dhow/dockerfile"
)

// addTriggers puts the ONBUILD instructions of what s stands on before its own. It reports whether
// they read stages or images, which must be resolved then.
func (m *maker) addTriggers(s *stage) (bool, error) {
	if s.override != "" || s.triggered || s.base == nil && !s.resolved {
		return false, nil
	}
	s.triggered = true
	triggers := s.image.Config.OnBuild
	s.image.Config.OnBuild = nil
	if s.index < 0 {
		return false, nil // an image only read from; what it asks of its children is not for us
	}
	if s.base != nil && s.base.override == "" {
		for _, c := range s.base.commands {
			if o, ok := c.in.(*dockerfile.Onbuild); ok {
				triggers = append(triggers, o.Trigger)
			}
		}
	}
	var added []command
	reads := false
	for _, text := range triggers {
		if err := m.spend(len(text)/16 + 50); err != nil {
			return false, err
		}
		in, err := m.file.ParseTrigger(text, s.span)
		if err != nil {
			return false, err
		}
		c := command{in: in, onbuild: true}
		if err := m.linkCommand(s, &c); err != nil {
			return false, err
		}
		reads = reads || len(c.sources) > 0
		added = append(added, c)
	}
	s.commands = append(added, s.commands...)
	s.total += len(added)
	return reads, nil
}
