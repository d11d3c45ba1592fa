package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/spec"
)

// readDevices finds the devices of --device: nodes, or directories of nodes.
func (o Options) readDevices(w *wishes) error {
	for _, arg := range o.Devices {
		d, err := spec.ParseDevice(arg)
		if err != nil {
			return err
		}
		real, err := filepath.EvalSymlinks(d.Source)
		if err == nil {
			d.Source = real
		}
		var st unix.Stat_t
		if err == nil {
			err = unix.Stat(d.Source, &st)
		}
		if err != nil {
			var p *fs.PathError
			if errors.As(err, &p) {
				err = p.Err
			}
			return fmt.Errorf("error gathering device information while adding custom device %q: %w", d.Source, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if !isDevice(&st) {
				return fmt.Errorf("error gathering device information while adding custom device %q: not a device node", d.Source)
			}
			if err := mayOpen(d.Source); err != nil {
				return fmt.Errorf("device %s: the caller may not open it: %w", d.Source, err)
			}
			o.adviseGroups(d.Source, &st)
			w.Devices = append(w.Devices, d)
			continue
		}
		for _, name := range deviceNodes(d.Source) {
			w.Devices = append(w.Devices, spec.Device{Source: filepath.Join(d.Source, name), Target: path.Join(d.Target, name)})
		}
	}
	return nil
}

// adviseGroups warns of a device that is open to the caller by a group the container does not have.
func (o Options) adviseGroups(name string, st *unix.Stat_t) {
	if o.Mapping.Kind == idmap.Subids && st.Uid != 0 && st.Mode&0o006 != 0o006 {
		o.warn("the caller opens %s by a group, which the container has not got", name)
	}
}

func isDevice(st *unix.Stat_t) bool {
	t := st.Mode & unix.S_IFMT
	return t == unix.S_IFCHR || t == unix.S_IFBLK
}

// mayOpen tells whether the caller may read or write a device. Root of a user namespace has no rights of
// its own over what belongs to ids outside of it.
func mayOpen(name string) error {
	err := unix.Faccessat(unix.AT_FDCWD, name, unix.R_OK|unix.W_OK, unix.AT_EACCESS)
	if err != nil && unix.Faccessat(unix.AT_FDCWD, name, unix.R_OK, unix.AT_EACCESS) == nil {
		return nil
	}
	return err
}

// notGiven are entries of /dev that are the container's own, or not devices of their own.
var notGiven = []string{"pts", "shm", "mqueue", "hugepages", "fd", "console", "ptmx", "null", "zero", "full", "random", "urandom", "tty", ".lxc", ".lxd-mounts", ".udev"}

// hostDevices are the devices a privileged container gets: all that the caller may open.
func hostDevices(has []spec.Device) []spec.Device {
	var out []spec.Device
	for _, name := range deviceNodes("/dev") {
		first, _, _ := strings.Cut(name, "/")
		target := "/dev/" + name
		if slices.Contains(notGiven, first) || slices.ContainsFunc(has, func(d spec.Device) bool { return d.Target == target }) {
			continue
		}
		out = append(out, spec.Device{Source: target, Target: target})
	}
	return out
}

// deviceNodes are the nodes below a directory that the caller may open, as relative paths. What can not
// be looked at is left out.
func deviceNodes(dir string) []string {
	var out []string
	_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(dir, p)
		if e.IsDir() && dir == "/dev" && slices.Contains(notGiven, rel) {
			return fs.SkipDir
		}
		if e.Type()&os.ModeDevice != 0 && mayOpen(p) == nil {
			out = append(out, rel)
		}
		return nil
	})
	return out
}
