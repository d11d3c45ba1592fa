package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
)

// pairs expands KEY=value pairs all against the state before the instruction, as BuildKit does:
// ENV A=1 B=$A does not see the new A.
func (a *at) pairs(in []dockerfile.Pair) ([]dockerfile.Pair, error) {
	out := make([]dockerfile.Pair, len(in))
	for i, p := range in {
		key, err := a.expand(p.Key)
		if err != nil {
			return nil, err
		}
		value, err := a.expand(p.Value)
		if err != nil {
			return nil, err
		}
		if p.Legacy {
			a.checks.LegacyKeyValue(a.h)
		}
		out[i] = dockerfile.Pair{Key: key, Value: value}
	}
	return out, nil
}

func (a *at) setEnv(in *dockerfile.Env) error {
	pairs, err := a.pairs(in.Pairs)
	if err != nil {
		return err
	}
	msg := []string{"ENV"}
	for _, p := range pairs {
		if p.Key == "" || strings.Contains(p.Key, "=") {
			return fmt.Errorf("%q cannot be the name of a variable", p.Key)
		}
		a.checks.SecretName(a.h, p.Key)
		a.s.imageEnv.set(p.Key, p.Value)
		a.s.env.set(p.Key, p.Value)
		msg = append(msg, p.Key+"="+p.Value)
	}
	a.s.remember(a.maker, strings.Join(msg, " "), false)
	return nil
}

// arg declares build arguments. Their value is, in this order: that of --build-arg, the default
// here, that of the same name before the first FROM.
func (a *at) arg(in *dockerfile.Arg) error {
	msg := []string{}
	for _, d := range in.Args {
		a.checks.SecretName(a.h, d.Key)
		value, set := a.opts.BuildArgs[d.Key]
		switch {
		case set:
		case d.Value != nil:
			var err error
			if value, err = a.expand(*d.Value); err != nil {
				return err
			}
			set = true
		default:
			value, set = a.globals.Get(d.Key)
		}
		if d.Key == argEpoch && set && a.epoch != nil {
			value = fmt.Sprint(a.epoch.Unix())
		}
		def, entry := dockerfile.ArgDef{Key: d.Key}, d.Key
		if set {
			def.Value = &value
			entry += "=" + value
			if !notEnv[d.Key] {
				a.s.env.set(d.Key, value)
			}
		}
		a.s.args = append(a.s.args, def)
		msg = append(msg, entry)
	}
	a.s.remember(a.maker, "ARG "+strings.Join(msg, " "), false)
	return nil
}

func (a *at) label(in *dockerfile.Label) error {
	pairs, err := a.pairs(in.Pairs)
	if err != nil {
		return err
	}
	if a.s.image.Config.Labels == nil {
		a.s.image.Config.Labels = map[string]string{}
	}
	msg := []string{"LABEL"}
	for _, p := range pairs {
		a.s.image.Config.Labels[p.Key] = p.Value
		msg = append(msg, p.Key+"="+p.Value)
	}
	a.s.remember(a.maker, strings.Join(msg, " "), false)
	return nil
}

func (a *at) user(in *dockerfile.User) error {
	user, err := a.expand(in.User)
	if err != nil {
		return err
	}
	a.s.image.Config.User = user
	a.s.remember(a.maker, "USER "+user, false)
	return nil
}

func (a *at) cmd(in *dockerfile.Cmd) error {
	a.once(&a.s.lastCmd)
	a.s.image.Config.Cmd = a.command(in.CommandLine)
	a.s.image.Config.ArgsEscaped = true // as BuildKit writes it
	a.s.remember(a.maker, fmt.Sprintf("CMD %q", a.s.image.Config.Cmd), false)
	return nil
}

// entrypoint sets ENTRYPOINT. A CMD of the base was meant for the base's entrypoint and goes; one
// of this stage stays.
func (a *at) entrypoint(in *dockerfile.Entrypoint) error {
	a.once(&a.s.lastEntrypoint)
	a.s.image.Config.Entrypoint = a.command(in.CommandLine)
	if a.s.lastCmd.Start == 0 {
		a.s.image.Config.Cmd = nil
	}
	a.s.remember(a.maker, fmt.Sprintf("ENTRYPOINT %q", a.s.image.Config.Entrypoint), false)
	return nil
}

func (a *at) command(l dockerfile.CommandLine) []string {
	if l.Shell && len(a.s.image.Config.Shell) == 0 {
		a.checks.JSONArgs(a.h)
	}
	return a.withShell(l)
}

func (a *at) healthcheck(in *dockerfile.Healthcheck) error {
	a.once(&a.s.lastHealthcheck)
	h := image.Healthcheck{Test: in.Test, Interval: in.Interval, Timeout: in.Timeout,
		StartPeriod: in.StartPeriod, StartInterval: in.StartInterval, Retries: in.Retries}
	a.s.image.Config.Healthcheck = &h
	a.s.remember(a.maker, fmt.Sprintf("HEALTHCHECK %+v", h), false)
	return nil
}

// once warns when an instruction of which the last counts stood in this stage before.
func (a *at) once(last *dockerfile.Span) {
	if last.Start > 0 {
		a.checks.Repeated(a.h, *last)
	}
	*last = a.h.Span
	last.Start = max(last.Start, 1)
}

func (a *at) volume(in *dockerfile.Volume) error {
	paths, err := a.expandAll(in.Paths)
	if err != nil {
		return err
	}
	if a.s.image.Config.Volumes == nil {
		a.s.image.Config.Volumes = map[string]struct{}{}
	}
	for _, p := range paths {
		if p == "" {
			return errors.New("VOLUME specified can not be an empty string")
		}
		a.s.image.Config.Volumes[p] = struct{}{}
	}
	a.s.remember(a.maker, fmt.Sprintf("VOLUME %v", paths), false)
	return nil
}

func (a *at) stopSignal(in *dockerfile.StopSignal) error {
	signal, err := a.expand(in.Signal)
	if err != nil {
		return err
	}
	if !isSignal(signal) {
		return fmt.Errorf("invalid signal: %s", signal)
	}
	a.s.image.Config.StopSignal = signal
	a.s.remember(a.maker, "STOPSIGNAL "+signal, false)
	return nil
}

func (a *at) shell(in *dockerfile.Shell) error {
	a.s.image.Config.Shell = append([]string(nil), in.Shell...)
	a.s.remember(a.maker, fmt.Sprintf("SHELL %v", in.Shell), false)
	return nil
}

func (a *at) workdir(in *dockerfile.Workdir) error {
	p, err := a.expand(in.Path)
	if err != nil {
		return err
	}
	if !a.s.workdirSet && !strings.HasPrefix(p, "/") {
		a.checks.WorkdirRelative(a.h.Span, p)
	}
	a.s.workdirSet = true
	a.s.dir = absolute(a.s.image.Config.WorkingDir, p)
	a.s.image.Config.WorkingDir = a.s.dir
	if a.s.dir == "/" {
		a.s.remember(a.maker, "WORKDIR /", false)
		return nil
	}
	n := &Node{Span: a.h.Span, Op: &WorkdirOp{Path: a.s.dir, User: a.s.image.Config.User, Epoch: a.epoch}}
	n.Name = a.title(a.words.ShowPlain(a.h.Code, a.s.env))
	n.History = a.s.remember(a.maker, "WORKDIR "+a.s.dir, true)
	a.step(a.s, n)
	return nil
}
