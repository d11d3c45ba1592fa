package plan

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
)

// run plans a RUN.
func (a *at) run(in *dockerfile.Run) error {
	if slices.Contains(in.Flags, "device") {
		return errors.New("RUN --device is not supported")
	}
	if in.Security == "insecure" && !a.opts.AllowInsecure {
		return errors.New("RUN --security=insecure is not allowed: it needs the entitlement security.insecure, which is not supported yet")
	}
	mounts, inputs, err := a.mounts(in)
	if err != nil {
		return err
	}
	op := &RunOp{Args: a.withShell(in.CommandLine), Env: a.s.env.list(), Proxy: a.proxy, Cwd: a.s.dir,
		User: a.s.image.Config.User, Mounts: mounts, Network: a.network(in.Network), Hosts: a.opts.Hosts,
		Hostname: a.opts.BuildArgs[argHostname], Shell: a.shellWords()}
	if err := a.spend(len(op.Env) + a.s.env.size()/256 + len(a.s.args)); err != nil {
		return err
	}
	if len(op.Args) == 0 || op.Args[0] == "" {
		return errors.New("RUN needs a command")
	}
	if in.Script != nil {
		name, err := inlineName(in.Script.Name)
		if err != nil {
			return err
		}
		op.Script = &Inline{Name: name, Data: in.Script.Data}
	}
	n := &Node{Op: op, Inputs: inputs, Span: a.h.Span}
	n.Name = a.title(a.words.Show(in.Title, a.secretsMasked(mounts)))
	n.History = a.s.remember(a.maker, "RUN "+a.commandLine(op.Args)+" # buildkit", true)
	a.step(a.s, n)
	return nil
}

// network is the mode of one RUN: its own flag, or the build's.
func (a *at) network(flag string) string {
	if flag != "" && flag != "default" {
		return flag
	}
	if a.opts.Network == "" {
		return "default"
	}
	return a.opts.Network
}

// commandLine is how history shows a RUN: the ARGs in scope are part of it, "|2 A=1 B=2 /bin/sh …".
func (a *at) commandLine(args []string) string {
	var shown []string
	place := map[string]int{}
	for _, d := range a.s.args {
		value, ok := a.s.env.Get(d.Key)
		if !ok && d.Value != nil {
			value = *d.Value
		}
		if i, ok := place[d.Key]; ok {
			shown[i] = d.Key + "=" + value
			continue
		}
		place[d.Key] = len(shown)
		shown = append(shown, d.Key+"="+value)
	}
	if len(shown) > 0 {
		shown = append([]string{fmt.Sprintf("|%d", len(shown))}, shown...)
	}
	return strings.Join(append(shown, args...), " ")
}

// secretsMasked hides variables that a secret mount sets, so that a title does not show an older
// value of that name in their place.
func (a *at) secretsMasked(mounts []Mount) dockerfile.Variables {
	names := map[string]bool{}
	for _, mt := range mounts {
		if mt.Env != "" {
			names[mt.Env] = true
		}
	}
	return masked{a.s.env, names}
}

// mounts reads the --mount flags, expanded, and the steps they read.
func (a *at) mounts(in *dockerfile.Run) ([]Mount, []*Node, error) {
	raw, err := in.Mounts(a.expand)
	if err != nil {
		return nil, nil, err
	}
	var out []Mount
	var inputs []*Node
	for i, r := range raw {
		mt, err := a.mount(r, a.c.sources[i])
		if err != nil {
			return nil, nil, err
		}
		if n := mt.From.Node; n != nil && !slices.Contains(inputs, n) {
			inputs = append(inputs, n)
		}
		out = append(out, mt)
	}
	return out, inputs, nil
}

func (a *at) mount(r dockerfile.Mount, src *stage) (Mount, error) {
	mt := Mount{Type: r.Type, ReadOnly: r.ReadOnly, Source: "/"}
	switch r.Type {
	case "ssh":
		return mt, errors.New("RUN --mount=type=ssh is not supported yet")
	case "secret":
		return a.secretMount(r)
	case "tmpfs":
		mt.Size = r.SizeBytes
	case "bind", "cache":
		mt.Source = path.Join("/", r.Source)
		if r.From != "" || r.Type == "bind" {
			from, err := a.origin(r.From, src, "mount from")
			if err != nil {
				return mt, err
			}
			mt.From = from
		}
	}
	if r.Type == "cache" {
		if err := a.cacheMount(&mt, r); err != nil {
			return mt, err
		}
	}
	mt.Target = absolute(a.s.dir, r.Target)
	if mt.Target == "/" {
		return mt, fmt.Errorf("invalid mount target %q", mt.Target)
	}
	return mt, nil
}

