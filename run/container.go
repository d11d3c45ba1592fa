package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/health"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/volume"
	"github.com/dhow-containers/dhow/storage/working"
)

// container is one container on its way from wishes to exit status.
type container struct {
	o      Options
	w      wishes
	img    storage.Image
	layers []storage.Layer  // base first
	held   []*storage.Chain // of mounted images, until the record names them
	below  storage.Below    // what the root filesystem stands on
	// imageLayers are those of mounted images, by id; imageBelow is what those stand on, by target.
	imageLayers map[string]storage.Layer
	imageBelow  map[string]storage.Below
	placed      placed
	shm         string // where shareable memory is mounted
	proc        string // and the processes of another container
	entry       *record.Entry
	work        *working.Work
	initDir     string // where this binary is shown for --init
	owners      *ownership.Supervisor
	box         *sandbox.Container
	streams     *sandbox.Stdio // made for the payload; nil for those of the caller
	started     record.State
	ports       *network.Listeners // nil when nothing is published
	cidFile     bool               // written, so removed when there is no container after all
	noted       bool               // its making was noted
	// restarts is how often the monitor has started it again, stopped says that a person ended it, and
	// ended that its last end was noted already.
	restarts       int
	stopped, ended bool
	killed         *atomic.Bool    // it was told that memory ran out
	anonymous      []volume.Volume // declared, not made yet
	width, height  uint16          // the first size of its terminal; 0 for none
}

