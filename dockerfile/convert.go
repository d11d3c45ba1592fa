package dockerfile

import (
	"fmt"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// convert turns BuildKit's instruction into ours. Slices are copied: BuildKit's expansion writes
// into its own.
func convert(c instructions.Command) (Instruction, error) {
	switch c := c.(type) {
	case *instructions.AddCommand:
		return &Add{head: headOf(c), Sources: sources(c.SourcesAndDest), Chown: c.Chown, Chmod: c.Chmod,
			Checksum: c.Checksum, Link: c.Link, Exclude: slices.Clone(c.ExcludePatterns),
			KeepGitDir: c.KeepGitDir, Unpack: c.Unpack}, nil
	case *instructions.ArgCommand:
		return convertArg(c), nil
	case *instructions.CmdCommand:
		return &Cmd{headOf(c), CommandLine{slices.Clone(c.CmdLine), c.PrependShell}}, nil
	case *instructions.CopyCommand:
		return &Copy{head: headOf(c), Sources: sources(c.SourcesAndDest), From: c.From, Chown: c.Chown,
			Chmod: c.Chmod, Link: c.Link, Parents: c.Parents, Exclude: slices.Clone(c.ExcludePatterns)}, nil
	case *instructions.EntrypointCommand:
		return &Entrypoint{headOf(c), CommandLine{slices.Clone(c.CmdLine), c.PrependShell}}, nil
	case *instructions.EnvCommand:
		return &Env{headOf(c), pairs(c.Env)}, nil
	case *instructions.ExposeCommand:
		return &Expose{headOf(c), slices.Clone(c.Ports)}, nil
	case *instructions.HealthCheckCommand:
		h := c.Health
		return &Healthcheck{headOf(c), slices.Clone(h.Test), h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries}, nil
	case *instructions.LabelCommand:
		return &Label{headOf(c), pairs(c.Labels)}, nil
	case *instructions.MaintainerCommand:
		return &Maintainer{headOf(c), c.Maintainer}, nil
	case *instructions.OnbuildCommand:
		return &Onbuild{headOf(c), c.Expression}, nil
	case *instructions.RunCommand:
		return convertRun(c)
	case *instructions.ShellCommand:
		return &Shell{headOf(c), slices.Clone(c.Shell)}, nil
	case *instructions.StopSignalCommand:
		return &StopSignal{headOf(c), c.Signal}, nil
	case *instructions.UserCommand:
		return &User{headOf(c), c.User}, nil
	case *instructions.VolumeCommand:
		return &Volume{headOf(c), slices.Clone(c.Volumes)}, nil
	case *instructions.WorkdirCommand:
		return &Workdir{headOf(c), c.Path}, nil
	}
	return nil, fmt.Errorf("instruction %s is not known here", c.Name())
}

func convertArg(c *instructions.ArgCommand) *Arg {
	a := &Arg{head: headOf(c)}
	for _, kv := range c.Args {
		d := ArgDef{Key: kv.Key, Doc: kv.DocComment}
		if kv.Value != nil {
			v := *kv.Value
			d.Value = &v
		}
		a.Args = append(a.Args, d)
	}
	return a
}

func pairs(kvs instructions.KeyValuePairs) []Pair {
	var out []Pair
	for _, kv := range kvs {
		out = append(out, Pair{kv.Key, kv.Value, kv.NoDelim})
	}
	return out
}

func sources(s instructions.SourcesAndDest) Sources {
	out := Sources{Paths: slices.Clone(s.SourcePaths), Dest: s.DestPath}
	for _, c := range s.SourceContents {
		out.Inlines = append(out.Inlines, Inline{c.Path, c.Data, c.Expand})
	}
	return out
}
