package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// configure translates the specification into libcontainer's configuration.
func configure(r Request) (*configs.Config, error) {
	if len(r.Spec.Process.Args) == 0 {
		return nil, errors.New("no command specified")
	}
	s := *r.Spec
	s.Root = &specs.Root{Path: r.Rootfs, Readonly: r.Spec.Root.Readonly}
	linux := *r.Spec.Linux
	s.Linux = &linux
	switch {
	case launchable(r):
		linux.Seccomp = nil // launch compiles it by itself
	case r.Owners != nil && linux.Seccomp != nil:
		filter := *linux.Seccomp
		filter.ListenerPath = r.Owners.Socket()
		linux.Seccomp = &filter
	}
	cg := cgroupHere()
	if !cg.mountable {
		s.Mounts = slices.DeleteFunc(slices.Clone(s.Mounts), func(m specs.Mount) bool { return m.Type == "cgroup" })
	}
	group, err := cg.group(r)
	if err != nil {
		return nil, err
	}
	linux.CgroupsPath = group
	if _, err := os.Getwd(); err != nil {
		// libcontainer asks for the working directory, which somebody may have removed.
		if err := os.Chdir("/"); err != nil {
			return nil, err
		}
	}
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{
		CgroupName:   r.ID,
		Spec:         &s,
		NoNewKeyring: isRefused(keyring),
		// Root of a user namespace: not "rootless" in libcontainer's sense, which means euid ≠ 0.
		RootlessEUID:    false,
		RootlessCgroups: group == "",
	})
	if err != nil {
		return nil, err
	}
	// Devices are kept from the container by nodev, see run/spec; a rule here would ask for a cgroup.
	config.Cgroups.Resources.Devices = nil
	if r.Mapping.Kind == idmap.Root {
		// They are bound from the host by mounts.
		config.Devices = nil
	}
	config.ParentDeathSignal = int(unix.SIGKILL)
	return config, nil
}

// libcontainerProcess is the process of the specification in libcontainer's terms.
func libcontainerProcess(p *specs.Process) (*libcontainer.Process, error) {
	lp := &libcontainer.Process{
		Init:            true,
		Args:            p.Args,
		Env:             p.Env,
		Cwd:             p.Cwd,
		UID:             int(p.User.UID),
		GID:             int(p.User.GID),
		NoNewPrivileges: &p.NoNewPrivileges,
	}
	for _, g := range p.User.AdditionalGids {
		lp.AdditionalGroups = append(lp.AdditionalGroups, int(g))
	}
	if c := p.Capabilities; c != nil {
		lp.Capabilities = &configs.Capabilities{
			Bounding: c.Bounding, Effective: c.Effective, Permitted: c.Permitted,
			Inheritable: c.Inheritable, Ambient: c.Ambient,
		}
	}
	for _, l := range p.Rlimits {
		kind, ok := rlimitNumbers[l.Type]
		if !ok {
			return nil, fmt.Errorf("resource limit %q is not known", l.Type)
		}
		lp.Rlimits = append(lp.Rlimits, configs.Rlimit{Type: kind, Soft: l.Soft, Hard: l.Hard})
	}
	return lp, nil
}

// RlimitNumber gives the number of setrlimit(2) of a limit, "RLIMIT_NOFILE".
func RlimitNumber(name string) (int, bool) {
	n, ok := rlimitNumbers[name]
	return n, ok
}

// rlimitNumbers are those of setrlimit(2), which golang.org/x/sys/unix names in part.
var rlimitNumbers = map[string]int{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4,
	"RLIMIT_RSS": 5, "RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9,
	"RLIMIT_LOCKS": 10, "RLIMIT_SIGPENDING": 11, "RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13,
	"RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
}