// newContainer makes the record; from then on the image's layers are in use by it, and the hold on
// them ends.
func newContainer(ctx context.Context, o Options, chain *storage.Chain, w wishes) (_ *container, err error) {
	defer func() { err = errors.Join(err, chain.Close()) }()
	c := &container{o: o, w: w, img: chain.Image, layers: chain.Layers}
	img := chain.Image.Config.Config
	rec := record.Container{
		ID: record.NewID(), Name: o.Name, Created: time.Now().UTC(),
		Image: o.Image, ImageID: chain.Image.ID, Labels: w.labels,
		Terminal: o.Terminal, OpenStdin: o.Interactive, AutoRemove: o.Remove, ReadOnly: o.ReadOnly, Init: o.Init,
		CapAdd: o.CapAdd, CapDrop: o.CapDrop, SecurityOpt: o.SecurityOpt,
		Network: w.networkName(), Hostname: w.Hostname,
		User: o.User, WorkingDir: o.WorkingDir, StopSignal: o.StopSignal, StopTimeout: o.StopTimeout,
		Limits: w.Limits, CgroupParent: w.cgroupParent, CgroupNS: o.CgroupNS,
		Restart: w.restart, Healthcheck: health.Merge(img.Healthcheck, w.health),
		LogDriver: o.LogDriver, LogOptions: w.logOptions, StdinOnce: o.Interactive && !o.Detached,
	}
	if rec.Hostname == "" {
		rec.Hostname = rec.ID[:12]
	}
	if rec.User == "" {
		rec.User = img.User
	}
	if rec.WorkingDir == "" {
		rec.WorkingDir = img.WorkingDir
	}
	if rec.StopSignal == "" {
		rec.StopSignal = img.StopSignal
	}
	if rec.StopTimeout == nil {
		rec.StopTimeout = img.StopTimeout
	}
	if w.OOMScoreAdj != nil {
		rec.OOMScoreAdj = *w.OOMScoreAdj
	}
	for k, v := range img.Labels {
		if _, own := rec.Labels[k]; !own {
			rec.Labels[k] = v
		}
	}
	for _, l := range chain.Layers {
		rec.Layers = append(rec.Layers, l.ID)
	}
	if rec.Args, err = spec.Args(specImage(chain.Image.Config), w.Wishes); err != nil {
		return nil, err
	}
	rec.Entrypoint = img.Entrypoint
	if w.EntrypointSet {
		rec.Entrypoint = w.Entrypoint
	}
	if len(rec.Entrypoint) == 1 && rec.Entrypoint[0] == "" {
		rec.Entrypoint = nil
	}
	rec.Env = spec.Env(specImage(chain.Image.Config), w.Wishes)
	exposed := port.Exposed(slices.Collect(maps.Keys(img.ExposedPorts)))
	rec.Publish, rec.Exposed = port.Publish(w.publish, append(exposed, w.expose...), o.PublishAll)
	if err := c.declareMounts(&rec); err != nil {
		return nil, err
	}
	defer func() {
		for _, chain := range c.held {
			err = errors.Join(err, chain.Close())
		}
		c.held = nil
	}()
	rec.Asked = o.asked(w)
	if rec.KeepID = w.KeepID; rec.KeepID != nil {
		rec.User, rec.KeptUser = w.User, o.User == ""
	}
	if chain, err = c.settleBelow(ctx, chain); err != nil {
		return nil, errors.Join(err, removeAnonymous(o.volumes(), rec))
	}
	if c.entry, err = o.book().Create(rec); err != nil {
		return nil, err
	}
	if err := errors.Join(c.makeAnonymous(), c.writeCIDFile()); err != nil {
		c.entry.Silent = true
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

func (o Options) book() record.Book { return Book(o.Dir) }

func (c *container) writeCIDFile() error {
	if c.o.CIDFile == "" {
		return nil
	}
	f, err := os.OpenFile(c.o.CIDFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("container ID file found, make sure the other container isn't running or delete %s", c.o.CIDFile)
	}
	if err != nil {
		return fmt.Errorf("creating the container ID file: %w", err)
	}
	c.cidFile = true
	_, err = f.WriteString(c.entry.ID)
	return errors.Join(err, f.Close())
}

// prepare mounts the root filesystem and what the person asked for.
func (c *container) prepare() error {
	if err := c.mountRoot(); err != nil {
		return err
	}
	if err := mark(c.work.Merged(), c.shift()); err != nil {
		return err
	}
	if err := c.fillVolumes(); err != nil {
		return err
	}
	return c.place()
}

// start makes the process.
func (c *container) start(ctx context.Context) error {
	if err := c.w.limitable(); err != nil {
		return err
	}
	host := spec.Host{ID: c.entry.ID, Mapping: c.o.Mapping, Shift: c.shift(), Rootfs: c.work.Merged()}
	if c.w.HostNetwork || c.w.HostUTS {
		host.Hostname, _ = os.Hostname()
	}
	if c.w.Init {
		path, err := c.mountInit()
		if err != nil {
			return err
		}
		host.InitPath = path
	}
	err := c.openPorts()
	if err != nil {
		return err
	}
	if host.Files, err = c.writeFiles(); err != nil {
		return err
	}
	if err := c.shareMemory(&host); err != nil {
		return err
	}
	joined, err := c.join(&host)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range joined {
			f.Close()
		}
	}()
	if err := c.showProcesses(&host); err != nil {
		return err
	}
	w := c.w.Wishes
	w.Mounts = c.placed.mounts
	if w.Privileged {
		w.Devices = append(slices.Clone(w.Devices), hostDevices(w.Devices)...)
	}
	s, p, err := spec.Make(specImage(c.img.Config), w, host)
	if err != nil {
		return err
	}
	if err := c.makeWorkingDir(p.Cwd, w.Mounts); err != nil {
		return err
	}
	if err := c.giveMounts(p.UID, p.GID); err != nil {
		return err
	}
	if c.o.Mapping.Kind == idmap.Single {
		if err := c.startOwners(p); err != nil {
			return err
		}
	}
	stdio, err := c.stdio()
	if err != nil {
		return err
	}
	request := sandbox.Request{
		ID: c.entry.ID, StateDir: c.stateDir(),
		Rootfs: c.work.Merged(), Spec: s, Mapping: c.o.Mapping, Shift: host.Shift, Stdio: stdio, Owners: c.owners,
		Devices: w.Privileged,
	}
	if c.w.network.Mode == network.Private {
		if err := network.Check(); err != nil {
			return err
		}
		request.Network = func(ctx context.Context, pid int) (io.Closer, error) {
			return network.Attach(ctx, pid, c.w.network)
		}
	}
	request.CgroupParent = c.w.cgroupParent
	request.Ready = c.recordStart
	if c.box, err = sandbox.Start(ctx, request); err != nil {
		return c.explainClosed(err)
	}
	c.limitTime()
	return nil
}

// recordStart notes the running process before its payload starts, so that nobody sees a payload at
// work in a container that is only "created".
func (c *container) recordStart(pid int) error {
	start, err := record.StartTime(pid)
	if err != nil {
		return fmt.Errorf("recording the start: %w", err)
	}
	monitor := os.Getpid()
	own, err := record.StartTime(monitor)
	if err != nil {
		return fmt.Errorf("recording the start: %w", err)
	}
	c.started = record.State{
		Status: record.Running, Pid: pid, StartTime: start, Monitor: monitor, MonitorStart: own, Started: time.Now().UTC(),
		Ports: c.bindings(), Restarts: c.restarts,
	}
	c.noteCgroup(pid)
	return c.entry.SetState(c.started)
}

// startOwners makes the supervisor that shows the payload the image's owners.
func (c *container) startOwners(p spec.Process) error {
	cfg := ownership.SupervisorConfig{
		Mapping: c.o.Mapping, Rootfs: c.work.Merged(), Upper: c.work.Upper(),
		Table: filepath.Join(c.entry.Dir(), "table"),
		UID:   p.UID, GID: p.GID, Groups: p.Groups, Binds: p.Binds,
	}
	if k := c.w.KeepID; k != nil {
		cfg.Caller = ownership.Owner{UID: k.UID, GID: k.GID}
	}
	for _, l := range slices.Backward(c.layers) {
		cfg.Lowers = append(cfg.Lowers, ownership.LayerRef{Dir: l.Dir, Links: l.Links})
	}
	stale, _ := filepath.Glob(filepath.Join(c.entry.Dir(), "owners-*")) // of a monitor that was killed; fails for bad patterns only
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	var err error
	c.owners, err = ownership.NewSupervisor(cfg)
	return err
}

// stateDir is where the sandbox keeps its files while the container runs.
func (c *container) stateDir() string { return filepath.Join(c.entry.Dir(), "sandbox") }

// stdio says what the payload reads and writes.
func (c *container) stdio() (sandbox.Stdio, error) {
	if c.streams != nil {
		return *c.streams, nil
	}
	s := sandbox.Stdio{Out: c.o.Stdout, Err: c.o.Stderr, Terminal: c.o.Terminal}
	if c.o.Interactive {
		s.In = c.o.Stdin
	}
	if !c.o.Terminal {
		return s, nil
	}
	if c.o.Interactive && !isTerminal(c.o.Stdin) {
		return s, &sandbox.StartError{Status: 1, Err: errors.New("the input device is not a TTY")}
	}
	for _, f := range []*os.File{c.o.Stdin, c.o.Stdout, c.o.Stderr} {
		if isTerminal(f) {
			s.Console = f
			break
		}
	}
	return s, nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// end records the exit, or removes the container when that was asked for.
func (c *container) end(status int) error {
	oom := OOMKilled(c.started)
	err := c.teardown()
	if !c.ended {
		c.noteEnd(status, oom)
	}
	err = errors.Join(err, c.entry.Announce(status))
	if c.o.Remove {
		return errors.Join(err, c.remove())
	}
	s := c.started
	s.Status, s.ExitCode, s.Finished, s.Pid, s.StartTime, s.Monitor, s.Ports = record.Exited, status, time.Now().UTC(), 0, 0, 0, nil
	s.Cgroup, s.OOMKilled, s.MonitorStart = "", oom, 0
	s.Stopped = c.stopped
	return errors.Join(err, c.entry.SetState(s), c.entry.Close())
}

// giveUp takes a container back that did not start. The error keeps its status.
func (c *container) giveUp(err error) error {
	if more := c.discard(); more != nil {
		return errors.Join(err, more)
	}
	return err
}

func (c *container) discard() error {
	c.entry.Silent = !c.noted
	err := errors.Join(c.teardown(), c.remove())
	if c.cidFile {
		err = errors.Join(err, os.Remove(c.o.CIDFile))
	}
	return err
}

// teardown undoes what lives only with the process.
func (c *container) teardown() error {
	errs := []error{c.ports.Close()} // first: nobody is served any more
	if c.box != nil {
		errs = append(errs, c.box.Close())
	}
	if c.owners != nil {
		errs = append(errs, c.owners.Close())
	}
	if c.initDir != "" {
		errs = append(errs, unix.Unmount(c.initDir, unix.MNT_DETACH)) // with the view of the binary in it
	}
	errs = append(errs, c.placed.close())
	if c.shm != "" {
		errs = append(errs, unix.Unmount(c.shm, unix.MNT_DETACH))
		c.shm = ""
	}
	if c.proc != "" {
		errs = append(errs, unix.Unmount(c.proc, unix.MNT_DETACH))
		c.proc = ""
	}
	if c.work != nil {
		errs = append(errs, c.work.Unmount())
	}
	return errors.Join(errs...)
}

// remove takes the container out of the book, after its anonymous volumes: once it is gone nobody would
// come back for them.
func (c *container) remove() error {
	err := removeAnonymous(c.o.volumes(), c.entry.Container)
	return errors.Join(err, c.entry.Remove())
}
