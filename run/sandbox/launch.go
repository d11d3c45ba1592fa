package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/sandbox/payload"
	"github.com/dhow-containers/dhow/run/sandbox/rootfs"
	"github.com/dhow-containers/dhow/run/seccomp"
)

// own is what belongs to a container that was started without libcontainer's init, see launch.
type own struct {
	visitor *visitor
	child   *payload.Child // until it runs
	keeper  *payload.Keeper
	group   cgroups.Manager
	config  *configs.Config
	spec    *specs.Spec
}

// launchable reports whether launch can start the container: it has no user namespace of its own, whose
// maps a thread can not enter, and the kernel has the calls.
func launchable(r Request) bool {
	return r.Shift.IsZero() && rootfs.Supported()
}

// launch starts the container up to the point where its payload may run. A second start of this program,
// which libcontainer's init is, would cost more than everything else: so a thread of this process makes
// the namespaces and what they show, and clones a child that is the payload a few system calls later.
func (c *Container) launch(ctx context.Context, r Request, config *configs.Config) error {
	c.own = &own{visitor: newVisitor(), config: config, spec: r.Spec}
	plan, err := c.plan(r.Spec.Process)
	if err != nil {
		return err
	}
	plan.Pivot = true
	plan.Joins = slices.ContainsFunc(r.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.PIDNamespace && n.Path != "" })
	plan.Keyring, plan.KeyringAdd = keyringOf(r.ID, config), 0x80000 // the owner may search it
	// An oom score is of a memory, not of a process; and what a group has too little of is to cost the child
	// its life, not this process.
	plan.OwnMemory = r.Spec.Process.OOMScoreAdj != nil || r.CgroupParent != "" || r.Spec.Linux.Resources != nil
	if config.Cgroups != nil && config.Cgroups.Path != "" {
		if c.own.group, err = manager.New(config.Cgroups); err != nil {
			return fmt.Errorf("making the control group: %w", err)
		}
	}
	plan.CgroupNS = c.own.group != nil && config.Namespaces.Contains(configs.NEWCGROUP)
	plan.Proc, plan.ProcAttrs = rootfs.ProcOptions(config)
	var root *rootfs.Root
	var h home
	var tid int
	defer func() {
		if root != nil {
			root.Close()
		}
		h.close()
	}()
	if err := c.own.visitor.do(func() (err error) {
		if h, err = leaveHome(); err != nil {
			return err
		}
		proc, err := c.beget(r, plan)
		if err != nil {
			return err
		}
		if proc != nil {
			defer proc.Close()
		}
		if err := c.holdMounts(r.Spec, "thread-self"); err != nil {
			return err
		}
		tid = unix.Gettid()
		if root, err = rootfs.Open(config); err != nil {
			return err
		}
		return root.Make(proc)
	}); err != nil {
		return err
	}
	if err := c.connect(ctx, r, tid); err != nil { // the child's own may be closed to us, see payload
		return err
	}
	stdio := c.streams.stdio
	if err := c.own.visitor.do(func() (err error) {
		if t := c.streams.term; t != nil {
			var slave *os.File
			if t.master, slave, err = root.Terminal(t.size()); err != nil {
				return err
			}
			c.streams.child = append(c.streams.child, slave)
			stdio = [3]*os.File{slave, slave, slave}
			if err := root.Console(slave); err != nil {
				return err
			}
		}
		if err := c.containersNull(root, &stdio); err != nil {
			return err
		}
		return root.Finish(r.Spec.Process.Cwd)
	}); err != nil {
		return err
	}
	if err := c.outfit(c.pid, r.Spec.Process, stdio); err != nil {
		return err
	}
	if err := c.own.child.Prepare(root.FD(), stdio); err != nil {
		return err
	}
	if err := c.ready(ctx, r); err != nil {
		return err
	}
	if c.own.keeper, err = payload.Keep(c.pid); err != nil {
		return err
	}
	child := c.own.child
	c.own.child = nil
	if err := child.Execute(); err != nil {
		return err
	}
	c.streams.started()
	return c.own.visitor.do(h.back)
}

