package step

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/mount"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/working"
)

// defaultHostname is BuildKit's: what a command writes down of it is the same wherever the image is
// built.
const defaultHostname = "buildkitsandbox"

// run does RUN: the command in a container on an overlay of the parents, whose upper directory
// becomes the layer.
func (b *Bench) run(ctx context.Context, t *Task, op *plan.RunOp) (cache.Made, error) {
	r := &running{ctx: ctx, b: b, t: t, op: op,
		work: working.Work{Lowers: t.Parent.Lowers(), Dir: t.Scratch.Dir, Volatile: true}}
	if err := r.work.Mount(); err != nil {
		return cache.Made{}, err
	}
	err := r.inside()
	if err := errors.Join(err, r.work.Unmount()); err != nil {
		return cache.Made{}, err
	}
	return r.finish()
}

// running is one RUN step.
type running struct {
	ctx   context.Context // of this step; a running lives no longer
	b     *Bench
	t     *Task
	op    *plan.RunOp
	work  working.Work
	stubs *stubs
}

func (r *running) path(name string) string { return filepath.Join(r.t.Scratch.Dir, name) }

// inside does what needs the mounted filesystem.
func (r *running) inside() (err error) {
	dir := r.path("mounts")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	set, err := mount.Prepare(r.ctx, r.op.Mounts, mount.Config{Dir: dir, Cache: r.b.Cache, Owners: r.b.tree(),
		Secrets: r.b.Secrets, Tree: r.tree, Copy: r.b.copyTree, Waiting: r.waiting})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	if r.op.Script != nil {
		m, err := mount.Script(dir, *r.op.Script, plan.PipesDir+r.op.Script.Name)
		if err != nil {
			return err
		}
		set.Mounts = append(set.Mounts, m)
	}
	cfg, err := r.network()
	if err != nil {
		return err
	}
	req, process, err := r.request(set, cfg)
	if err != nil {
		return err
	}
	if err := r.makeStubs(req); err != nil {
		return err
	}
	return r.command(r.ctx, req, process)
}

