package plan

import (
	"fmt"
	"path"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
)

// dispatchAll runs the instructions of all needed stages, each stage after those above it.
func (m *maker) dispatchAll(needed []*stage) error {
	for _, s := range needed {
		if s.index < 0 || s.override != "" {
			s.done = true // read from only, complete as it is
		}
	}
	for _, s := range needed {
		if s.done {
			continue
		}
		if s.base != nil {
			if err := m.materialise(s.base); err != nil {
				return m.file.Wrap(s.span, err)
			}
			if err := s.begin(m); err != nil {
				return m.file.Wrap(s.span, err)
			}
		} else if err := m.materialise(s); err != nil {
			return m.file.Wrap(s.span, err)
		}
		for _, c := range s.commands {
			if err := m.dispatch(s, c); err != nil {
				return m.file.Wrap(c.in.Head().Span, err)
			}
		}
		s.done = true
	}
	return nil
}

// at is one instruction being dispatched.
type at struct {
	*maker
	s      *stage
	c      command
	h      dockerfile.Head
	checks *dockerfile.Checks
}

func (m *maker) dispatch(s *stage, c command) error {
	if err := m.spend(1); err != nil {
		return err
	}
	h := c.in.Head()
	a := &at{m, s, c, h, m.checks.At(h)}
	switch in := c.in.(type) {
	case *dockerfile.Run:
		return a.run(in)
	case *dockerfile.Copy:
		return a.copy(in)
	case *dockerfile.Add:
		return a.add(in)
	case *dockerfile.Workdir:
		return a.workdir(in)
	case *dockerfile.Env:
		return a.setEnv(in)
	case *dockerfile.Arg:
		return a.arg(in)
	case *dockerfile.Label:
		return a.label(in)
	case *dockerfile.User:
		return a.user(in)
	case *dockerfile.Cmd:
		return a.cmd(in)
	case *dockerfile.Entrypoint:
		return a.entrypoint(in)
	case *dockerfile.Healthcheck:
		return a.healthcheck(in)
	case *dockerfile.Expose:
		return a.expose(in)
	case *dockerfile.Volume:
		return a.volume(in)
	case *dockerfile.StopSignal:
		return a.stopSignal(in)
	case *dockerfile.Shell:
		return a.shell(in)
	case *dockerfile.Onbuild:
		s.image.Config.OnBuild = append(s.image.Config.OnBuild, in.Trigger)
		// A decision against the letter of BuildKit, which leaves triggers out: an empty entry changes
		// no file and no field, docker's first builder and podman write it, and users look for their
		// triggers in `history` (tests/scripts/build_stages.txtar).
		s.remember(m, "ONBUILD "+in.Trigger, false)
		return nil
	case *dockerfile.Maintainer:
		s.image.Author = in.Author
		s.remember(m, "MAINTAINER "+in.Author, false)
		return nil
	}
	return fmt.Errorf("instruction %s cannot be planned", h.Name())
}

// expand replaces variables in one word and notes the unknown ones.
func (a *at) expand(word string) (string, error) {
	out, used, err := a.words.Expand(word, a.s.env)
	a.unknown(used)
	return out, err
}

func (a *at) expandAll(words []string) ([]string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		var err error
		if out[i], err = a.expand(w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *at) unknown(used dockerfile.Used) {
missing:
	for _, name := range used.Missing {
		if notEnv[name] {
			continue
		}
		for _, arg := range a.s.args {
			if arg.Key == name {
				continue missing // declared without a value
			}
		}
		a.checks.UndefinedVar(a.h.Span, name, a.s.env.Keys())
	}
}

// title names the step, variables expanded as BuildKit does for the eye.
func (a *at) title(text string) string {
	word, rest, more := strings.Cut(text, " ")
	word = strings.ToUpper(word)
	if more {
		word += " " + rest
	}
	return a.s.title(word, a.c.onbuild)
}

// withShell puts the SHELL in force before a command line in shell form.
func (a *at) withShell(l dockerfile.CommandLine) []string {
	if !l.Shell {
		return l.Args
	}
	return append(a.shellWords(), strings.Join(l.Args, " "))
}

func (a *at) shellWords() []string {
	if sh := a.s.image.Config.Shell; len(sh) > 0 {
		return append([]string(nil), sh...)
	}
	return []string{"/bin/sh", "-c"}
}

// absolute joins p to dir unless it is absolute, and cleans it.
func absolute(dir, p string) string {
	if !path.IsAbs(p) {
		p = path.Join("/", dir, p)
	}
	return path.Clean(p)
}
