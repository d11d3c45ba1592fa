package ownership

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The system calls the supervisor wants to hear of. What it does with each stands in calls, one
// table an architecture; calls of other architectures (i386 programs) are let through unchanged.

// everyCall are notified whatever their arguments are.
var everyCall = []string{
	"stat", "lstat", "fstat", "newfstatat", "statx",
	"access", "faccessat", "faccessat2",
	"chown", "lchown", "fchown", "fchownat",
	"chmod", "fchmod", "fchmodat", "fchmodat2",
	"creat", "openat2", "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat",
	"rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
	"execve", "execveat",
	"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups",
	"setuid", "setreuid", "setresuid", "setfsuid",
	"setgid", "setregid", "setresgid", "setfsgid", "setgroups",
	"capget", "capset", "umask",
	"setxattr", "lsetxattr", "fsetxattr", "setxattrat",
	"getxattr", "lgetxattr", "fgetxattr", "getxattrat",
	"listxattr", "llistxattr", "flistxattr", "listxattrat",
	"removexattr", "lremovexattr", "fremovexattr", "removexattrat",
	"chroot", "pivot_root", "setns", "clone3",
	"bind",
}

// strictCalls are notified in addition where the payload is not root from the start, so that it can
// be refused what is not its own.
var strictCalls = []string{
	"open", "openat", "link", "linkat",
	"truncate", "utime", "utimes", "futimesat", "utimensat", "chdir",
}

// someCalls are notified when an argument has a value or a bit.
var someCalls = []struct {
	name  string
	index uint
	value uint64
	bit   bool
}{
	{"open", 1, unix.O_CREAT, true},
	{"open", 1, unix.O_WRONLY, true},
	{"open", 1, unix.O_RDWR, true},
	{"open", 1, unix.O_TRUNC, true},
	{"open", 1, onlyTmpfile, true},
	{"openat", 2, unix.O_CREAT, true},
	{"openat", 2, unix.O_WRONLY, true},
	{"openat", 2, unix.O_RDWR, true},
	{"openat", 2, unix.O_TRUNC, true},
	{"openat", 2, onlyTmpfile, true},
	{"prctl", 0, unix.PR_SET_KEEPCAPS, false},
	{"prctl", 0, unix.PR_CAPBSET_DROP, false},
	{"prlimit64", 1, credLimit, false},
	{"getrlimit", 0, credLimit, false},
	{"ugetrlimit", 0, credLimit, false},
	{"setrlimit", 0, credLimit, false},
	{"clone", 0, unix.CLONE_NEWNS, true},
	{"unshare", 0, unix.CLONE_NEWNS, true},
}

// onlyTmpfile is the bit of O_TMPFILE that O_DIRECTORY does not have.
const onlyTmpfile = unix.O_TMPFILE &^ unix.O_DIRECTORY

// SupervisorSyscalls gives the rules for a payload that starts as root: names and conditions, all
// SCMP_ACT_NOTIFY, several for one name are alternatives. They are to be merged over a profile; a
// rule of the profile that denies must win.
func SupervisorSyscalls() *specs.LinuxSeccomp { return SupervisorSyscallsFor(0) }

// SupervisorSyscallsFor gives the rules for a payload that starts as uid. For another than root they
// are more, at the price of a notification for each open(2).
func SupervisorSyscallsFor(uid uint32) *specs.LinuxSeccomp {
	names := everyCall
	if uid != 0 {
		names = append(names[:len(names):len(names)], strictCalls...)
	}
	out := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Flags:         []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv},
		Syscalls:      []specs.LinuxSyscall{{Names: names, Action: specs.ActNotify}},
	}
	add := func(name string, args ...specs.LinuxSeccompArg) {
		out.Syscalls = append(out.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActNotify, Args: args})
	}
	for _, c := range someCalls {
		arg := specs.LinuxSeccompArg{Index: c.index, Value: c.value, Op: specs.OpEqualTo}
		if c.bit {
			arg.ValueTwo, arg.Op = c.value, specs.OpMaskedEqual
		}
		add(c.name, arg)
	}
	add("getsockopt",
		specs.LinuxSeccompArg{Index: 1, Value: unix.SOL_SOCKET, Op: specs.OpEqualTo},
		specs.LinuxSeccompArg{Index: 2, Value: unix.SO_PEERCRED, Op: specs.OpEqualTo})
	return out
}
