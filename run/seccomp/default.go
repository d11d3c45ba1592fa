package seccomp

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The table below says what Docker's default profile says (moby/profiles, seccomp/default.json, as
// of 2026): everything fails with EPERM but what is listed. A test keeps it from losing calls.

// always are the calls every process may make.
const always = `
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat
dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64
fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv
futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority
getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid
getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents
io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule
landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount
listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise
map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock
munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause
pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe
rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr
sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64
sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32
setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask
sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid
waitpid write writev`

// byCapability are the calls that a capability of the bounding set unlocks.
var byCapability = []struct{ capability, names string }{
	{"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
	{"CAP_SYS_ADMIN", `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie
		lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree
		perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`},
	{"CAP_SYS_BOOT", "reboot"},
	{"CAP_SYS_CHROOT", "chroot"},
	{"CAP_SYS_MODULE", "delete_module init_module finit_module"},
	{"CAP_SYS_PACCT", "acct"},
	{"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
	{"CAP_SYS_RAWIO", "iopl ioperm"},
	{"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
	{"CAP_SYS_TTY_CONFIG", "vhangup"},
	{"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{"CAP_SYSLOG", "syslog"},
	{"CAP_BPF", "bpf"},
	{"CAP_PERFMON", "perf_event_open"},
}

// byArch are the calls of some processors only, by GOARCH.
var byArch = []struct {
	archs []string
	names string
}{
	{[]string{"ppc64le"}, "sync_file_range2 swapcontext"},
	{[]string{"arm", "arm64"}, "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},
	{[]string{"amd64"}, "arch_prctl"},
	{[]string{"386", "amd64"}, "modify_ldt"},
	{[]string{"s390x"}, "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"},
	{[]string{"riscv64"}, "riscv_flush_icache"},
}

// The address families that socket(2) may open: all that exist but AF_ALG (38) and AF_VSOCK (40)
// and those that kernels no longer have, or are about to lose. AF_UNSPEC (0) gets the kernel's own refusal.
// socketcall(2) hides them from a filter.
func families() (list []uint64) {
	for family := uint64(unix.AF_UNSPEC); family <= unix.AF_MCTP; family++ {
		switch family {
		case unix.AF_AX25, unix.AF_IPX, unix.AF_APPLETALK, unix.AF_NETROM, unix.AF_ROSE, unix.AF_DECnet,
			unix.AF_ECONET, unix.AF_ATMSVC, unix.AF_IRDA, unix.AF_WANPIPE, unix.AF_ISDN, unix.AF_CAIF,
			unix.AF_ALG, unix.AF_VSOCK:
		default:
			list = append(list, family)
		}
	}
	return list
}

// personalities are PER_LINUX, PER_LINUX32, UNAME26 with either, and the query.
var personalities = []uint64{0x0, 0x0008, 0x20000, 0x20008, 0xffffffff}

// namespaces are the flags of clone(2) that make namespaces.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// defaultProfile is Docker's default profile with its conditions still open.
func defaultProfile() *Profile {
	allow := func(names string, when conditions, args ...specs.LinuxSeccompArg) group {
		return group{
			LinuxSyscall: specs.LinuxSyscall{Names: strings.Fields(names), Action: specs.ActAllow, Args: args},
			Includes:     when,
		}
	}
	is := func(value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: 0, Value: value, Op: specs.OpEqualTo}
	}
	p := &Profile{DefaultAction: specs.ActErrno, DefaultErrnoRet: errno(unix.EPERM)}
	p.ArchMap = defaultArchs
	add := func(g group) { p.Syscalls = append(p.Syscalls, g) }

	add(allow(always, conditions{}))
	// Before 4.8 a tracer could change a call behind the filter.
	add(allow("process_vm_readv process_vm_writev ptrace", conditions{MinKernel: &KernelVersion{4, 8}}))
	for _, family := range families() {
		add(allow("socket", conditions{}, is(family)))
	}
	for _, personality := range personalities {
		add(allow("personality", conditions{}, is(personality)))
	}
	for _, a := range byArch {
		add(allow(a.names, conditions{Arches: a.archs}))
	}
	for _, c := range byCapability {
		add(allow(c.names, conditions{Caps: []string{c.capability}}))
	}
	// clone3's flags are behind a pointer: with ENOSYS C libraries fall back to clone.
	admin := conditions{Caps: []string{"CAP_SYS_ADMIN"}}
	s390 := []string{"s390x"} // clone's arguments are the other way round there
	noNamespaces := func(index uint) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Value: namespaces, ValueTwo: 0, Op: specs.OpMaskedEqual}
	}
	g := allow("clone", conditions{}, noNamespaces(0))
	g.Excludes = conditions{Caps: admin.Caps, Arches: s390}
	add(g)
	g = allow("clone", conditions{Arches: s390}, noNamespaces(1))
	g.Excludes = admin
	add(g)
	add(group{
		LinuxSyscall: specs.LinuxSyscall{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: errno(unix.ENOSYS)},
		Excludes:     admin,
	})
	return p
}

func errno(e unix.Errno) *uint {
	n := uint(e)
	return &n
}
