package spec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// InitTarget is where the small init of Wishes.Init stands in the container; docker's place.
const InitTarget = "/sbin/docker-init"

// defaultDevices are bound from the host for plain root, where /dev could otherwise be used to make
// any device: no cgroup keeps a container from opening them, so every filesystem it can write to is
// mounted nodev. In a user namespace the kernel does the same by itself.
var defaultDevices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

// mounts gives all mounts of a container in the order they are made: those every container has
// (moby: oci/defaults.go), files, then the person's, by depth, as docker orders them.
func mounts(w Wishes, h Host, p *Process) ([]specs.Mount, error) {
	all := append(standardMounts(w, h), deviceMounts(w, p)...)
	for _, target := range []string{"/etc/resolv.conf", "/etc/hostname", "/etc/hosts"} {
		if src := h.Files[target]; src != "" {
			opts := []string{"bind"} // every further option costs a mount call
			if w.ReadOnly {
				opts = append(opts, "ro")
			}
			all = append(all, specs.Mount{Destination: target, Type: "bind", Source: src, Options: opts})
			p.Binds = append(p.Binds, target)
		}
	}
	if w.Init {
		if h.InitPath == "" {
			return nil, fmt.Errorf("there is no init to bind into the container")
		}
		all = append(all, specs.Mount{Destination: InitTarget, Type: "bind", Source: h.InitPath, Options: []string{"bind", "ro"}})
		p.Binds = append(p.Binds, InitTarget)
	}
	var own []specs.Mount
	seen := map[string]bool{}
	for _, m := range w.Mounts {
		target := path.Clean(m.Target)
		if err := checkTarget(m.Target); err != nil {
			return nil, err
		}
		if seen[target] {
			return nil, fmt.Errorf("duplicate mount point: %s", target)
		}
		seen[target] = true
		sm, err := m.specMount(h.Mapping, w.Privileged)
		if err != nil {
			return nil, err
		}
		own = append(own, sm)
		if m.Type == "bind" && (m.Volume == "" || m.Foreign) {
			p.Binds = append(p.Binds, target)
		}
	}
	all = slices.DeleteFunc(all, func(m specs.Mount) bool { return seen[m.Destination] })
	p.Binds = slices.Compact(p.Binds)
	slices.SortStableFunc(own, func(a, b specs.Mount) int { return depth(a.Destination) - depth(b.Destination) })
	return append(all, own...), nil
}

func standardMounts(w Wishes, h Host) []specs.Mount {
	dev := []string{"nosuid", "strictatime", "mode=755", "size=65536k"}
	if h.Mapping.Kind == idmap.Root && !w.Privileged {
		dev = append(dev, "nodev", "noexec")
	}
	pts := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	// 5 is the group "tty"; devpts refuses an id that is not mapped.
	if _, ok := h.Mapping.HostGID(5); ok {
		pts = append(pts, "gid=5")
	}
	sys := specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}}
	if w.HostNetwork && h.Mapping.Userns() {
		// sysfs shows the network namespace, which is not ours then: the kernel refuses a new mount.
		sys = specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev", "ro", "rro"}}
	}
	cgroup := specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}}
	if w.Privileged {
		writable := func(o string) bool { return o == "ro" || o == "rro" }
		sys.Options = slices.DeleteFunc(sys.Options, writable)
		cgroup.Options = slices.DeleteFunc(cgroup.Options, writable)
	}
	all := []specs.Mount{
		procMount(w, h),
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: dev},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: pts},
		sys,
		cgroup,
	}
	all = append(all, ipcMounts(w, h)...)
	if h.Mapping.Kind == idmap.Root {
		for _, d := range defaultDevices {
			all = append(all, specs.Mount{Destination: d, Type: "bind", Source: d, Options: []string{"bind"}})
		}
	}
	return all
}

func shmSize(w Wishes) string {
	size := w.ShmSizeBytes
	if size == 0 {
		size = 64 << 20
	}
	return strconv.FormatInt(size, 10)
}

// specMount translates one mount of a person.
func (m Mount) specMount(mapping idmap.Mapping, devices bool) (specs.Mount, error) {
	s := specs.Mount{Destination: path.Clean(m.Target), Type: m.Type, Source: m.Source}
	switch m.Type {
	case "bind":
		if !path.IsAbs(m.Source) {
			return s, fmt.Errorf("mount at %s: the source %q is not an absolute path", m.Target, m.Source)
		}
		s.Options = []string{"rbind"}
		if m.NonRecursive {
			s.Options[0] = "bind"
		}
		if m.ReadOnly {
			s.Options = append(s.Options, "ro")
			if !m.NonRecursive {
				s.Options = append(s.Options, "rro")
			}
		}
		if mapping.Kind == idmap.Root && !devices {
			s.Options = append(s.Options, "nodev")
		}
		s.Options = append(s.Options, m.Options...)
		if !slices.ContainsFunc(m.Options, isPropagation) {
			s.Options = append(s.Options, "rprivate")
		}
	case "tmpfs":
		opts, err := tmpfsOptions(m, mapping)
		if err != nil {
			return s, err
		}
		s.Source, s.Options = "tmpfs", opts
	default:
		return s, fmt.Errorf("mount at %s: type %q is not known here", m.Target, m.Type)
	}
	return s, nil
}

// checkTarget refuses places on which a mount would break the container or leave it.
func checkTarget(target string) error {
	clean := path.Clean(target)
	switch {
	case !path.IsAbs(target):
		return fmt.Errorf("invalid mount path: '%s' mount path must be absolute", target)
	case clean == "/":
		return fmt.Errorf("invalid mount at '%s': destination can't be '/'", target)
	case strings.IndexByte(target, 0) >= 0:
		return fmt.Errorf("invalid mount path %q", target)
	}
	return nil
}

// CheckVolumeTarget is for volumes an image declares: it can not cover what the container's safety
// stands on (CVE-2019-16884).
func CheckVolumeTarget(target string) error {
	if err := checkTarget(path.Join("/", target)); err != nil {
		return err
	}
	clean := path.Join("/", target)
	for _, no := range []string{"/proc", "/sys", "/dev"} {
		if clean == no || strings.HasPrefix(clean, no+"/") {
			return fmt.Errorf("the image declares a volume at %s, which is not allowed", clean)
		}
	}
	return nil
}

func depth(p string) int { return strings.Count(path.Clean(p), "/") }
