// Package sandbox makes the processes of a container: the only room that knows libcontainer.
//
// It takes a runtime specification and a mounted root filesystem and gives a running container whose
// exit can be waited for. It keeps no record, names nothing, and removes everything it made when the
// container is closed. Which specification, which filesystem and what becomes of the exit status is
// the matter of run and build.
//
// The processes and threads:
//
//	dhow
//	 ├─ the visitor, a thread: makes the namespaces, goes into them, mounts what they show (rootfs),
//	 │   and clones
//	 │   └─ the payload-to-be (payload): shares dhow's memory, waits, takes its root and credentials,
//	 │       loads its filter, executes the payload
//	 └─ the others: network, streams, supervisor
//
// A container dies with its dhow process: the kernel sends SIGKILL to its first process when the visitor
// ends, and with pid 1 its pid namespace goes. A further process, Exec, is made in the same way by a
// visitor of its own that joins instead of making.
//
// Where a container has a user namespace of its own, which no thread can enter, and on kernels before 5.12,
// libcontainer's init stands in the place of the visitor: this program once more, in three stages
// (nsexec.c of runc), which takes a Go start longer.
package sandbox

import (
	"context"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
)

// Stdio is where the payload reads and writes. Nil files are /dev/null.
type Stdio struct {
	In, Out, Err *os.File
	// Terminal gives the payload a terminal of its own: In is copied to it and its output to Out.
	Terminal bool
	// Console is the caller's terminal for Terminal: it is put into raw mode until the container
	// ends and its size is followed. Nil leaves everything as it is.
	Console *os.File
	// Width and Height are the first size of the terminal when Console is nil; 0 leaves it unset.
	Width, Height uint16
	// Owned says that In, Out and Err were made for this container, so that giving them to its user
	// harms nobody; the caller closes its ends after Start.
	Owned bool
}

// Request is one container to start.
type Request struct {
	// ID names the container: ASCII letters, digits, "_+-.".
	ID string
	// StateDir is a directory for this container's state alone, made when it is missing and removed
	// by Close.
	StateDir string
	// Rootfs is the mounted root filesystem.
	Rootfs  string
	Spec    *specs.Spec
	Mapping idmap.Mapping
	// Shift is that of the specification's user namespace, which lies in this process's; zero for none.
	Shift idmap.Shift
	Stdio Stdio
	// Owners shows the payload the image's owners in a single-id map; nil when the kernel does. It is
	// served until the container is gone; the caller closes it after Close.
	Owners *ownership.Supervisor
	// CgroupParent is the control group below which the container's is made; empty is found.
	CgroupParent string
	// Devices lets plain root's container open the devices it makes.
	Devices bool
	// Network is called once the namespaces exist, while the container is being prepared, with the
	// pid of its first process; the payload starts when it has returned. What it gives is closed
	// after the container's exit. Nil for a network without anything of ours.
	Network func(ctx context.Context, pid int) (io.Closer, error)
	// Ready is called when everything but the payload is there, with the pid it is going to have; an
	// error gives the start up. Nil for nothing.
	Ready func(pid int) error
}

// StartError tells that the payload could not be started, with Docker's exit status: 126 when it can
// not be invoked, 127 when it is not there, 125 for everything that is not the payload's fault.
type StartError struct {
	Status int
	Err    error
}

func (e *StartError) Error() string { return e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }
