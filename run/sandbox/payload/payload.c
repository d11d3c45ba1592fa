/* The child of payload.go between clone(2) and execve(2).
 *
 * It shares the memory of a Go process and the thread-local storage of the thread that made it, which
 * makes no call into C until the child has executed its program. So: no allocation, no stdio, nothing
 * that locks, and system calls by number where the C library would tell other threads (setuid(2)). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
/* linux/mount.h, which does not go with sys/mount.h everywhere */
#ifndef FSOPEN_CLOEXEC
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

/* What the caller's limit was before the Go runtime raised it, which a payload gets again. */
struct rlimit dhow_payload_nofile;

__attribute__((constructor)) static void remember_limit(void)
{
	(void)getrlimit(RLIMIT_NOFILE, &dhow_payload_nofile);
}

/* struct sigaction of the kernel, which is not the C library's */
struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static int say(struct payload *p, int step, int error, const int *fds, size_t n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct payload_word w = { step, error };
	struct iovec word = { &w, sizeof(w) };
	struct msghdr m = { .msg_iov = &word, .msg_iovlen = 1 };

	if (n > 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	}
	/* Without descriptors by the call that every profile allows. */
	while ((n > 0 ? syscall(SYS_sendmsg, p->here, &m, MSG_NOSIGNAL) : syscall(SYS_write, p->here, &w, sizeof(w))) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

__attribute__((noreturn)) static void fail(struct payload *p, int step)
{
	(void)say(p, step, errno, NULL, 0);
	_exit(255);
}

/* Waits for a byte; without one nobody is interested any more. */
static void wait_go(struct payload *p)
{
	char c;
	ssize_t n;

	do
		n = syscall(SYS_read, p->here, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(255);
}

/* The last permission brings the standard streams and the root: this process's descriptors are those of
 * the moment it was made. */
static void take(struct payload *p, int fds[4])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char c;
	struct iovec byte = { &c, 1 };
	struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	const size_t want = (p->pivot ? 4 : 3) * sizeof(int);
	ssize_t n;

	do
		n = syscall(SYS_recvmsg, p->here, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		_exit(255);
	if (n < 0)
		fail(p, STEP_STDIO);
	if (m.msg_controllen < CMSG_LEN(want) || control.header.cmsg_len != CMSG_LEN(want) ||
	    control.header.cmsg_type != SCM_RIGHTS) {
		errno = EBADMSG;
		fail(p, STEP_STDIO);
	}
	memcpy(fds, CMSG_DATA(&control.header), want);
}

/* The filesystem proc shows the processes of the pid namespace that its maker is in: so the child makes
 * it, though another mounts it. Options are "key=value" or "key". */
static int make_proc(struct payload *p)
{
	char *const *o;
	int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC), mnt;

	if (fs < 0)
		fail(p, STEP_PROC);
	for (o = p->proc; *o; o++) {
		char *value = strchr(*o, '=');

		if (value)
			*value++ = '\0';
		if (syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, *o, value, 0) < 0)
			fail(p, STEP_PROC);
	}
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		fail(p, STEP_PROC);
	mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)p->proc_attrs);
	if (mnt < 0)
		fail(p, STEP_PROC);
	close(fs);
	return mnt;
}

/* A payload begins with every signal at its default and none blocked, whatever this process, its
 * caller or the C library ignores: dispositions survive execve(2). */
static void default_signals(void)
{
	const struct kernel_action dfl = { .handler = SIG_DFL };
	int sig;

	for (sig = 1; sig <= 64; sig++)
		(void)syscall(SYS_rt_sigaction, sig, &dfl, NULL, sizeof(dfl.mask));
}

static void enter_root(struct payload *p, int root)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		fail(p, STEP_ROOT);
}

/* Keeps 0, 1, 2 and the socket, which becomes 3. A descriptor of the host, even one that is closed on
 * execve(2), would be a way out while names are resolved in the container: "/proc/self/fd/N/.." may be
 * the path of its program (CVE-2024-21626). */
