package sandbox

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// IsInit reports whether this process is libcontainer's init: main must then call Init before
// anything else. It is started by Start, in the namespaces of the container; a container's payload
// can not pretend to be it, because nothing of ours is executed inside.
func IsInit(argv []string) bool {
	return len(argv) == 2 && argv[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != ""
}

// Init becomes the first process of a container; it does not return. Killed at any point it leaves
// nothing: its parent sees the pipe close and takes the container down.
//
// The stages of nsexec have lost the parent-death signal, so it is set here. If the parent died
// before that, its end of the pipe is closed: its pid can not be compared, because a parent outside
// of the pid namespace always reads as 0.
func Init() {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // it lives for milliseconds
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		os.Exit(255)
	}
	fd, err := strconv.Atoi(os.Getenv("_LIBCONTAINER_INITPIPE"))
	if err != nil {
		os.Exit(255)
	}
	poll := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(poll, 0); err == nil && poll[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
		os.Exit(255)
	}
	defaultSignals()
	unix.Umask(0o022) // the caller's says nothing of the directories that are made inside
	libcontainer.Init()
}

// Role is Init for the table of roles in main.go: it reports false when something else is meant.
func Role() bool {
	if !IsInit(os.Args) {
		return false
	}
	Init()
	return true
}
