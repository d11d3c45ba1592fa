package spec

import (
	"fmt"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/seccomp"
)

// Make gives the specification of a container. An error tells, in one line, of a wish that can not
// be granted.
func Make(img Image, w Wishes, h Host) (*specs.Spec, Process, error) {
	h.Mapping = h.Mapping.Through(h.Shift) // the container's ids
	p, err := process(img, w, h)
	if err != nil {
		return nil, Process{}, err
	}
	mounts, err := mounts(w, h, &p)
	if err != nil {
		return nil, Process{}, err
	}
	limits, err := rlimits(w.Ulimits)
	if err != nil {
		return nil, Process{}, err
	}
	filter, err := filter(w, h.Mapping, p)
	if err != nil {
		return nil, Process{}, err
	}
	sysctls, err := sysctls(w, h.Mapping)
	if err != nil {
		return nil, Process{}, err
	}
	var resources *specs.LinuxResources
	if len(w.Limits.Needs()) > 0 { // else at most "without limit", which a new group is
		if resources, err = w.Limits.Resources(); err != nil {
			return nil, Process{}, err
		}
	}
	masked, readOnly := Hidden(w)
	s := &specs.Spec{
		Version:     specs.Version,
		Root:        &specs.Root{Path: h.Rootfs, Readonly: w.ReadOnly},
		Hostname:    p.Hostname,
		Domainname:  w.Domainname,
		Mounts:      mounts,
		Annotations: w.Annotations,
		Process: &specs.Process{
			Terminal:        w.Terminal,
			Args:            p.Args,
			Env:             p.Env,
			Cwd:             p.Cwd,
			User:            kernelUser(p, h.Mapping),
			Capabilities:    kernelCapabilities(p),
			NoNewPrivileges: w.NoNewPrivileges,
			Rlimits:         limits,
			OOMScoreAdj:     w.OOMScoreAdj,
		},
		Linux: &specs.Linux{
			Namespaces:    namespaces(w, h),
			UIDMappings:   idMappings(h.Shift.UIDs),
			GIDMappings:   idMappings(h.Shift.GIDs),
			Sysctl:        sysctls,
			Seccomp:       filter,
			Resources:     resources,
			MaskedPaths:   masked,
			ReadonlyPaths: readOnly,
		},
	}
	s.Process.User.Umask = w.Umask
	if w.HostUTS {
		s.Hostname, s.Domainname = "", "" // they are the host's
	}
	return s, p, nil
}

// idMappings are those of the container's own user namespace.
func idMappings(ranges []idmap.Range) []specs.LinuxIDMapping {
	var all []specs.LinuxIDMapping
	for _, r := range ranges {
		all = append(all, specs.LinuxIDMapping{ContainerID: r.Inside, HostID: r.Outside, Size: r.Length})
	}
	return all
}

// process settles everything about the payload that does not concern the kernel's objects.
func process(img Image, w Wishes, h Host) (Process, error) {
	var p Process
	var err error
	if p.Args, err = Args(img, w); err != nil {
		return p, err
	}
	if p.Hostname, err = hostname(w, h); err != nil {
		return p, err
	}
	p.User = w.User
	if p.User == "" {
		p.User = img.User
	}
	root, err := openRootfs(h.Rootfs)
	if err != nil {
		return p, fmt.Errorf("opening the root filesystem: %w", err)
	}
	defer root.Close()
	id, err := root.lookup(p.User, w.GroupAdd)
	if err != nil {
		return p, err
	}
	if err := id.mapped(h.Mapping); err != nil {
		return p, err
	}
	p.UID, p.GID, p.Groups = id.uid, id.gid, id.groups
	p.Env = environment(img, w, p.Hostname, id.home)
	if p.Cwd, err = workingDir(img, w); err != nil {
		return p, err
	}
	add, drop := w.CapAdd, w.CapDrop
	if w.Privileged {
		add, drop = []string{"ALL"}, nil // docker heeds no --cap-drop then
	}
	if p.Capabilities, err = Capabilities(add, drop); err != nil {
		return p, err
	}
	if p.Capabilities, err = within(p.Capabilities, add, available()); err != nil {
		return p, err
	}
	if w.Init {
		p.Args = append([]string{InitTarget, "--"}, p.Args...)
	}
	return p, nil
}

// kernelUser is whom the kernel takes the payload for. A single-id map has but one id.
func kernelUser(p Process, m idmap.Mapping) specs.User {
	if m.Kind == idmap.Single {
		return specs.User{}
	}
	return specs.User{UID: p.UID, GID: p.GID, AdditionalGids: p.Groups}
}

// kernelCapabilities gives root the set; another user keeps only the bound of what a set-user-ID
// program may gain, as execve(2) would leave it (moby/oci: SetCapabilities).
func kernelCapabilities(p Process) *specs.LinuxCapabilities {
	if p.UID != 0 {
		return &specs.LinuxCapabilities{Bounding: p.Capabilities}
	}
	return &specs.LinuxCapabilities{Bounding: p.Capabilities, Effective: p.Capabilities, Permitted: p.Capabilities}
}

// filter is the seccomp filter: the wished profile, and over it the calls that the ownership
// supervisor answers where the kernel can not keep owners.
func filter(w Wishes, m idmap.Mapping, p Process) (*specs.LinuxSeccomp, error) {
	var profile *specs.LinuxSeccomp
	var err error
	choice := w.Seccomp
	if choice == "" && w.Privileged {
		choice = "unconfined"
	}
	switch choice {
	case "", "builtin", "default":
		profile = seccomp.DefaultProfile(p.Capabilities)
	case "unconfined":
	default:
		if profile, err = seccomp.Load(choice, p.Capabilities); err != nil {
			return nil, err
		}
	}
	if m.Kind != idmap.Single {
		return profile, nil
	}
	return seccomp.Merge(profile, ownership.SupervisorSyscallsFor(p.UID)), nil
}

// sysctls are those docker sets in a private network namespace (moby: daemon/oci_linux.go), and the
// person's. The ping range ends where the mapping does: the kernel refuses ids it can not map.
func sysctls(w Wishes, m idmap.Mapping) (map[string]string, error) {
	all := map[string]string{}
	if !w.HostNetwork && w.Join.Network == "" {
		last := uint32(1<<31 - 1)
		if m.Kind != idmap.Root {
			last = 0
			for _, r := range m.GIDs {
				if r.Inside <= last+1 && r.Length > 0 {
					last = max(last, r.Inside+r.Length-1)
				}
			}
		}
		all["net.ipv4.ip_unprivileged_port_start"] = "0"
		all["net.ipv4.ping_group_range"] = "0 " + strconv.FormatUint(uint64(last), 10)
	}
	for k, v := range w.Sysctls {
		if err := checkSysctl(k, w); err != nil {
			return nil, err
		}
		all[k] = v
	}
	return all, nil
}
