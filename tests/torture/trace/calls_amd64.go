package trace

import "golang.org/x/sys/unix"

// The calls that only amd64 has: elsewhere the C library says them with the ones that end in "at".
func init() {
	for nr, c := range map[uint64]call{
		unix.SYS_OPEN: {"open", 0, openFlags(1)}, unix.SYS_CREAT: {"creat", 0, nil},
		unix.SYS_RENAME: {"rename", 0, nil}, unix.SYS_MKDIR: {"mkdir", 0, nil}, unix.SYS_RMDIR: {"rmdir", 0, nil},
		unix.SYS_LINK: {"link", 0, nil}, unix.SYS_SYMLINK: {"symlink", 1, nil}, unix.SYS_UNLINK: {"unlink", 0, nil},
		unix.SYS_MKNOD: {"mknod", 0, nil}, unix.SYS_CHMOD: {"chmod", 0, nil}, unix.SYS_CHOWN: {"chown", 0, nil},
		unix.SYS_LCHOWN: {"lchown", 0, nil}, unix.SYS_UTIMES: {"utimes", 0, nil},
		unix.SYS_FORK: {"fork", -1, nil}, unix.SYS_VFORK: {"vfork", -1, nil},
	} {
		calls[nr] = c
	}
}
