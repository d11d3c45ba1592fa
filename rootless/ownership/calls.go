package ownership

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// call answers one system call; a are its arguments as the kernel got them.
type call func(w *worker, a *[6]uint64) answer

// The calls every architecture has under its own number. Ints come as the lower half of an argument.

func onNewfstatat(w *worker, a *[6]uint64) answer { return w.statAt(int32(a[0]), a[1], a[2], a[3]) }
func onFstat(w *worker, a *[6]uint64) answer      { return w.fstat(int32(a[0]), a[1]) }
func onStatx(w *worker, a *[6]uint64) answer {
	return w.statxAt(int32(a[0]), a[1], uint64(uint32(a[2])), uint64(uint32(a[3])), a[4])
}

func onFaccessat(w *worker, a *[6]uint64) answer {
	return w.accessAt(int32(a[0]), a[1], uint32(a[2]), 0)
}
func onFaccessat2(w *worker, a *[6]uint64) answer {
	return w.accessAt(int32(a[0]), a[1], uint32(a[2]), a[3])
}

func onFchown(w *worker, a *[6]uint64) answer {
	return w.fchown(int32(a[0]), uint32(a[1]), uint32(a[2]))
}
func onFchownat(w *worker, a *[6]uint64) answer {
	return w.chownAt(int32(a[0]), a[1], uint32(a[2]), uint32(a[3]), a[4])
}
func onFchmod(w *worker, a *[6]uint64) answer { return w.fchmod(int32(a[0]), uint32(a[1])) }
func onFchmodat(w *worker, a *[6]uint64) answer {
	return w.chmodAt(int32(a[0]), a[1], uint32(a[2]), 0)
}
func onFchmodat2(w *worker, a *[6]uint64) answer {
	return w.chmodAt(int32(a[0]), a[1], uint32(a[2]), a[3])
}

func onOpenat(w *worker, a *[6]uint64) answer {
	return w.openAt(int32(a[0]), a[1], uint64(uint32(a[2])), uint32(a[3]), nil)
}

// openHow is struct open_how of openat2(2).
type openHow struct{ flags, mode, resolve uint64 }

func onOpenat2(w *worker, a *[6]uint64) answer {
	var how openHow
	if a[3] < uint64(unsafe.Sizeof(how)) || w.readAll(a[2], unsafe.Slice((*byte)(unsafe.Pointer(&how)), unsafe.Sizeof(how))) != 0 {
		return proceed()
	}
	return w.openAt(int32(a[0]), a[1], how.flags, uint32(how.mode), &how)
}

func onMkdirat(w *worker, a *[6]uint64) answer { return w.mkdirAt(int32(a[0]), a[1], uint32(a[2])) }
func onMknodat(w *worker, a *[6]uint64) answer {
	return w.mknodAt(int32(a[0]), a[1], uint32(a[2]), uint64(uint32(a[3])))
}
func onSymlinkat(w *worker, a *[6]uint64) answer { return w.symlinkAt(a[0], int32(a[1]), a[2]) }
func onUnlinkat(w *worker, a *[6]uint64) answer  { return w.unlinkAt(int32(a[0]), a[1], a[2]) }
func onRenameat(w *worker, a *[6]uint64) answer {
	return w.renameAt(int32(a[0]), a[1], int32(a[2]), a[3])
}
func onLinkat(w *worker, a *[6]uint64) answer { return w.linkAt(int32(a[2]), a[3]) }

func onTruncate(w *worker, a *[6]uint64) answer {
	return w.permitAt(unix.AT_FDCWD, a[0], true, mayWrite)
}
func onChdir(w *worker, a *[6]uint64) answer { return w.permitAt(unix.AT_FDCWD, a[0], true, mayExec) }
func onUtimensat(w *worker, a *[6]uint64) answer {
	return w.permitOwner(int32(a[0]), a[1], a[3], a[2] == 0)
}

func onExecve(w *worker, a *[6]uint64) answer   { return w.execAt(unix.AT_FDCWD, a[0], 0) }
func onExecveat(w *worker, a *[6]uint64) answer { return w.execAt(int32(a[0]), a[1], a[4]) }

func onGetuid(w *worker, _ *[6]uint64) answer {
	return w.id(func(c *creds) uint32 { return c.ruid })
}
func onGeteuid(w *worker, _ *[6]uint64) answer {
	return w.id(func(c *creds) uint32 { return c.euid })
}
func onGetgid(w *worker, _ *[6]uint64) answer {
	return w.id(func(c *creds) uint32 { return c.rgid })
}
func onGetegid(w *worker, _ *[6]uint64) answer {
	return w.id(func(c *creds) uint32 { return c.egid })
}
func onGetresuid(w *worker, a *[6]uint64) answer {
	return w.threeIDs(a, func(c *creds) [3]uint32 { return [3]uint32{c.ruid, c.euid, c.suid} })
}
func onGetresgid(w *worker, a *[6]uint64) answer {
	return w.threeIDs(a, func(c *creds) [3]uint32 { return [3]uint32{c.rgid, c.egid, c.sgid} })
}
func onGetgroups(w *worker, a *[6]uint64) answer { return w.getgroups(int32(a[0]), a[1]) }