// beget makes the namespaces and the child, in its control group, and gives the child's mount of proc.
// What the calling thread mounts then shows the child's namespaces.
func (c *Container) beget(r Request, plan payload.Plan) (proc *os.File, err error) {
	flags, err := enterNamespaces(r.Spec.Linux.Namespaces, plan.CgroupNS)
	if err != nil {
		return nil, err
	}
	if name := r.Spec.Hostname; name != "" {
		if err := unix.Sethostname([]byte(name)); err != nil {
			return nil, os.NewSyscallError("sethostname", err)
		}
	}
	if name := r.Spec.Domainname; name != "" {
		if err := unix.Setdomainname([]byte(name)); err != nil {
			return nil, os.NewSyscallError("setdomainname", err)
		}
	}
	if newNetwork(r.Spec.Linux.Namespaces) {
		if err := loopbackUp(); err != nil {
			return nil, err
		}
	}
	plan.Flags = flags
	if c.own.child, err = payload.Start(plan); err != nil {
		return nil, err
	}
	c.pid = c.own.child.Pid
	if c.process, err = os.FindProcess(c.pid); err != nil {
		return nil, err
	}
	if c.own.group != nil {
		if err := c.own.group.Apply(c.pid); err != nil {
			return nil, fmt.Errorf("unable to apply cgroup configuration: %w", err)
		}
		if err := c.own.group.Set(c.own.config.Cgroups.Resources); err != nil {
			return nil, fmt.Errorf("error setting cgroup config: %w", err)
		}
	}
	if err := setOOMScore(c.pid, r.Spec.Process); err != nil {
		return nil, err
	}
	proc, group, err := c.own.child.Ready()
	var refused *payload.ProcError
	if errors.As(err, &refused) {
		err = fmt.Errorf(`error mounting "proc" to rootfs at "/proc": %w`, errors.Unwrap(refused))
	}
	if err == nil && group != nil {
		defer group.Close()
		err = os.NewSyscallError("setns", unix.Setns(int(group.Fd()), unix.CLONE_NEWCGROUP))
	}
	return proc, err
}

func newNetwork(list []specs.LinuxNamespace) bool {
	return slices.ContainsFunc(list, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace && n.Path == "" })
}

// loopbackUp turns on the one interface that a new network namespace has (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("turning the loopback on: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	}
	if err != nil {
		return fmt.Errorf("turning the loopback on: %w", err)
	}
	return nil
}

// plan is what every process of the container has in common.
func (c *Container) plan(p *specs.Process) (payload.Plan, error) {
	plan := payload.Plan{
		Umask: 0o022, NoNewPrivs: p.NoNewPrivileges, Terminal: p.Terminal,
		Cwd: p.Cwd, UID: p.User.UID, GID: p.User.GID, SetGroups: maySetGroups(), Groups: p.User.AdditionalGids,
		Args: p.Args, Env: p.Env,
	}
	if u := c.own.spec.Process.User.Umask; u != nil {
		plan.Umask = *u
	}
	if caps := p.Capabilities; caps != nil {
		for _, set := range []struct {
			to    *uint64
			names []string
		}{
			{&plan.Bounding, caps.Bounding}, {&plan.Effective, caps.Effective}, {&plan.Permitted, caps.Permitted},
			{&plan.Inheritable, caps.Inheritable}, {&plan.Ambient, caps.Ambient},
		} {
			for _, name := range set.names {
				if n, ok := capabilityNumbers()[name]; ok { // else this kernel has none of that name
					*set.to |= 1 << n
				}
			}
		}
	}
	var err error
	if plan.Filter, plan.FilterFlags, err = seccomp.Program(c.own.spec.Linux.Seccomp); err != nil {
		return plan, err
	}
	if plan.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		if c.owners == nil {
			return plan, errors.New("a seccomp profile can not notify here")
		}
		plan.Listener = func(pid, fd int) error { return c.owners.Adopt(pid, fd) }
	}
	return plan, nil
}

