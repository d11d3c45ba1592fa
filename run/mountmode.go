package run

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/tree"

	"golang.org/x/sys/unix"
)

// selinuxDir is there where SELinux is on; a variable for tests.
var selinuxDir = "/sys/fs/selinux/enforce"

// checkMode refuses what a mount asks of this host and can not have.
func (o Options) checkMode(arg string, m spec.Mount) error {
	modes := strings.Split(m.Mode, ",")
	if slices.Contains(modes, "z") || slices.Contains(modes, "Z") {
		if _, err := os.Stat(selinuxDir); err == nil {
			return fmt.Errorf("invalid volume specification: '%s': files are not relabelled for SELinux: leave out z and Z, it does not confine dhow's containers", arg)
		}
	}
	if m.Type == "bind" && (slices.Contains(m.Options, "shared") || slices.Contains(m.Options, "rshared")) {
		return fmt.Errorf("mount at %s: a container's mounts are never shown to the host: rslave shows the host's to the container", m.Target)
	}
	if m.Chown && o.Mapping.Kind == idmap.Single {
		return fmt.Errorf("mount at %s: the option U needs subordinate ids: with a single id every file of the host is the caller's", m.Target)
	}
	return nil
}

// giveMounts gives the sources of mounts with the option U to the container's user.
func (c *container) giveMounts(uid, gid uint32) error {
	uid, gid, ok := c.shift().Here(uid, gid)
	if !ok {
		return fmt.Errorf("the user %d:%d has no ids on the host", uid, gid)
	}
	for i := range c.placed.mounts {
		m := &c.placed.mounts[i]
		if !m.Chown || m.Type != "bind" {
			continue
		}
		err := tree.Walk(m.Source, func(e *tree.Entry) error {
			if e.Stat.Uid == uid && e.Stat.Gid == gid {
				return nil
			}
			if e.Name == "" {
				return unix.Fchown(e.DirFD, int(uid), int(gid))
			}
			return unix.Fchownat(e.DirFD, e.Name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW)
		})
		if err != nil {
			return fmt.Errorf("giving %s to the container's user: %w", m.Source, err)
		}
	}
	return nil
}
