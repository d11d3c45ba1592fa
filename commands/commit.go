package commands

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/image"
)

var commitVerb = verb{
	name: "commit", also: []string{"container commit"},
	short: "Make an image of what a container has changed",
	usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	example: `dhow commit -m "with git" box mine/box:git
dhow commit -c 'CMD ["serve"]' box`,
	detail: `A running container is paused meanwhile if it has a control group of its own ("dhow info" tells whether it can);
otherwise it goes on, so stop it first if files must fit together. -p insists on the pause.`,
	min: 1, max: 2, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("author", "a", "`name` Author of the image"),
			list("change", "c", "Apply a Dockerfile `instruction` to the image's configuration"),
			text("message", "m", "Set the comment in the image's history"),
			yes("no-pause", "", "Let the container go on meanwhile"),
			yes("quiet", "q", "Print nothing but the image's id"),
			&cli.BoolFlag{Name: "pause", Aliases: []string{"p"}, Value: true, Usage: "Pause the container meanwhile, where it has a control group"},
		}
	},
	run: runCommit,
}

func runCommit(c *call) error {
	name := c.Args().Get(1)
	if name != "" {
		if _, err := parseReference(name); err != nil {
			return err
		}
	}
	f, err := c.container(c.Args().First())
	if err != nil {
		return err
	}
	change, err := changed(c.cancellable(), c.list("change"))
	if err != nil {
		return err
	}
	base, err := c.image(f.ImageID)
	if err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	var l storage.Layer
	written := false
	err = c.pausedMeanwhile(f, c.Bool("pause") && !c.Bool("no-pause"), c.IsSet("pause"), func() (err error) {
		l, written, err = run.CommitLayer(c.cancellable(), s, f)
		return err
	})
	if err != nil {
		return err
	}
	layers := slices.Clone(f.Layers)
	if written {
		layers = append(layers, l.ID)
	}
	config := base.Config.Clone()
	asRun(&config.Config, f)
	if f.KeptUser { // whom --userns keep-id made the container's user
		config.Config.User = base.Config.Config.User
	}
	merge(&config.Config, change.Config)
	now := time.Now().UTC()
	config.Created, config.Author = &now, c.text("author")
	config.History = append(config.History, image.History{
		Created: &now, Author: c.text("author"), CreatedBy: strings.Join(f.Args, " "), Comment: c.text("message"), EmptyLayer: !written,
	})
	o := storage.CommitOptions{Layers: layers, Config: config}
	if name != "" {
		o.Names = []string{name}
	}
	img, err := s.Commit(o)
	if err != nil {
		return err
	}
	c.tell(f, "commit", "comment", c.text("message"), "imageID", "sha256:"+img.ID, "imageRef", name)
	_, err = fmt.Fprintln(c.out, "sha256:"+img.ID)
	return err
}

// asRun gives an image's configuration what the container was run with, as docker does.
func asRun(c *image.ContainerConfig, f record.Found) {
	c.Env, c.User, c.WorkingDir, c.StopSignal = f.Env, f.User, f.WorkingDir, f.StopSignal
	c.Entrypoint = f.Entrypoint
	c.Cmd = f.Args[min(len(f.Entrypoint), len(f.Args)):]
	c.Labels = maps.Clone(f.Labels)
	for _, p := range f.Exposed {
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[p.String()] = struct{}{}
	}
}

// merge applies what --change asked for.
func merge(to *image.ContainerConfig, change image.ContainerConfig) {
	for _, kv := range change.Env {
		name, _, _ := strings.Cut(kv, "=")
		to.Env = slices.DeleteFunc(slices.Clone(to.Env), func(have string) bool { return strings.HasPrefix(have, name+"=") })
		to.Env = append(to.Env, kv)
	}
	if change.Entrypoint != nil {
		to.Entrypoint, to.Cmd = change.Entrypoint, nil
	}
	if change.Cmd != nil {
		to.Cmd = change.Cmd
	}
	for _, v := range []struct {
		to   *string
		from string
	}{{&to.User, change.User}, {&to.WorkingDir, change.WorkingDir}, {&to.StopSignal, change.StopSignal}} {
		if v.from != "" {
			*v.to = v.from
		}
	}
	for _, m := range []struct {
		to   *map[string]struct{}
		from map[string]struct{}
	}{{&to.ExposedPorts, change.ExposedPorts}, {&to.Volumes, change.Volumes}} {
		if len(m.from) > 0 && *m.to == nil {
			*m.to = map[string]struct{}{}
		}
		maps.Copy(*m.to, m.from)
	}
	if len(change.Labels) > 0 && to.Labels == nil {
		to.Labels = map[string]string{}
	}
	maps.Copy(to.Labels, change.Labels)
	if change.Healthcheck != nil {
		to.Healthcheck = change.Healthcheck
	}
	if change.Shell != nil {
		to.Shell = change.Shell
	}
	to.OnBuild = append(slices.Clone(to.OnBuild), change.OnBuild...)
}

var diffVerb = verb{
	name: "diff", also: []string{"container diff"},
	short:   "Show what a container has changed",
	usage:   "CONTAINER",
	example: `dhow diff box`,
	detail:  "A was added, C changed, D deleted.",
	min:     1, max: 1, names: aContainer,
	run: func(c *call) error {
		f, err := c.container(c.Args().First())
		if err != nil {
			return err
		}
		s, err := c.store()
		if err != nil {
			return err
		}
		changes, err := run.Changes(s, f)
		if err != nil {
			return err
		}
		return c.showChanges(changes, "")
	},
}

var exportVerb = verb{
	name: "export", also: []string{"container export"},
	short: "Write a container's filesystem as a tar",
	usage: "[OPTIONS] CONTAINER",
	example: `dhow export box | tar -t
dhow export -o box.tar box`,
	detail: "Volumes and other mounts are left out.",
	min:    1, max: 1, names: aContainer,
	flags: func() []cli.Flag { return []cli.Flag{text("output", "o", "Write to a `file` instead of stdout")} },
	run: func(c *call) (err error) {
		out := c.out
		path := c.text("output")
		if path == "" && c.terminal() {
			return &explain.Error{Text: "refusing to write a tar to a terminal", Hint: "use -o FILE or a pipe", Status: 1}
		}
		f, err := c.container(c.Args().First())
		if err != nil {
			return err
		}
		s, err := c.store()
		if err != nil {
			return err
		}
		if path != "" {
			if out, err = os.Create(path); err != nil {
				return err
			}
			defer func() {
				if cerr := out.Close(); err == nil {
					err = cerr
				}
			}()
		}
		c.tell(f, "export")
		return run.Export(s, f, out)
	},
}
