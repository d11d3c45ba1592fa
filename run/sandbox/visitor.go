package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A visitor is a thread that goes into a container's namespaces while the rest of this process stays
// outside: there it makes mounts and sockets, and from there it clones the container's process, which
// dies with it (prctl(2), PR_SET_PDEATHSIG). It is never given back to the runtime.
type visitor struct {
	work chan func()
}

func newVisitor() *visitor {
	v := &visitor{work: make(chan func())}
	go v.live()
	return v
}

// live runs what it is given on a thread of its own, which ends with it: it stays locked. The process's
// first thread does not end, and is what others see of the process in /proc: it is not taken.
func (v *visitor) live() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		begun := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(begun)
			v.serve()
		}()
		<-begun
		runtime.UnlockOSThread()
		return
	}
	v.serve()
}

func (v *visitor) serve() {
	for f := range v.work {
		f()
	}
}

// do runs f on the thread. f makes no call into C but those of payload.
func (v *visitor) do(f func() error) error {
	result := make(chan error)
	v.work <- func() { result <- f() }
	return <-result
}

// end ends the thread, and with it what it has cloned.
func (v *visitor) end() { close(v.work) }

// namespaceKinds are the namespaces by their names in the specification: the flag for unshare(2) and
// setns(2), and the file in /proc/PID/ns. The mount namespace is last: it takes the others' names away.
var namespaceKinds = []struct {
	kind specs.LinuxNamespaceType
	flag int
	file string
}{
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "net"},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt"},
}

// enterNamespaces takes the calling thread into new and joined namespaces: those of list but the pid
// namespace, which is for a child, when it is new, and the cgroup namespace when that is to come later.
func enterNamespaces(list []specs.LinuxNamespace, laterCgroup bool) (forChild uintptr, err error) {
	flags := unix.CLONE_FS
	for _, n := range list {
		i := slices.IndexFunc(namespaceKinds, func(k struct {
			kind specs.LinuxNamespaceType
			flag int
			file string
		}) bool {
			return k.kind == n.Type
		})
		if i < 0 {
			return 0, fmt.Errorf("a namespace of type %q is not made here", n.Type)
		}
		flag := namespaceKinds[i].flag
		switch {
		case n.Path != "":
			if err := joinNamespace(n.Path, flag); err != nil {
				return 0, fmt.Errorf("joining the %s namespace: %w", n.Type, err)
			}
		case flag == unix.CLONE_NEWPID:
			forChild |= uintptr(flag)
		case flag == unix.CLONE_NEWCGROUP && laterCgroup:
		default:
			flags |= flag
		}
	}
	if err := unix.Unshare(flags); err != nil {
		return 0, fmt.Errorf("making the container's namespaces: %w", err)
	}
	unix.Umask(0o022) // the thread's own by now: the caller's says nothing of what is made inside
	return forChild, nil
}

// joinNamespace takes the calling thread into the namespace at path; into a pid namespace only its
// children (setns(2)).
func joinNamespace(path string, flag int) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, flag); err != nil {
		return os.NewSyscallError("setns", err)
	}
	return nil
}

// home is a thread's mount namespace, to come back to: one that stays in the container's would keep its mounts
// after the container's end. The other namespaces may be nobody's to come back to (setns(2)).
type home struct{ mounts *os.File }

func leaveHome() (home, error) {
	f, err := os.Open("/proc/thread-self/ns/mnt")
	return home{f}, err
}

func (h home) back() error {
	if err := unix.Setns(int(h.mounts.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("leaving the container's mount namespace: %w", err)
	}
	return nil
}

func (h home) close() {
	if h.mounts != nil {
		h.mounts.Close()
	}
}
