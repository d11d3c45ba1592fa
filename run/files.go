package run

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dhow-containers/dhow/run/network"
)

// writeFiles makes the files by which a container knows its own and other names; they are bound over
// the image's, which belong to no machine.
func (c *container) writeFiles() (map[string]string, error) {
	hostname := c.w.Hostname
	if hostname == "" {
		hostname = c.entry.ID[:12]
		if c.w.HostNetwork || c.w.HostUTS {
			hostname, _ = os.Hostname()
		}
	}
	if c.w.Domainname != "" {
		hostname += "." + c.w.Domainname
	}
	files := map[string]string{}
	for target, content := range map[string][]byte{
		"/etc/hosts":       network.HostsFile(c.w.network, hostname),
		"/etc/hostname":    network.HostnameFile(hostname),
		"/etc/resolv.conf": network.ResolvConf(c.w.network),
	} {
		if target == "/etc/hosts" && c.w.NoHosts {
			continue
		}
		path := filepath.Join(c.entry.Dir(), filepath.Base(target))
		err := os.WriteFile(path, content, 0o644)
		if err == nil {
			err = os.Chmod(path, 0o644) // whatever the caller's umask: every user inside reads it
		}
		if err == nil {
			err = rootOwnedPath(path, c.shift())
		}
		if err != nil {
			return nil, fmt.Errorf("writing the container's %s: %w", target, err)
		}
		files[target] = path
	}
	return files, nil
}
