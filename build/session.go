package build

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/export"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/build/schedule"
	"github.com/dhow-containers/dhow/build/source"
	"github.com/dhow-containers/dhow/build/step"
	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/progress"
)

// CacheDir is where the build cache of a store lies.
func CacheDir(storeDir string) string { return filepath.Join(storeDir, "cache") }

// session is one build under way: what was opened and must be closed.
type session struct {
	o       Options
	cache   *cache.Cache
	tmp     *cache.Scratch
	sources *source.Sources
	file    *dockerfile.File
	memory  *source.Memory
	chains  chains
	worker  *worker
}

func open(o Options) (*session, error) {
	c, err := OpenCache(o.Dir, o.Store)
	if err != nil {
		return nil, err
	}
	tmp, err := c.Scratch()
	if err != nil {
		return nil, err
	}
	return &session{o: o, cache: c, tmp: tmp, memory: source.OpenMemory(filepath.Join(c.Dir(), "digests"))}, nil
}

func (s *session) close() error {
	var errs []error
	if s.worker != nil {
		errs = append(errs, s.worker.close())
	}
	errs = append(errs, s.chains.close())
	if s.sources != nil {
		errs = append(errs, s.sources.Close())
	}
	errs = append(errs, s.tmp.Close())
	return errors.Join(errs...)
}

// item runs do as one internal item of the progress.
func (s *session) item(ctx context.Context, name string, do func() error) error {
	s.o.Progress.Emit(progress.Event{ID: name, Name: name})
	err := do()
	s.end(ctx, name, name, err)
	return err
}

// end tells how an item ended.
func (s *session) end(ctx context.Context, id, name string, err error) {
	e := progress.Event{ID: id, Name: name, State: progress.Done}
	switch {
	case err != nil && ctx.Err() != nil:
		e.State = progress.Canceled
	case err != nil:
		e.State, e.Err = progress.Failed, err
	}
	s.o.Progress.Emit(e)
}

// read opens the input and parses the Dockerfile.
func (s *session) read(ctx context.Context) error {
	const name = "[internal] load build definition from Dockerfile"
	return s.item(ctx, name, func() error {
		var err error
		s.sources, err = source.Open(ctx, source.Options{Context: s.o.Context, Dockerfile: s.o.Dockerfile,
			Stdin: s.o.Stdin, Named: s.o.Contexts, TempDir: s.tmp.Dir})
		if err != nil {
			return err
		}
		for _, w := range s.sources.Warnings {
			s.o.Progress.Emit(progress.Event{ID: name, Name: name, Warning: w})
		}
		s.file, err = dockerfile.Parse(strings.NewReader(string(s.sources.Dockerfile)), s.sources.Name)
		return err
	})
}

// plan turns the Dockerfile into a graph, finding the images it names.
func (s *session) plan(ctx context.Context) (*plan.Graph, error) {
	opts := plan.Options{Target: s.o.Target, BuildArgs: s.o.BuildArgs, Labels: s.o.Labels, NoCache: s.o.NoCache,
		Platform: plan.HostPlatform(), Network: s.o.Network, Contexts: s.o.Contexts,
		AllowHostNetwork: true} // the person who asks is the person whose network it is
	if s.o.Platform != "" {
		var err error
		if opts.Platform, err = plan.ParsePlatform(s.o.Platform); err != nil {
			return nil, err
		}
	}
	if main := s.sources.Main; main != nil {
		opts.Ignore = main.Ignore
	}
	var err error
	if opts.Hosts, err = hosts(s.o.AddHosts); err != nil {
		return nil, err
	}
	graph, err := plan.Make(ctx, s.file, opts, s.resolve)
	if err != nil {
		return nil, err
	}
	for i, f := range graph.Findings {
		e := progress.Event{ID: "findings", Name: "[internal] check build definition", Warning: f.String()}
		if i == len(graph.Findings)-1 {
			e.State = progress.Done
		}
		s.o.Progress.Emit(e)
	}
	if graph.Epoch == nil {
		graph.Epoch = s.o.Epoch
	}
	return graph, nil
}

// hosts reads --add-host values.
func hosts(list []string) ([]plan.Host, error) {
	var out []plan.Host
	for _, h := range list {
		name, ip, ok := strings.Cut(h, "=")
		if !ok {
			name, ip, ok = strings.Cut(h, ":")
		}
		if !ok || name == "" || ip == "" {
			return nil, fmt.Errorf("invalid --add-host %q: expected name:ip or name=ip", h)
		}
		out = append(out, plan.Host{Name: name, IP: ip})
	}
	return out, nil
}

// steps does what must be done for the graph and gives the result of its last step.
func (s *session) steps(ctx context.Context, g *plan.Graph) (*made, error) {
	jobs := s.o.Jobs
	if jobs <= 0 {
		jobs = max(runtime.NumCPU(), 2)
	}
	bench := &step.Bench{Cache: s.cache, Mapping: s.o.Mapping, Sources: s.sources, Memory: s.memory,
		Secrets: secrets(s.o.Secrets), StateDir: filepath.Join(s.tmp.Dir, "run"), Progress: s.o.Progress}
	bench.Platform = plan.HostPlatform()
	if s.o.Platform != "" {
		bench.Platform, _ = plan.ParsePlatform(s.o.Platform)
	}
	s.worker = &worker{s: s, bench: bench, graph: g, prepared: map[*plan.Node]*step.Prepared{},
		looked: map[*plan.Node]step.Looked{}, whole: map[*plan.Node]string{}}
	for _, n := range g.Nodes {
		s.o.Progress.Emit(progress.Event{ID: itemID(n), Name: n.Name, State: progress.Waiting})
	}
	results, err := schedule.Run(ctx, g.Nodes, g.Final, jobs, s.worker)
	if serr := s.memory.Save(); serr != nil && err == nil {
		// What was not remembered is read again next time.
		s.o.Progress.Emit(progress.Event{ID: contextItem, Name: contextItem, Warning: serr.Error()})
	}
	if err != nil {
		return nil, err
	}
	if g.Final == nil {
		return &made{rootfs: &step.Rootfs{}}, nil
	}
	return results[g.Final], nil
}

// export makes the image of the last step's layers.
func (s *session) export(ctx context.Context, g *plan.Graph, final *made) (storage.Image, error) {
	o := export.Options{Store: s.o.Store, Cache: s.cache, Base: final.base, Layers: final.layers, Config: g.Image,
		Epoch: g.Epoch, Names: s.o.Tags, Clone: s.cloneLayer, Progress: s.o.Progress}
	if g.Base != nil {
		if op, ok := g.Base.Op.(*plan.BaseOp); ok {
			o.BaseHistory = s.chains.history(op.ID)
		}
	}
	// What was made goes to the disk while it is being read for its digests.
	flushed := make(chan error, 1)
	go func() {
		if s.worker.unflushed.Load() {
			flushed <- s.cache.Sync()
		}
		close(flushed)
	}()
	image, err := export.Image(ctx, o)
	return image, errors.Join(err, <-flushed)
}
