package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/sandbox/payload"
	"github.com/dhow-containers/dhow/run/sandbox/rootfs"
)

// joinContainer takes the calling thread into the namespaces of the container's first process that are not its own.
func (c *Container) joinContainer() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	unix.Umask(0o022)
	type place struct {
		fd, flag int
		file     string
	}
	var places []place
	defer func() {
		for _, p := range places {
			unix.Close(p.fd)
		}
	}()
	for _, k := range namespaceKinds {
		name := fmt.Sprintf("/proc/%d/ns/%s", c.pid, k.file)
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT || err == unix.ESRCH {
			return os.ErrProcessDone
		}
		if err != nil {
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
		places = append(places, place{fd, k.flag, k.file})
	}
	if err := c.process.Signal(unix.Signal(0)); err != nil {
		return os.ErrProcessDone // the number may be another's by now
	}
	for _, p := range places {
		var there, here unix.Stat_t
		if err := unix.Fstat(p.fd, &there); err != nil {
			return err
		}
		if err := unix.Stat("/proc/thread-self/ns/"+p.file, &here); err == nil && here.Dev == there.Dev && here.Ino == there.Ino {
			continue
		}
		if err := unix.Setns(p.fd, p.flag); err != nil {
			return fmt.Errorf("joining the container's %s namespace: %w", p.file, err)
		}
	}
	return nil
}

// visit starts a further process in a container of launch. The thread that begets it is v.
func (c *Container) visit(v *visitor, r ExecRequest, j *Joined) (err error) {
	plan, err := c.plan(r.Process)
	if err != nil {
		return err
	}
	plan.Keyring, plan.Joins = keyringOf(c.id, c.own.config), true
	stdio := [3]*os.File{r.Stdio.In, r.Stdio.Out, r.Stdio.Err}
	var made []*os.File
	var child *payload.Child
	var h home
	defer func() {
		for _, f := range made {
			f.Close()
		}
		h.close()
	}()
	err = v.do(func() error {
		self, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: "/proc/self/fd", Err: err}
		}
		defer unix.Close(self)
		null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		made = append(made, null)
		if h, err = leaveHome(); err != nil {
			return err
		}
		if err := c.joinContainer(); err != nil {
			return err
		}
		if r.Stdio.Terminal {
			var slave *os.File
			if j.master, slave, err = rootfs.Terminal(self, unix.AT_FDCWD, r.Stdio.Width, r.Stdio.Height); err != nil {
				return err
			}
			made = append(made, slave)
			stdio = [3]*os.File{slave, slave, slave}
		}
		if slices.Contains(stdio[:], nil) {
			// The container's own, if it still is one; the host's is as good, but for its place.
			if theirs, err := rootfs.Null(self, unix.AT_FDCWD); err == nil {
				made = append(made, theirs)
				null = theirs
			}
			for i := range stdio {
				if stdio[i] == nil {
					stdio[i] = null
				}
			}
		}
		child, err = payload.Start(plan)
		return err
	})
	if err != nil {
		return err
	}
	j.pid = child.Pid
	defer func() {
		if err != nil {
			if child != nil {
				child.Kill()
			}
			_, _ = j.process.Wait()
			if j.master != nil {
				j.master.Close()
				j.master = nil
			}
		}
	}()
	if j.process, err = os.FindProcess(child.Pid); err != nil { // never, on Linux
		return err
	}
	if err := c.joinGroup(child.Pid); err != nil {
		return err
	}
	if err := setOOMScore(child.Pid, r.Process); err != nil {
		return err
	}
	if _, _, err := child.Ready(); err != nil {
		return err
	}
	if err := c.outfit(child.Pid, r.Process, stdio); err != nil {
		return err
	}
	if err := child.Prepare(-1, stdio); err != nil {
		return err
	}
	running := child
	child = nil
	if err := running.Execute(); err != nil {
		return err
	}
	return v.do(h.back)
}

// joinGroup puts a process into the container's control group, or into the one its first process is in by
// now: a container that makes groups of its own lets none be in the first one (cgroups(7)).
func (c *Container) joinGroup(pid int) error {
	if c.own.group == nil {
		return nil
	}
	err := c.own.group.AddPid("", pid)
	if err == nil {
		return nil
	}
	said, rerr := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.pid))
	if rerr == nil {
		for line := range strings.SplitSeq(string(said), "\n") {
			if group, ok := strings.CutPrefix(line, "0::/"); ok && !strings.Contains(group, "..") {
				if cgroups.WriteCgroupProc(path.Join(cgroup.Root, group), pid) == nil {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("joining the control group: %w", err)
}