// network is what the step may reach.
func (r *running) network() (network.Config, error) {
	cfg := network.Config{Mode: network.Private}
	switch r.op.Network {
	case "none":
		cfg.Mode = network.None
	case "host":
		cfg.Mode = network.Host
	}
	for _, h := range r.op.Hosts {
		cfg.Hosts = append(cfg.Hosts, h.Name+"="+h.IP)
	}
	if err := cfg.Validate(); err != nil {
		return cfg, err
	}
	if cfg.Mode == network.Private {
		if err := network.Check(); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// request describes the container.
func (r *running) request(set *mount.Set, cfg network.Config) (sandbox.Request, spec.Process, error) {
	var req sandbox.Request
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return req, spec.Process{}, err
	}
	id := hex.EncodeToString(random[:])
	hostname := r.op.Hostname
	if hostname == "" {
		hostname = defaultHostname
	}
	files, err := r.files(cfg, hostname)
	if err != nil {
		return req, spec.Process{}, err
	}
	w := spec.Wishes{
		Args:        r.op.Args,
		Env:         slices.Concat([]string{"HOSTNAME"}, r.op.Proxy, r.op.Env, set.Env), // BuildKit sets no HOSTNAME
		WorkingDir:  r.op.Cwd,
		User:        r.op.User,
		Hostname:    hostname,
		Mounts:      set.Mounts,
		HostNetwork: cfg.Mode == network.Host,
	}
	s, process, err := spec.Make(spec.Image{}, w, spec.Host{ID: id, Mapping: r.b.Mapping, Rootfs: r.work.Merged(),
		Hostname: hostname, Files: files})
	if err != nil {
		return req, process, err
	}
	req = sandbox.Request{ID: id, StateDir: filepath.Join(r.b.StateDir, id[:12]), Rootfs: r.work.Merged(), Spec: s,
		Mapping: r.b.Mapping}
	if cfg.Mode == network.Private {
		req.Network = func(ctx context.Context, pid int) (io.Closer, error) { return network.Attach(ctx, pid, cfg) }
	}
	return req, process, nil
}

// files writes what is bound over the image's /etc/hosts and its companions.
func (r *running) files(cfg network.Config, hostname string) (map[string]string, error) {
	out := map[string]string{}
	for name, data := range map[string][]byte{
		"resolv.conf": network.ResolvConf(cfg),
		"hosts":       network.HostsFile(cfg, hostname),
		"hostname":    network.HostnameFile(hostname),
	} {
		path := r.path(name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return nil, fmt.Errorf("writing /etc/%s: %w", name, err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			return nil, fmt.Errorf("writing /etc/%s: %w", name, err)
		}
		out["/etc/"+name] = path
	}
	return out, nil
}

// makeStubs makes the mount points the image lacks, so that they can be told from what the command
// makes. Those below another mount are not in the image.
func (r *running) makeStubs(req sandbox.Request) error {
	merged, err := openDir(r.work.Merged())
	if err != nil {
		return err
	}
	defer merged.Close()
	upper, err := openDir(r.work.Upper())
	if err != nil {
		return err
	}
	defer upper.Close()
	r.stubs = newStubs(int(merged.Fd()), r.b.tree())
	var covered []string
	for _, m := range req.Spec.Mounts {
		if slices.ContainsFunc(covered, func(c string) bool { return strings.HasPrefix(m.Destination, c+"/") }) {
			continue
		}
		covered = append(covered, m.Destination)
		dir, mode := true, uint32(0o755)
		if m.Type == "tmpfs" {
			mode = 0o1777 // libcontainer gives a tmpfs the mode of what it covers
		}
		if m.Type == "bind" {
			st, err := os.Stat(m.Source)
			if err != nil {
				return fmt.Errorf("mounting %s: %w", m.Destination, err)
			}
			if dir = st.IsDir(); !dir {
				mode = 0o644
			}
		}
		if err := r.stubs.add(m.Destination, dir, mode); err != nil {
			return err
		}
	}
	return r.stubs.settle(int(upper.Fd()))
}

// command runs the container to its end.
func (r *running) command(ctx context.Context, req sandbox.Request, p spec.Process) (err error) {
	if !r.b.Mapping.Native() {
		cfg := ownership.SupervisorConfig{Mapping: r.b.Mapping, Rootfs: r.work.Merged(), Upper: r.work.Upper(),
			Table: r.path("owners"), UID: p.UID, GID: p.GID, Groups: p.Groups, Binds: p.Binds}
		for _, l := range slices.Backward(r.t.Parent.Layers) {
			cfg.Lowers = append(cfg.Lowers, ownership.LayerRef{Dir: l.Dir, Links: l.Links})
		}
		if req.Owners, err = ownership.NewSupervisor(cfg); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, req.Owners.Close()) }()
	}
	if err := os.MkdirAll(r.b.StateDir, 0o700); err != nil {
		return fmt.Errorf("making a container: %w", err)
	}
	out, err := newOutput(r.b.Progress, r.t.ID)
	if err != nil {
		return err
	}
	defer out.close()
	req.Stdio = sandbox.Stdio{Out: out.stdout, Err: out.stderr, Owned: true}
	c, err := sandbox.Start(ctx, req)
	out.started()
	if err != nil {
		return r.failed(err, 0, out)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Signal(unix.SIGKILL) })
	status, err := c.Wait()
	stop()
	err = errors.Join(err, c.Close())
	out.wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.failed(err, status, out)
}

// failed turns the end of the command into an error with BuildKit's words; nil when it went well.
func (r *running) failed(err error, status int, out *output) error {
	var start *sandbox.StartError
	if errors.As(err, &start) {
		status = start.Status
		if status == 125 {
			return err
		}
	} else if err != nil {
		return err
	}
	if status == 0 {
		return nil
	}
	text := fmt.Sprintf("process %q did not complete successfully: exit code: %d", strings.Join(r.op.Args, " "), status)
	if start != nil {
		text += ": " + start.Err.Error()
	}
	return &Error{ExitCode: status, LogTail: out.tail(), Err: errors.New(text)}
}

// waiting tells that another build has the cache.
func (r *running) waiting(id string) {
	r.b.Progress.Emit(progress.Event{ID: r.t.ID, Name: r.t.Node.Name, Action: fmt.Sprintf("waiting for the cache %q", id)})
}

// finish makes the upper directory a layer.
func (r *running) finish() (cache.Made, error) {
	upper, err := openDir(r.work.Upper())
	if err != nil {
		return cache.Made{}, err
	}
	defer upper.Close()
	lower := -1
	if len(r.t.Parent.Layers) > 0 && len(r.stubs.made) > 0 {
		root, err := r.t.Parent.Root(r.b.Cache)
		if err != nil {
			return cache.Made{}, err
		}
		lower = int(root.Fd())
	}
	if err := r.stubs.remove(int(upper.Fd()), lower, r.b.tree(), r.t.Parent.Tree(r.b.Mapping)); err != nil {
		return cache.Made{}, err
	}
	if err := r.work.Finish(); err != nil {
		return cache.Made{}, err
	}
	made := cache.Made{Dir: r.work.Upper(), Name: r.t.Node.Name, Size: cache.TreeSize(r.work.Upper())}
	if !r.b.Mapping.Native() {
		if made.Links, err = ownership.FinishUpper(r.work.Upper(), r.path("owners")); err != nil {
			return cache.Made{}, err
		}
	}
	return made, nil
}
