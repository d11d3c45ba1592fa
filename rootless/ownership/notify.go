package ownership

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/kernel"
)

// The listener's side of seccomp_unotify(2); structures and numbers of <linux/seccomp.h>.

const (
	ioctlRecv     = 0xc0502100
	ioctlSend     = 0xc0182101
	ioctlIDValid  = 0x40082102
	ioctlAddFD    = 0x40182103
	ioctlSetFlags = 0x40082104

	flagContinue   = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE
	flagAddFDSend  = 2 // SECCOMP_ADDFD_FLAG_SEND
	flagSyncWakeUp = 1 // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6
)

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	pid   uint32 // the thread that called, as the supervisor sees it
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// addFD is struct seccomp_notif_addfd.
type addFD struct {
	id         uint64
	flags      uint32
	srcfd      uint32
	newfd      uint32
	newfdFlags uint32
}

// receive blocks until a process calls.
func receive(fd int, n *notification) unix.Errno {
	*n = notification{} // the kernel insists
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlRecv, uintptr(unsafe.Pointer(n)))
	return e
}

func send(fd int, r *response) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), ioctlSend, uintptr(unsafe.Pointer(r)))
	return e
}

// valid tells whether the calling thread still waits: what was read of it before was its own.
func valid(fd int, id uint64) bool {
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), ioctlIDValid, uintptr(unsafe.Pointer(&id)))
	return e == 0
}

// sendFD installs src in the calling process and answers the call with its number.
func sendFD(fd int, id uint64, src int, cloexec bool) unix.Errno {
	a := addFD{id: id, flags: flagAddFDSend, srcfd: uint32(src)}
	if cloexec {
		a.newfdFlags = unix.O_CLOEXEC
	}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlAddFD, uintptr(unsafe.Pointer(&a)))
	return e
}

// setSyncWakeUp makes the kernel hand the processor over between caller and supervisor, where it can (Linux
// 6.6).
func setSyncWakeUp(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), ioctlSetFlags, flagSyncWakeUp)
}

// receiveEnds reports whether receive ends when no process is left ("seccomp: interrupt
// SECCOMP_IOCTL_NOTIF_RECV when all users have exited", Linux 6.11). A variable for the tests.
var receiveEnds = func() bool { return kernel.AtLeast(6, 11, false) }

// wait polls until a process calls or none is left, which it tells by false. An error alone is that of a
// lock in the kernel that a signal interrupted.
func wait(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || p[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0:
			return false
		case p[0].Revents&unix.POLLIN != 0:
			return true
		}
	}
}

// called tells whether a call waits to be received.
func called(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&unix.POLLIN != 0
}

// orphaned tells whether no process is left that could call.
func orphaned(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0
}
