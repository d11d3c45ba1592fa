package run

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/run/spec"
)

// parseVolumesFrom reads "CONTAINER[:MODE]" (moby: volume/mounts, ParseVolumesFrom).
func parseVolumesFrom(arg string) (name string, readOnly bool, err error) {
	if arg == "" {
		return "", false, errors.New("volumesFrom specification cannot be an empty string")
	}
	name, mode, ok := strings.Cut(arg, ":")
	if name == "" {
		return "", false, fmt.Errorf("invalid volumes-from: %q names no container", arg)
	}
	if ok {
		for m := range strings.SplitSeq(mode, ",") {
			switch m {
			case "ro":
				readOnly = true
			case "rw", "z", "Z":
			default:
				return "", false, fmt.Errorf("invalid mode for volumes-from: %s", mode)
			}
		}
	}
	return name, readOnly, nil
}

// takeOver adds the volumes and binds of other containers, under those that were asked for by
// themselves; of two containers' mounts on one place the later counts.
func (c *container) takeOver() error {
	var all []spec.Mount
	for _, arg := range c.o.VolumesFrom {
		name, readOnly, err := parseVolumesFrom(arg)
		if err != nil {
			return err
		}
		f, err := c.o.book().Find(name)
		if err != nil {
			return noSuch(err, name)
		}
		for _, m := range f.Mounts {
			if m.Type != "volume" && m.Type != "bind" {
				continue
			}
			taken := spec.Mount{
				Type: m.Type, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly || readOnly, Options: m.Options, Mode: m.Mode,
				NonRecursive: m.NonRecursive, Subpath: m.Subpath,
			}
			if m.Type == "volume" {
				taken.Source, taken.Anonymous, taken.NoCopy = m.Name, m.Anonymous, true
			}
			all = slices.DeleteFunc(all, func(o spec.Mount) bool { return o.Target == taken.Target })
			all = append(all, taken)
		}
	}
	all = slices.DeleteFunc(all, func(o spec.Mount) bool {
		return slices.ContainsFunc(c.w.Mounts, func(own spec.Mount) bool { return path.Clean(own.Target) == path.Clean(o.Target) })
	})
	c.w.Mounts = append(all, c.w.Mounts...)
	return nil
}
