package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/volume"
)

func (o Options) volumes() volume.Store { return Volumes(o.Dir) }

// declareMounts makes the named volumes the person and the image ask for, turns volumes into binds of
// their directories, and notes all mounts in the record.
func (c *container) declareMounts(rec *record.Container) (err error) {
	if err := c.takeOver(); err != nil {
		return err
	}
	covered := map[string]bool{}
	for _, m := range c.w.Mounts {
		covered[path.Clean(m.Target)] = true
	}
	targets := specImage(c.img.Config).Volumes
	slices.Sort(targets)
	for _, target := range targets {
		target = path.Join("/", target)
		if covered[target] {
			continue
		}
		if err := spec.CheckVolumeTarget(target); err != nil {
			return err
		}
		c.w.Mounts = append(c.w.Mounts, spec.Mount{Type: "volume", Target: target, Anonymous: true})
	}
	for i := range c.w.Mounts {
		m := &c.w.Mounts[i]
		note := record.Mount{
			Type: m.Type, Source: m.Source, Target: path.Clean(m.Target), ReadOnly: m.ReadOnly,
			Options: m.Options, Mode: m.Mode, NonRecursive: m.NonRecursive, Subpath: m.Subpath,
		}
		switch m.Type {
		case "volume":
			v, err := c.volume(m)
			if err != nil {
				return err
			}
			note.Name, note.Source, note.Anonymous = v.Name, v.Dir, m.Anonymous
			stands(m, v)
		case "bind":
			if err := checkSource(m); err != nil {
				return err
			}
		case "image":
			chain, err := c.holdImage(m, &note)
			if err != nil {
				return err
			}
			c.held = append(c.held, chain)
		}
		rec.Mounts = append(rec.Mounts, note)
	}
	return nil
}

// volume makes or finds a mount's volume. An anonymous one is made by makeAnonymous, when the record names
// it: nobody else would ever remove it.
func (c *container) volume(m *spec.Mount) (volume.Volume, error) {
	if m.Source != "" {
		return c.o.volumes().Create(m.Source, m.Labels, m.VolumeOptions)
	}
	v, err := c.o.volumes().Declare(m.Labels, m.VolumeOptions)
	if err == nil {
		c.anonymous = append(c.anonymous, v)
	}
	return v, err
}

func (c *container) makeAnonymous() error {
	for _, v := range c.anonymous {
		if _, err := c.o.volumes().Make(v); err != nil {
			return err
		}
	}
	return nil
}

// stands puts what a volume is in the place of its name.
func stands(m *spec.Mount, v volume.Volume) {
	b, ok := v.Backing()
	m.Volume = v.Name
	m.NoCopy = m.NoCopy || v.Filled || m.Subpath != ""
	switch {
	case !ok:
		m.Type, m.Source = "bind", v.Dir
	case b.Type == "bind":
		m.Type, m.Source, m.Foreign, m.NonRecursive = "bind", b.Device, true, !b.Recursive
		m.Options = append(slices.Clone(b.Options), m.Options...)
		m.ReadOnly = m.ReadOnly || slices.Contains(b.Options, "ro")
	default: // every container has a memory of its own
		m.Type, m.Source, m.NoCopy = "tmpfs", "", true
		m.Options = append(append([]string{"exec", "suid"}, b.Options...), m.Options...)
	}
}

// checkSource makes a missing source of -v, as docker does; one of --mount must exist.
func checkSource(m *spec.Mount) error {
	_, err := os.Stat(m.Source)
	if errors.Is(err, fs.ErrNotExist) {
		if !m.CreateSource {
			return fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", m.Source)
		}
		if err := os.MkdirAll(m.Source, 0o755); err != nil {
			return fmt.Errorf("creating mount source path '%s': %w", m.Source, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("mounting %s: %w", m.Source, err)
	}
	return nil
}

// fillVolumes gives new volumes what the image has at their place.
func (c *container) fillVolumes() error {
	for i := range c.w.Mounts {
		m := &c.w.Mounts[i]
		if m.Volume == "" {
			continue
		}
		if !m.NoCopy {
			bare, err := copyUp(c.work.Merged(), path.Clean(m.Target), m.Source, m.Foreign)
			if err == nil && bare && !m.Foreign {
				err = c.giveVolume(m.Source)
			}
			if err != nil {
				return fmt.Errorf("filling volume %q from the image: %w", m.Volume, err)
			}
			if err := c.o.volumes().MarkFilled(m.Volume); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeAnonymous removes the volumes that were made for a container alone. One that is gone already,
// or that another container was given by name, is no error: that one keeps it.
func removeAnonymous(store volume.Store, c record.Container) error {
	book := Book(filepath.Dir(store.Dir))
	others := func(name string) ([]string, error) {
		all, err := book.List()
		var users []string
		for _, f := range all {
			if f.ID != c.ID && slices.ContainsFunc(f.Mounts, func(m record.Mount) bool { return m.Name == name }) {
				users = append(users, f.ID)
			}
		}
		if len(users) > 0 {
			return users, nil
		}
		return nil, err
	}
	var errs []error
	for _, m := range c.Mounts {
		if !m.Anonymous {
			continue
		}
		if err := store.Remove(m.Name, others); err != nil && !errors.Is(err, volume.ErrNotFound) && !errors.Is(err, volume.ErrInUse) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