// outfit gives the child what others may give it better than it can: limits and streams.
func (c *Container) outfit(pid int, p *specs.Process, stdio [3]*os.File) error {
	limits := []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: payload.NoFile().Cur, Hard: payload.NoFile().Max}}
	for _, l := range append(limits, p.Rlimits...) {
		kind, ok := rlimitNumbers[l.Type]
		if !ok {
			return fmt.Errorf("resource limit %q is not known", l.Type)
		}
		if err := unix.Prlimit(pid, kind, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			return fmt.Errorf("error setting rlimit type %v: %w", kind, err)
		}
	}
	for _, f := range stdio {
		if err := giveTo(f, p.User.UID); err != nil {
			return err
		}
	}
	return nil
}

// setOOMScore gives a child that still waits the score its process wishes.
func setOOMScore(pid int, p *specs.Process) error {
	if p.OOMScoreAdj == nil {
		return nil
	}
	name := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	if err := os.WriteFile(name, []byte(strconv.Itoa(*p.OOMScoreAdj)), 0); err != nil {
		return fmt.Errorf("setting the oom score: %w", err)
	}
	return nil
}

// giveTo makes uid the owner of a stream, so that it can be opened by its name in /dev. What the kernel
// refuses belongs to nobody here and stays.
func giveTo(f *os.File, uid uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Uid == uid || isNull(st) {
		return nil
	}
	err := unix.Fchown(int(f.Fd()), int(uid), -1)
	if err != nil && err != unix.EPERM && err != unix.EROFS {
		return fmt.Errorf("giving a stream to the container's user: %w", err)
	}
	return nil
}

func isNull(st unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// containersNull takes the container's null device wherever a stream is the host's or none.
func (c *Container) containersNull(root *rootfs.Root, stdio *[3]*os.File) error {
	for i, f := range stdio {
		var st unix.Stat_t
		if f != nil {
			if err := unix.Fstat(int(f.Fd()), &st); err != nil {
				return err
			}
			if !isNull(st) {
				continue
			}
		}
		null, err := root.Null()
		if err != nil { // its /dev is the person's
			null, err = os.OpenFile("/dev/null", os.O_RDWR, 0)
		}
		if err != nil {
			return err
		}
		c.streams.child = append(c.streams.child, null)
		stdio[i] = null
	}
	return nil
}

// holdMounts keeps the mount namespace of a container without a pid namespace, by which its processes
// are found. It is held open: the kernel gives the number of a namespace that has ended to the next one.
func (c *Container) holdMounts(s *specs.Spec, process string) error {
	if ownPIDNamespace(s) {
		return nil
	}
	var err error
	if c.mountnsHeld, err = os.Open("/proc/" + process + "/ns/mnt"); err != nil {
		return err
	}
	c.mountns, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", c.mountnsHeld.Fd()))
	return err
}

// end takes down what launch has left of a container whose processes are gone.
func (o *own) end() error {
	var err error
	if o.keeper != nil {
		o.keeper.End()
	}
	if o.group != nil {
		err = o.group.Destroy()
	}
	o.visitor.end()
	return err
}

// keyringOf is the name of the session keyring of a container's processes, "" for the caller's.
func keyringOf(id string, config *configs.Config) string {
	if config.NoNewKeyring {
		return ""
	}
	return "_ses." + id
}

// maySetGroups is false in a user namespace whose maker could not map groups (user_namespaces(7)).
var maySetGroups = sync.OnceValue(func() bool {
	said, err := os.ReadFile("/proc/self/setgroups")
	return err != nil || strings.TrimSpace(string(said)) != "deny"
})

// capabilityNumbers are those of capabilities(7), as far as this kernel has them.
var capabilityNumbers = sync.OnceValue(func() map[string]uint {
	numbers := map[string]uint{}
	list, err := capability.ListSupported()
	if err != nil {
		list = capability.ListKnown()
	}
	for _, n := range list {
		numbers["CAP_"+strings.ToUpper(n.String())] = uint(n)
	}
	return numbers
})
