package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
)

// A container lives in the user namespace of its monitor, and only there can its namespaces be joined.
// So the monitor of a container that joins another's is started by that one's monitor, in its user
// namespace, with a mount namespace of its own.

// Joins reports whether the container is to have namespaces of others.
func (o Options) Joins() bool {
	for _, mode := range []string{o.PID, o.IPC, o.Network} {
		if strings.HasPrefix(mode, "container:") {
			return true
		}
	}
	return false
}

// noSuch says that a container is missing, in docker's words; other errors stay.
func noSuch(err error, name string) error {
	if errors.Is(err, record.ErrNotFound) {
		return errors.New("No such container: " + name)
	}
	return err
}

// donors are the ids of the containers whose namespaces are joined, the one first whose monitor is asked
// to start ours: shared memory lies in its mount namespace.
func donors(a record.Asked) []string {
	var ids []string
	for _, mode := range []string{a.IpcMode, a.PidMode, a.NetworkMode} {
		if id, ok := strings.CutPrefix(mode, "container:"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// shmDir is where a container's shareable memory lies in its monitor's mount namespace.
func shmDir(dir string) string { return filepath.Join(dir, "shm") }

// shareMemory mounts what a shareable container and those that join it have as /dev/shm.
func (c *container) shareMemory(h *spec.Host) error {
	if !c.w.ShareIPC {
		return nil
	}
	dir := shmDir(c.entry.Dir())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the shared memory: %w", err)
	}
	size := c.w.ShmSizeBytes
	if size == 0 {
		size = 64 << 20
	}
	if err := unix.Mount("shm", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size="+strconv.FormatInt(size, 10)); err != nil {
		return fmt.Errorf("mounting the shared memory: %w", err)
	}
	c.shm, h.ShmPath = dir, dir
	if err := rootOwnedPath(dir, c.shift()); err != nil {
		return fmt.Errorf("making the shared memory: %w", err)
	}
	return nil
}

// join finds the namespaces that are to be joined. The files must stay open until the container has
// started.
func (c *container) join(h *spec.Host) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			files = nil
		}
	}()
	for _, n := range []struct {
		id, kind string
		to       *string
	}{{c.w.Join.Network, "net", &h.Joined.Network}, {c.w.Join.PID, "pid", &h.Joined.PID}, {c.w.Join.IPC, "ipc", &h.Joined.IPC}} {
		if n.id == "" {
			continue
		}
		f, ns, err := c.namespaceOf(n.id, n.kind)
		if err != nil {
			return files, err
		}
		files = append(files, ns)
		*n.to = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd())
		switch n.kind {
		case "net":
			// It has that one's name and names.
			h.Files = map[string]string{}
			for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
				h.Files["/etc/"+name] = filepath.Join(f.Dir, name)
			}
		case "ipc":
			h.ShmPath = shmDir(f.Dir)
		}
	}
	return files, nil
}

// namespaceOf opens a namespace of a running container, and makes sure that it is that one's.
func (c *container) namespaceOf(id, kind string) (record.Found, *os.File, error) {
	f, err := c.o.book().Find(id)
	if err != nil {
		return f, nil, noSuch(err, id)
	}
	if f.State.Status != record.Running {
		return f, nil, fmt.Errorf("cannot join the %s namespace of a non running container: %s", kind, f.Name)
	}
	if kind == "ipc" {
		if _, err := os.Stat(shmDir(f.Dir)); err != nil || f.Asked.IpcMode != "shareable" {
			return f, nil, errors.New("non-shareable IPC (hint: use IpcMode:shareable for the donor container)")
		}
	}
	resident := f.State.Pid
	if !shiftOf(c.o.Mapping, f.Container).IsZero() {
		resident = f.State.Monitor // the payload's namespace is a child of this one's
	}
	own, err1 := os.Readlink("/proc/self/ns/user")
	theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", resident))
	if err := errors.Join(err1, err2); err != nil {
		return f, nil, fmt.Errorf("joining container %s: %w", f.Name, err)
	}
	if own != theirs {
		return f, nil, fmt.Errorf("joining container %s: it does not live in the user namespace of this one's monitor; start this one again, and join only containers that joined each other", f.Name)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", f.State.Pid, kind))
	if err != nil {
		return f, nil, fmt.Errorf("joining container %s: %w", f.Name, err)
	}
	// The pid may have been given to another process: it is the container's when it still is.
	if start, err := record.StartTime(f.State.Pid); err != nil || start != f.State.StartTime {
		ns.Close()
		return f, nil, fmt.Errorf("cannot join the %s namespace of a non running container: %s", kind, f.Name)
	}
	return f, ns, nil
}

// leaveOthers lets go of the mounts of other containers, which a monitor that was started by another
// has copies of: they would keep those alive.
func leaveOthers(containers, own string, joined spec.Join) error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("reading the mounts: %w", err)
	}
	keep := ""
	if joined.IPC != "" {
		keep = shmDir(filepath.Join(containers, joined.IPC))
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		fields := strings.Fields(lines[i])
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		if !strings.HasPrefix(point, containers+"/") || strings.HasPrefix(point, own+"/") || point == keep {
			continue
		}
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
			return fmt.Errorf("leaving %s: %w", point, err)
		}
	}
	return nil
}