func onSetuid(w *worker, a *[6]uint64) answer {
	return w.change(func(c creds) (creds, unix.Errno) { return c.setuid(uint32(a[0])) })
}
func onSetreuid(w *worker, a *[6]uint64) answer {
	return w.change(func(c creds) (creds, unix.Errno) { return c.setreuid(uint32(a[0]), uint32(a[1])) })
}
func onSetresuid(w *worker, a *[6]uint64) answer {
	return w.change(func(c creds) (creds, unix.Errno) {
		return c.setresuid(uint32(a[0]), uint32(a[1]), uint32(a[2]))
	})
}
func onSetfsuid(w *worker, a *[6]uint64) answer {
	return w.setfs(func(c creds) creds { return c.setfsuid(uint32(a[0])) }, func(c *creds) uint32 { return c.fsuid })
}
func onSetgid(w *worker, a *[6]uint64) answer {
	return w.change(func(c creds) (creds, unix.Errno) { return c.setgid(uint32(a[0])) })
}
func onSetregid(w *worker, a *[6]uint64) answer {
	return w.change(func(c creds) (creds, unix.Errno) { return c.setregid(uint32(a[0]), uint32(a[1])) })
}
func onSetresgid(w *worker, a *[6]uint64) answer {
	return w.change(func(c creds) (creds, unix.Errno) {
		return c.setresgid(uint32(a[0]), uint32(a[1]), uint32(a[2]))
	})
}
func onSetfsgid(w *worker, a *[6]uint64) answer {
	return w.setfs(func(c creds) creds { return c.setfsgid(uint32(a[0])) }, func(c *creds) uint32 { return c.fsgid })
}
func onSetgroups(w *worker, a *[6]uint64) answer { return w.setgroups(int32(a[0]), a[1]) }

func onCapget(w *worker, a *[6]uint64) answer { return w.capget(a[0], a[1]) }
func onCapset(w *worker, a *[6]uint64) answer { return w.capset(a[0], a[1]) }
func onUmask(w *worker, a *[6]uint64) answer  { return w.setUmask(uint32(a[0])) }
func onPrctl(w *worker, a *[6]uint64) answer  { return w.prctl(uint64(uint32(a[0])), a[1]) }

func onGetrlimit(w *worker, a *[6]uint64) answer { return w.getLimit(a[1]) }
func onSetrlimit(*worker, *[6]uint64) answer     { return result(0) }
func onPrlimit64(w *worker, a *[6]uint64) answer { return w.getLimit(a[3]) }

func onChroot(w *worker, _ *[6]uint64) answer { return w.moveRoot(capChroot) }
func onNewMounts(w *worker, _ *[6]uint64) answer {
	return w.moveRoot(0)
}
func onClone3(w *worker, a *[6]uint64) answer {
	var b [8]byte
	if w.readAll(a[0], b[:]) == 0 && *(*uint64)(unsafe.Pointer(&b[0]))&unix.CLONE_NEWNS != 0 {
		return w.moveRoot(0)
	}
	return proceed()
}
func onPivotRoot(w *worker, _ *[6]uint64) answer {
	// It moves the root directories of all processes in the mount namespace.
	w.s.files.moved.Store(true)
	return proceed()
}

func onSetxattr(w *worker, a *[6]uint64) answer      { return w.setXattr(a[1], a[2], a[3]) }
func onGetxattr(w *worker, a *[6]uint64) answer      { return w.withoutXattr(a[1], unix.ENODATA) }
func onSetxattrat(w *worker, a *[6]uint64) answer    { return w.withoutXattr(a[3], unix.EPERM) }
func onGetxattrat(w *worker, a *[6]uint64) answer    { return w.withoutXattr(a[3], unix.ENODATA) }
func onRemovexattrat(w *worker, a *[6]uint64) answer { return w.withoutXattr(a[3], unix.ENODATA) }
func onListxattr(w *worker, a *[6]uint64) answer {
	return w.listXattrAt(unix.AT_FDCWD, a[0], 0, a[1], a[2])
}
func onLlistxattr(w *worker, a *[6]uint64) answer {
	return w.listXattrAt(unix.AT_FDCWD, a[0], unix.AT_SYMLINK_NOFOLLOW, a[1], a[2])
}
func onFlistxattr(w *worker, a *[6]uint64) answer { return w.flistXattr(int32(a[0]), a[1], a[2]) }
func onListxattrat(w *worker, a *[6]uint64) answer {
	return w.listXattrAt(int32(a[0]), a[1], a[2], a[3], a[4])
}

func onGetsockopt(w *worker, a *[6]uint64) answer { return w.peerCred(int32(a[0]), a[3], a[4]) }
func onBind(w *worker, a *[6]uint64) answer       { return w.bind(int32(a[0]), a[1], uint32(a[2])) }
