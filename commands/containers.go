package commands

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
)

// book is where this caller's containers are recorded.
func (c *call) book() (record.Book, error) {
	p, err := c.here()
	if err != nil {
		return record.Book{}, err
	}
	return run.Book(p.store), nil
}

// container finds a container by name, id or the beginning of an id.
func (c *call) container(name string) (record.Found, error) {
	b, err := c.book()
	if err != nil {
		return record.Found{}, err
	}
	f, err := b.Find(name)
	return f, noContainer(err, name)
}

// noContainer says in docker's words that a container is missing.
func noContainer(err error, name string) error {
	if errors.Is(err, record.ErrNotFound) {
		return &explain.Error{Text: "No such container: " + name, Status: 1}
	}
	return err
}

// containers gives all containers, newest first. A record that can not be read is told, not fatal:
// one broken record must not hide the others.
func (c *call) containers() ([]record.Found, error) {
	p, err := c.here()
	if err != nil {
		return nil, err
	}
	all, err := run.List(p.store)
	if err != nil && len(all) == 0 {
		return nil, err
	}
	if err != nil {
		text, _ := explain.Line(err)
		c.warn(text)
	}
	return all, nil
}

func (c *call) countContainers() (running, all int, err error) {
	list, err := c.containers()
	for _, f := range list {
		if f.State.Active() {
			running++
		}
	}
	return running, len(list), err
}

// imageUsers tells storage which containers stand on an image's layers.
func (c *call) imageUsers() (func(storage.Image) ([]storage.User, error), error) {
	p, err := c.here()
	if err != nil {
		return nil, err
	}
	return func(img storage.Image) ([]storage.User, error) {
		all, err := run.List(p.store)
		if err != nil {
			return nil, err
		}
		var users []storage.User
		for _, f := range all {
			if f.ImageID == img.ID {
				users = append(users, storage.User{Container: f.ID, Running: f.State.Active(), Layers: f.Layers})
			}
			for _, m := range f.Mounts {
				if m.Type == "image" && m.ImageID == img.ID {
					users = append(users, storage.User{Container: f.ID, Running: f.State.Active(), Layers: m.Layers})
				}
			}
		}
		return users, nil
	}, nil
}

// volumeUsers tells which containers use a volume.
func (c *call) volumeUsers() func(name string) ([]string, error) {
	return func(name string) ([]string, error) {
		p, err := c.here()
		if err != nil {
			return nil, err
		}
		all, err := run.List(p.store)
		if err != nil {
			return nil, err
		}
		var users []string
		for _, f := range all {
			if slices.ContainsFunc(f.Mounts, func(m record.Mount) bool { return m.Type == "volume" && m.Name == name }) {
				users = append(users, f.ID)
			}
		}
		return users, nil
	}
}

// statusOf is docker's STATUS column: "Up 3 minutes (healthy)", "Exited (0) 2 hours ago", "Created".
func statusOf(f record.Found, now time.Time) string {
	s := f.State
	switch s.Status {
	case record.Running:
		up := "Up " + units.HumanDuration(now.Sub(s.Started)) + f.Health.Column()
		if s.Paused {
			up += " (Paused)"
		}
		return up
	case record.Restarting:
		return fmt.Sprintf("Restarting (%d) %s ago", s.ExitCode, units.HumanDuration(now.Sub(s.Finished)))
	case record.Exited:
		if s.Finished.IsZero() {
			return fmt.Sprintf("Exited (%d)", s.ExitCode)
		}
		return fmt.Sprintf("Exited (%d) %s ago", s.ExitCode, units.HumanDuration(now.Sub(s.Finished)))
	}
	s1 := string(s.Status)
	return strings.ToUpper(s1[:min(1, len(s1))]) + s1[min(1, len(s1)):]
}

// stateName is docker's word for where a container stands.
func stateName(s record.State) string {
	if s.Paused {
		return "paused"
	}
	return string(s.Status)
}

// networkName is docker's name of a container's network: the private one is its "bridge".
func networkName(mode string) string {
	if mode == "" || mode == "private" {
		return "bridge"
	}
	return mode
}

// joinLabels gives labels as docker's lists do: "a=b,c=d".
func joinLabels(labels map[string]string) string {
	out := make([]string, 0, len(labels))
	for k, v := range labels {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
