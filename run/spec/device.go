package spec

import (
	"fmt"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Device is one device node of the host that the container gets.
type Device struct {
	Source string // on the host
	Target string // in the container
}

// ParseDevice reads a --device argument: "SOURCE[:TARGET][:PERMISSIONS]" (docker/cli:
// container/opts.go, parseLinuxDevice).
//
// Permissions are r, w and m; without a device cgroup a node is given as its owner and mode let the
// caller open it, so less than both r and w can not be kept and is refused. Nobody can make nodes
// (m) in a user namespace, and plain root's containers can not open those they make.
func ParseDevice(arg string) (Device, error) {
	if isCDI(arg) {
		return Device{}, fmt.Errorf("CDI device %q: CDI specifications are not supported, name the device's node: --device /dev/…", arg)
	}
	if strings.IndexByte(arg, 0) >= 0 {
		return Device{}, fmt.Errorf("invalid device specification: %q", arg)
	}
	parts := strings.Split(arg, ":")
	d := Device{Source: parts[0]}
	permissions := ""
	switch len(parts) {
	case 1:
	case 2:
		if devicePermissions(parts[1]) {
			permissions = parts[1]
		} else {
			d.Target = parts[1]
		}
	case 3:
		d.Target, permissions = parts[1], parts[2]
		if !devicePermissions(permissions) {
			return Device{}, fmt.Errorf("bad mode specified: %s", permissions)
		}
	default:
		return Device{}, fmt.Errorf("invalid device specification: %s", arg)
	}
	if d.Target == "" {
		d.Target = d.Source
	}
	for _, p := range []string{d.Source, d.Target} {
		if !path.IsAbs(p) {
			return Device{}, fmt.Errorf("%s is not an absolute path", p)
		}
	}
	d.Source, d.Target = path.Clean(d.Source), path.Clean(d.Target)
	if err := checkTarget(d.Target); err != nil {
		return Device{}, err
	}
	if permissions != "" && !(strings.Contains(permissions, "r") && strings.Contains(permissions, "w")) {
		return Device{}, fmt.Errorf("device %s: permissions %q can not be kept without the device cgroup: leave them out, or give rw", d.Source, permissions)
	}
	return d, nil
}

// devicePermissions reports "r", "rwm" and the like (docker/cli: ValidDeviceMode).
func devicePermissions(s string) bool {
	if s == "" || strings.Trim(s, "rwm") != "" {
		return false
	}
	for i := range s {
		if strings.IndexByte(s[i+1:], s[i]) >= 0 {
			return false
		}
	}
	return true
}

// isCDI reports "vendor.com/class=name" (cncf-tags/container-device-interface: IsQualifiedName).
func isCDI(arg string) bool {
	kind, name, ok := strings.Cut(arg, "=")
	vendor, class, both := strings.Cut(kind, "/")
	return ok && both && name != "" && vendor != "" && class != "" && !strings.Contains(class, "/")
}

// deviceMounts bind the wished devices.
func deviceMounts(w Wishes, p *Process) []specs.Mount {
	var all []specs.Mount
	for _, d := range w.Devices {
		all = append(all, specs.Mount{Destination: d.Target, Type: "bind", Source: d.Source, Options: []string{"bind"}})
		p.Binds = append(p.Binds, d.Target)
	}
	return all
}