static void close_all(struct payload *p)
{
	if (p->here != 3) {
		if (dup3(p->here, 3, O_CLOEXEC) < 0)
			fail(p, STEP_STDIO);
		p->here = 3;
	}
	if (syscall(SYS_close_range, 4U, ~0U, 0) < 0)
		fail(p, STEP_STDIO);
}

static void stdio(struct payload *p, const int fds[3])
{
	int i;

	for (i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			fail(p, STEP_STDIO);
	if (setsid() < 0)
		fail(p, STEP_SESSION);
	if (p->terminal && ioctl(0, TIOCSCTTY, 0) < 0)
		fail(p, STEP_TERMINAL);
}

/* The permissions in "type;uid;gid;perm;description". */
static int key_mode(long key, uint32_t *mode)
{
	char said[256];
	long n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, said, sizeof(said) - 1);
	const char *at = said;
	int i;

	if (n < 0)
		return -1;
	said[n < (long)sizeof(said) ? n : (long)sizeof(said) - 1] = '\0';
	for (i = 0; i < 3; i++) {
		at = strchr(at, ';');
		if (!at)
			return errno = EINVAL, -1;
		at++;
	}
	*mode = 0;
	for (; *at && *at != ';'; at++) {
		const char *digit = strchr("0123456789abcdef", *at);

		if (!digit)
			return errno = EINVAL, -1;
		*mode = *mode << 4 | (uint32_t)(strchr("0123456789abcdef", *at) - "0123456789abcdef");
	}
	return 0;
}

static void keyring(struct payload *p)
{
	uint32_t mode;
	long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, p->keyring);

	if (key < 0) {
		if (errno != ENOSYS)
			fail(p, STEP_KEYRING);
		return;
	}
	if (p->keyring_add == 0)
		return;
	if (key_mode(key, &mode) < 0 || syscall(SYS_keyctl, KEYCTL_SETPERM, key, mode | p->keyring_add) < 0)
		fail(p, STEP_KEYRING_MODE);
}

static void filter(struct payload *p)
{
	struct {
		unsigned short len;
		const uint8_t *code;
	} program = { p->filter_len, p->filter };
	int listener;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->filter_flags, &program);

	if (fd < 0)
		fail(p, STEP_SECCOMP);
	if (!p->listener)
		return;
	listener = (int)fd;
	if (say(p, STEP_LISTENER, 0, &listener, 1) < 0)
		_exit(255);
	wait_go(p);
	close(listener);
}

static void drop_bounding(struct payload *p)
{
	int cap;

	for (cap = 0; cap < 64; cap++) {
		if (p->bounding & (1ULL << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				return; /* the kernel has no more */
			fail(p, STEP_BOUNDING);
		}
	}
}

static void capabilities(struct payload *p)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2], had[2] = { 0 };
	int i;

	if (p->guard_caps && syscall(SYS_capget, &header, had) < 0)
		fail(p, STEP_CAPS);
	for (i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(p->effective >> (32 * i));
		data[i].permitted = (uint32_t)(p->permitted >> (32 * i)) |
				    (had[i].permitted & ~(uint32_t)(p->bounding >> (32 * i)));
		data[i].inheritable = (uint32_t)(p->inheritable >> (32 * i));
	}
	if (!p->leave_caps && syscall(SYS_capset, &header, data) < 0)
		fail(p, STEP_CAPS);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		fail(p, STEP_CAPS);
	for (i = 0; i < 64; i++)
		if (p->ambient & (1ULL << i))
			(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
}

