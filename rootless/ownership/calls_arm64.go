package ownership

import "golang.org/x/sys/unix"

const auditArch = 0xc00000b7 // AUDIT_ARCH_AARCH64

// calls by number.
var calls = [...]call{
	unix.SYS_GETRLIMIT: onGetrlimit, unix.SYS_SETRLIMIT: onSetrlimit,
	unix.SYS_FSTATAT: onNewfstatat, unix.SYS_FSTAT: onFstat, unix.SYS_STATX: onStatx,
	unix.SYS_FACCESSAT: onFaccessat, unix.SYS_FACCESSAT2: onFaccessat2,
	unix.SYS_FCHOWN: onFchown, unix.SYS_FCHOWNAT: onFchownat,
	unix.SYS_FCHMOD: onFchmod, unix.SYS_FCHMODAT: onFchmodat, unix.SYS_FCHMODAT2: onFchmodat2,
	unix.SYS_OPENAT: onOpenat, unix.SYS_OPENAT2: onOpenat2,
	unix.SYS_MKDIRAT: onMkdirat, unix.SYS_MKNODAT: onMknodat, unix.SYS_SYMLINKAT: onSymlinkat,
	unix.SYS_UNLINKAT: onUnlinkat, unix.SYS_RENAMEAT: onRenameat, unix.SYS_RENAMEAT2: onRenameat,
	unix.SYS_LINKAT: onLinkat, unix.SYS_TRUNCATE: onTruncate, unix.SYS_CHDIR: onChdir,
	unix.SYS_UTIMENSAT: onUtimensat,
	unix.SYS_EXECVE:    onExecve, unix.SYS_EXECVEAT: onExecveat,
	unix.SYS_GETUID: onGetuid, unix.SYS_GETEUID: onGeteuid, unix.SYS_GETGID: onGetgid,
	unix.SYS_GETEGID: onGetegid, unix.SYS_GETRESUID: onGetresuid, unix.SYS_GETRESGID: onGetresgid,
	unix.SYS_GETGROUPS: onGetgroups,
	unix.SYS_SETUID:    onSetuid, unix.SYS_SETREUID: onSetreuid, unix.SYS_SETRESUID: onSetresuid,
	unix.SYS_SETFSUID: onSetfsuid, unix.SYS_SETGID: onSetgid, unix.SYS_SETREGID: onSetregid,
	unix.SYS_SETRESGID: onSetresgid, unix.SYS_SETFSGID: onSetfsgid, unix.SYS_SETGROUPS: onSetgroups,
	unix.SYS_CAPGET: onCapget, unix.SYS_CAPSET: onCapset, unix.SYS_UMASK: onUmask,
	unix.SYS_PRCTL: onPrctl, unix.SYS_PRLIMIT64: onPrlimit64,
	unix.SYS_CHROOT: onChroot, unix.SYS_PIVOT_ROOT: onPivotRoot, unix.SYS_SETNS: onNewMounts,
	unix.SYS_UNSHARE: onNewMounts, unix.SYS_CLONE: onNewMounts, unix.SYS_CLONE3: onClone3,
	unix.SYS_SETXATTR: onSetxattr, unix.SYS_LSETXATTR: onSetxattr, unix.SYS_FSETXATTR: onSetxattr,
	unix.SYS_GETXATTR: onGetxattr, unix.SYS_LGETXATTR: onGetxattr, unix.SYS_FGETXATTR: onGetxattr,
	unix.SYS_REMOVEXATTR: onGetxattr, unix.SYS_LREMOVEXATTR: onGetxattr, unix.SYS_FREMOVEXATTR: onGetxattr,
	unix.SYS_LISTXATTR: onListxattr, unix.SYS_LLISTXATTR: onLlistxattr, unix.SYS_FLISTXATTR: onFlistxattr,
	sysSetxattrat: onSetxattrat, sysGetxattrat: onGetxattrat, sysListxattrat: onListxattrat,
	sysRemovexattrat:    onRemovexattrat,
	unix.SYS_GETSOCKOPT: onGetsockopt, unix.SYS_BIND: onBind,
}

// statOf gives struct stat as newfstatat(2) does.
func statOf(stx *unix.Statx_t) unix.Stat_t {
	return unix.Stat_t{
		Dev: unix.Mkdev(stx.Dev_major, stx.Dev_minor), Ino: stx.Ino, Nlink: stx.Nlink, Mode: uint32(stx.Mode),
		Uid: stx.Uid, Gid: stx.Gid, Rdev: unix.Mkdev(stx.Rdev_major, stx.Rdev_minor),
		Size: int64(stx.Size), Blksize: int32(stx.Blksize), Blocks: int64(stx.Blocks),
		Atim: timespecOf(stx.Atime), Mtim: timespecOf(stx.Mtime), Ctim: timespecOf(stx.Ctime),
	}
}

// foreignLimit tells whether a 32-bit call is about the limit that carries credentials.
func foreignLimit(n *notification) bool {
	const arm = 0x40000028
	if n.arch != arm {
		return false
	}
	switch n.nr {
	case 75, 76, 191: // setrlimit, getrlimit, ugetrlimit
		return uint32(n.args[0]) == credLimit
	case 369: // prlimit64
		return uint32(n.args[1]) == credLimit
	}
	return false
}