func (a *at) cacheMount(mt *Mount, r dockerfile.Mount) error {
	mt.ID, mt.Sharing, mt.Mode = r.ID, r.Sharing, 0o755
	if mt.ID == "" {
		mt.ID = path.Clean(r.Target)
	}
	if ns := a.opts.BuildArgs[argCacheNS]; ns != "" {
		mt.ID = ns + "/" + mt.ID
	}
	if mt.Sharing == "" {
		mt.Sharing = "shared"
	}
	return ownership(mt, r)
}

// secretMount follows BuildKit's defaults: the id is that of source, id or the target's name; the
// file is /run/secrets/<id> unless only a variable is asked for.
func (a *at) secretMount(r dockerfile.Mount) (Mount, error) {
	mt := Mount{Type: "secret", ReadOnly: true, Required: r.Required, Mode: 0o400, ID: r.ID, Source: "/"}
	if r.Source != "" {
		mt.ID = r.Source
	}
	if mt.ID == "" {
		mt.ID = path.Base(r.Target)
	}
	if r.Env != nil {
		mt.Env = *r.Env
		if mt.Env == "" || strings.ContainsAny(mt.Env, "=\x00") {
			return mt, fmt.Errorf("secret %q: %q cannot be the name of a variable", mt.ID, mt.Env)
		}
	}
	switch {
	case r.Target != "":
		mt.Target = absolute(a.s.dir, r.Target)
	case r.Env == nil:
		mt.Target = path.Join("/run/secrets", path.Base(mt.ID))
	}
	if mt.Target == "/" || r.Target == "" && r.Env == nil && path.Dir(mt.Target) != "/run/secrets" {
		return mt, fmt.Errorf("invalid mount target %q", mt.Target)
	}
	return mt, ownership(&mt, r)
}

func ownership(mt *Mount, r dockerfile.Mount) error {
	const none = 1<<32 - 1 // (uid_t)-1 means "leave it" to chown(2)
	if r.Mode != nil {
		if *r.Mode > 0o7777 {
			return fmt.Errorf("invalid value %o for mode", *r.Mode)
		}
		mt.Mode = os.FileMode(*r.Mode)
	}
	for _, id := range []struct {
		from *uint64
		to   *uint32
		name string
	}{{r.UID, &mt.UID, "uid"}, {r.GID, &mt.GID, "gid"}} {
		if id.from == nil {
			continue
		}
		if *id.from >= none {
			return fmt.Errorf("invalid value %d for %s", *id.from, id.name)
		}
		*id.to = uint32(*id.from)
	}
	return nil
}

// origin turns the stage a COPY or mount reads into what the step needs to know. src is not used
// when name is empty: that is the main context.
func (a *at) origin(name string, src *stage, verb string) (Origin, error) {
	switch {
	case name == "":
		return Origin{Kind: FromContext}, nil
	case src == a.s:
		return Origin{}, fmt.Errorf("circular dependency detected on stage: %s", a.s.shown())
	case !src.done:
		return Origin{}, fmt.Errorf("cannot %s stage %q, it needs to be defined before current stage %q", verb, name, a.s.shown())
	case src.node != nil:
		return Origin{Kind: FromNode, Node: src.node}, nil
	case src.context != nil:
		return Origin{Kind: FromContext, Context: *src.context}, nil
	}
	return Origin{Kind: FromNothing}, nil
}

// inlineName checks the name of a heredoc's file: a plain name, as it becomes a path.
func inlineName(name string) (string, error) {
	clean := strings.TrimPrefix(name, "/")
	if clean == "" || clean == "." || clean == ".." || strings.ContainsAny(clean, "/\x00") {
		return "", fmt.Errorf("heredoc %q: a path cannot be its name here", name)
	}
	return clean, nil
}