static void become(struct payload *p)
{
	char here[4096];
	int again = 0;
	long n;

	/* As dhow first, then as the payload: either may be the one who can. */
	if (chdir(p->cwd) < 0) {
		if (errno != EACCES && errno != EPERM)
			fail(p, STEP_CHDIR);
		again = 1;
	}
	drop_bounding(p);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		fail(p, STEP_CAPS);
	if (p->set_groups && syscall(SYS_setgroups, (long)p->ngroups, p->groups) < 0)
		fail(p, STEP_GROUPS);
	if (syscall(SYS_setgid, p->gid) < 0)
		fail(p, STEP_GID);
	if (syscall(SYS_setuid, p->uid) < 0)
		fail(p, STEP_UID);
	/* As long as it has all capabilities nobody in a container can look into it, which may be to look into
	 * dhow. execve(2) takes this back. */
	if (p->hide && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		fail(p, STEP_PARENT);
	if (again && chdir(p->cwd) < 0)
		fail(p, STEP_CHDIR);
	/* A descriptor of the host in the path, /proc/self/fd/N, would lead out (CVE-2024-21626):
	 * getcwd(2) says "(unreachable)" then. */
	n = syscall(SYS_getcwd, here, sizeof(here));
	if (n < 0)
		fail(p, STEP_OUTSIDE);
	if (here[0] != '/') {
		errno = 0;
		fail(p, STEP_OUTSIDE);
	}
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		fail(p, STEP_CAPS);
	capabilities(p);
}

/* Other credentials have cleared the parent-death signal, if they did not the parent may have died
 * before it was set. */
static void tie_to_parent(struct payload *p)
{
	struct pollfd parent = { .fd = p->here };
	const struct timespec at_once = { 0, 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail(p, STEP_PARENT);
	if (syscall(SYS_ppoll, &parent, 1, &at_once, NULL, 8) > 0 && (parent.revents & POLLHUP))
		_exit(255);
}

static int executable(const char *name)
{
	struct stat st;

	if (stat(name, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return errno = EISDIR, -1;
	if (syscall(SYS_faccessat2, AT_FDCWD, name, X_OK, AT_EACCESS) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return -1;
	/* a kernel or a filter without that call: root may execute what has any bit */
	if (st.st_mode & 0111)
		return 0;
	return errno = EACCES, -1;
}

/* The program of argv[0], as exec.LookPath finds it: a directory named "" is this one, which is
 * refused when something is there. */
static const char *look(struct payload *p, char *found, size_t size)
{
	const char *name = p->argv[0], *dir = p->path, *end;
	struct stat st;

	if (strchr(name, '/')) {
		if (executable(name) == 0)
			return name;
		fail(p, stat(name, &st) < 0 ? STEP_STAT : STEP_ACCESS);
	}
	for (; *name && dir; dir = *end ? end + 1 : NULL) {
		size_t len;

		end = strchr(dir, ':');
		if (!end)
			end = dir + strlen(dir);
		len = (size_t)(end - dir);
		if (len == 0 || dir[0] != '/')
			continue;
		if (len + 1 + strlen(name) + 1 > size)
			continue;
		memcpy(found, dir, len);
		found[len] = '/';
		strcpy(found + len + 1, name);
		if (executable(found) == 0)
			return found;
	}
	errno = ENOENT;
	fail(p, STEP_SEARCH);
}

/* strerror(3) takes locks. */
static const char *cause(int error)
{
	switch (error) {
	case ENOENT: return "no such file or directory";
	case ENOEXEC: return "exec format error";
	case EACCES: return "permission denied";
	case EPERM: return "operation not permitted";
	case E2BIG: return "argument list too long";
	case ELOOP: return "too many levels of symbolic links";
	case ENAMETOOLONG: return "file name too long";
	case ENOTDIR: return "not a directory";
	case EISDIR: return "is a directory";
	case ETXTBSY: return "text file busy";
	case ENOMEM: return "cannot allocate memory";
	case EIO: return "input/output error";
	case EINVAL: return "invalid argument";
	case ELIBBAD: return "accessing a corrupted shared library";
	}
	return "it can not be executed";
}

/* What only execve(2) finds, an interpreter that is missing, is said where the payload would speak, as
 * docker's containers do: "exec /bin/odd: no such file or directory". */
static void complain(const char *program)
{
	const char *const parts[] = { "exec ", program, ": ", cause(errno), "\n" };
	char said[4096 + 128];
	size_t n = 0, i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(parts[i]);

		if (len > sizeof(said) - n)
			len = sizeof(said) - n;
		memcpy(said + n, parts[i], len);
		n += len;
	}
	(void)!syscall(SYS_write, 2, said, n);
}

static int child(void *arg)
{
	struct payload *p = arg;
	const uint64_t none = 0;
	char found[4096];
	const char *program;
	int fds[4];
	size_t n = 0;

	close_all(p);
	default_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail(p, STEP_PARENT);
	wait_go(p); /* it has its control group */
	/* Processes of the container that see this one could trace it when it has become their equal.
	 * execve(2) takes this back. */
	if (p->hide_early && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		fail(p, STEP_PARENT);
	if (p->proc)
		fds[n++] = make_proc(p);
	if (p->cgroupns) {
		if (unshare(CLONE_NEWCGROUP) < 0 ||
		    (fds[n] = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC)) < 0)
			fail(p, STEP_CGROUP);
		n++;
	}
	if (p->keyring)
		keyring(p);
	if (say(p, STEP_READY, 0, fds, n) < 0)
		_exit(255);
	close_all(p);
	take(p, fds); /* everything is made */
	stdio(p, fds);
	if (p->pivot)
		enter_root(p, fds[3]);
	close_all(p);
	umask((mode_t)p->umask);
	if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(p, STEP_NO_NEW_PRIVS);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	/* Without no_new_privs loading a filter takes a capability; with it, it comes as late as can be,
	 * so that a profile need not allow what happens here. */
	if (p->filter && !p->no_new_privs)
		filter(p);
	become(p);
	tie_to_parent(p);
	program = look(p, found, sizeof(found));
	if (say(p, STEP_LAST, 0, NULL, 0) < 0)
		_exit(255);
	wait_go(p);
	if (p->filter && p->no_new_privs)
		filter(p);
	execve(program, p->argv, p->envp);
	complain(program);
	_exit(255);
}

long dhow_payload_start(struct payload *p)
{
	const uint64_t all = ~0ULL;
	uint64_t mask;
	int flags = (int)p->clone_flags | SIGCHLD | (p->own_memory ? 0 : CLONE_VM);
	long pid;

	/* The first page is none: a stack that is too small is to end the child, not to write elsewhere. */
	p->stack = mmap(NULL, PAYLOAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (p->stack == MAP_FAILED) {
		p->stack = NULL;
		return -errno;
	}
	if (mprotect(p->stack, 4096, PROT_NONE) < 0)
		return -errno;
	/* A handler of the Go runtime must not run in the child. */
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(mask));
	pid = clone(child, (char *)p->stack + PAYLOAD_STACK, flags, p);
	if (pid < 0)
		pid = -errno;
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	return pid;
}

void dhow_payload_free(struct payload *p)
{
	if (p->stack)
		munmap(p->stack, PAYLOAD_STACK);
	p->stack = NULL;
}

/* It must not fail in a system call: errno is that of the thread that made it, which goes on. */
__attribute__((noreturn)) static int keep(void *arg)
{
	struct pollfd ended = { .fd = 0, .events = POLLIN };

	(void)syscall(SYS_dup3, (int)(intptr_t)arg, 0, 0);
	(void)syscall(SYS_close_range, 1U, ~0U, 0);
	(void)syscall(SYS_setsid);
	(void)syscall(SYS_ppoll, &ended, 1, NULL, NULL, 8);
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

long dhow_keeper_start(int pidfd, void **stack)
{
	const uint64_t all = ~0ULL;
	uint64_t mask;
	long pid;

	*stack = mmap(NULL, PAYLOAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (*stack == MAP_FAILED)
		return -errno;
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(mask));
	pid = clone(keep, (char *)*stack + PAYLOAD_STACK, CLONE_VM, (void *)(intptr_t)pidfd);
	if (pid < 0) {
		pid = -errno;
		dhow_keeper_free(*stack);
	}
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	return pid;
}

void dhow_keeper_free(void *stack)
{
	munmap(stack, PAYLOAD_STACK);
}
