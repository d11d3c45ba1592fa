package sandbox

import (
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// defaultSignals lets the payload begin with no signal ignored, whatever its monitor, nohup(1) or the
// shell that put dhow into the background ignores: dispositions survive execve(2), and a program that
// finds SIGINT ignored leaves it so – Ctrl-C would reach nothing in the container. A signal with a
// handler has its default after execve, so each gets one. Go does that itself for all but these.
func defaultSignals() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGWINCH, unix.SIGURG)
	for _, own := range []uintptr{32, 33} {
		heed(own)
	}
}

// heed takes back that one of the C library's own signals is ignored: glibc's posix_spawn(3) leaves
// every child so, make(1)'s among them, and neither glibc nor Go let go of it. Where it is not ignored,
// this process may be using it.
func heed(sig uintptr) {
	const setBytes = 8
	var is, none struct { // rt_sigaction(2), as the kernel has it
		handler, flags, restorer uintptr
		mask                     [setBytes]byte
	}
	_, _, err := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&is)), setBytes, 0, 0)
	if ignored := uintptr(1); err == 0 && is.handler == ignored {
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&none)), 0, setBytes, 0, 0)
	}
}
