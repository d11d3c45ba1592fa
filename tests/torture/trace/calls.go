package trace

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// call is a system call that changes what others can see: files, mounts, namespaces, processes, locks,
// and what is said through sockets and pipes.
type call struct {
	name string
	path int // the argument that is a path, -1 for none
	// counts tells whether this one changes anything; nil is always.
	counts func(tid int, args [6]uint64) bool
}

var calls = map[uint64]call{
	unix.SYS_OPENAT: {"openat", 1, openFlags(2)}, unix.SYS_OPENAT2: {"openat2", 1, openHow},
	unix.SYS_RENAMEAT: {"renameat", 1, nil}, unix.SYS_RENAMEAT2: {"renameat2", 1, nil},
	unix.SYS_MKDIRAT: {"mkdirat", 1, nil}, unix.SYS_LINKAT: {"linkat", 1, nil}, unix.SYS_SYMLINKAT: {"symlinkat", 2, nil},
	unix.SYS_UNLINKAT: {"unlinkat", 1, nil}, unix.SYS_MKNODAT: {"mknodat", 1, nil},
	unix.SYS_FCHMOD: {"fchmod", -1, nil}, unix.SYS_FCHMODAT: {"fchmodat", 1, nil}, unix.SYS_FCHMODAT2: {"fchmodat2", 1, nil},
	unix.SYS_FCHOWN: {"fchown", -1, nil}, unix.SYS_FCHOWNAT: {"fchownat", 1, nil}, unix.SYS_UTIMENSAT: {"utimensat", 1, nil},
	unix.SYS_SETXATTR: {"setxattr", 0, nil}, unix.SYS_LSETXATTR: {"lsetxattr", 0, nil}, unix.SYS_FSETXATTR: {"fsetxattr", -1, nil},
	unix.SYS_REMOVEXATTR: {"removexattr", 0, nil}, unix.SYS_LREMOVEXATTR: {"lremovexattr", 0, nil}, unix.SYS_FREMOVEXATTR: {"fremovexattr", -1, nil},
	unix.SYS_WRITE: {"write", -1, tells}, unix.SYS_PWRITE64: {"pwrite64", -1, tells}, unix.SYS_WRITEV: {"writev", -1, tells},
	unix.SYS_PWRITEV: {"pwritev", -1, tells}, unix.SYS_PWRITEV2: {"pwritev2", -1, tells}, unix.SYS_SENDMSG: {"sendmsg", -1, nil},
	unix.SYS_SENDTO: {"sendto", -1, nil}, unix.SYS_COPY_FILE_RANGE: {"copy_file_range", -1, nil}, unix.SYS_SENDFILE: {"sendfile", -1, nil},
	unix.SYS_SPLICE: {"splice", -1, nil}, unix.SYS_FTRUNCATE: {"ftruncate", -1, nil}, unix.SYS_TRUNCATE: {"truncate", 0, nil},
	unix.SYS_FALLOCATE: {"fallocate", -1, nil}, unix.SYS_FSYNC: {"fsync", -1, nil}, unix.SYS_FDATASYNC: {"fdatasync", -1, nil},
	unix.SYS_SYNCFS: {"syncfs", -1, nil}, unix.SYS_SYNC_FILE_RANGE: {"sync_file_range", -1, nil}, unix.SYS_FLOCK: {"flock", -1, nil},
	unix.SYS_FCNTL: {"fcntl", -1, setsLock}, unix.SYS_IOCTL: {"ioctl", -1, clones},
	unix.SYS_MOUNT: {"mount", 1, nil}, unix.SYS_UMOUNT2: {"umount2", 0, nil}, unix.SYS_PIVOT_ROOT: {"pivot_root", 0, nil},
	unix.SYS_MOVE_MOUNT: {"move_mount", 3, nil}, unix.SYS_FSMOUNT: {"fsmount", -1, nil}, unix.SYS_FSCONFIG: {"fsconfig", -1, nil},
	unix.SYS_MOUNT_SETATTR: {"mount_setattr", -1, nil}, unix.SYS_UNSHARE: {"unshare", -1, nil}, unix.SYS_SETNS: {"setns", -1, nil},
	unix.SYS_CLONE: {"clone", -1, noThread}, unix.SYS_CLONE3: {"clone3", -1, noThread3}, unix.SYS_EXECVE: {"execve", 0, nil},
	unix.SYS_EXECVEAT: {"execveat", 1, nil}, unix.SYS_BIND: {"bind", -1, nil}, unix.SYS_CONNECT: {"connect", -1, nil},
	unix.SYS_KILL: {"kill", -1, nil}, unix.SYS_PIDFD_SEND_SIGNAL: {"pidfd_send_signal", -1, nil}, unix.SYS_EXIT_GROUP: {"exit_group", -1, nil},
}

const writing = unix.O_CREAT | unix.O_TRUNC

func openFlags(arg int) func(int, [6]uint64) bool {
	return func(_ int, args [6]uint64) bool {
		return args[arg]&writing != 0 || args[arg]&unix.O_TMPFILE == unix.O_TMPFILE
	}
}

func openHow(tid int, args [6]uint64) bool {
	flags, ok := peek(tid, args[2])
	return !ok || flags&writing != 0
}

// tells leaves out event descriptors, by which the Go runtime wakes itself.
func tells(tid int, args [6]uint64) bool {
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, args[0]))
	return err != nil || !strings.HasPrefix(to, "anon_inode:")
}

func setsLock(_ int, args [6]uint64) bool {
	switch args[1] {
	case unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		return true
	}
	return false
}

func clones(_ int, args [6]uint64) bool {
	return args[1] == unix.FICLONE || args[1] == unix.FICLONERANGE
}

func noThread(_ int, args [6]uint64) bool { return args[0]&unix.CLONE_THREAD == 0 }

func noThread3(tid int, args [6]uint64) bool {
	flags, ok := peek(tid, args[0])
	return !ok || flags&unix.CLONE_THREAD == 0
}

func peek(tid int, addr uint64) (uint64, bool) {
	b := read(tid, addr, 8)
	if len(b) < 8 {
		return 0, false
	}
	v := uint64(0)
	for i := 7; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, true
}

func read(tid int, addr uint64, n int) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", tid))
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, n)
	got, _ := f.ReadAt(b, int64(addr))
	return b[:got]
}

// describe is the call as a person reads it.
func (c call) describe(tid int, args [6]uint64) string {
	at := ""
	switch {
	case c.path >= 0:
		at, _, _ = strings.Cut(string(read(tid, args[c.path], 256)), "\x00")
	case strings.HasPrefix(c.name, "f") || strings.Contains(c.name, "write") || strings.HasPrefix(c.name, "send"):
		at, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, args[0]))
	}
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", tid))
	return fmt.Sprintf("%s(%s) by %s", c.name, at, bytes.TrimSpace(comm))
}
