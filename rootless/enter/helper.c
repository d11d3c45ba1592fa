/* Running newuidmap(1), newgidmap(1) and getsubids(1).
 *
 * They are set-user-ID or carry file capabilities, so they are started before this process leaves
 * its user namespace – inside, they would gain nothing – and wait for one byte. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enter.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* PATH belongs to whoever started us; these places belong to the system. The last two are where
 * NixOS and Guix keep privileged wrappers. */
static const char *const places[] = { "/usr/bin",  "/bin",           "/usr/sbin",
				      "/sbin",     "/usr/local/bin", "/usr/local/sbin",
				      "/run/wrappers/bin", "/run/privileged/bin", NULL };

static char *const helper_env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL };

const char *enter_trusted(const char *name)
{
	static char paths[4][64];
	static int next;
	char *path = paths[next++ % 4];
	const char *const *p;
	struct stat st;

	for (p = places; *p; p++) {
		snprintf(path, sizeof(paths[0]), "%s/%s", *p, name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 022) &&
		    (st.st_mode & 0111))
			return path;
	}
	return NULL;
}

/* The child's half up to the byte. Returns only when it may go on. */
static void child_start(int go, int out)
{
	sigset_t none;
	char c;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* End of file: the parent gave up or is dead. */
	while (read(go, &c, 1) != 1)
		if (errno != EINTR)
			_exit(0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	/* What the caller left open to us is nothing to a privileged program. */
	(void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
}

static pid_t start(struct enter_helper *h, int *go, int *out)
{
	int gopipe[2], outpipe[2], saved;

	h->pid = -1;
	h->go = h->out = -1;
	if (pipe2(gopipe, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(outpipe, O_CLOEXEC) < 0) {
		saved = errno;
		close(gopipe[0]);
		close(gopipe[1]);
		errno = saved;
		return -1;
	}
	h->pid = fork();
	if (h->pid == 0) {
		/* or the child would hold its own pipe open and never see its end */
		close(gopipe[1]);
		close(outpipe[0]);
		*go = gopipe[0];
		*out = outpipe[1];
		return 0;
	}
	saved = errno;
	close(gopipe[0]);
	close(outpipe[1]);
	h->go = gopipe[1];
	h->out = outpipe[0];
	if (h->pid < 0) {
		close(h->go);
		close(h->out);
	}
	errno = saved;
	return h->pid;
}

int enter_spawn(struct enter_helper *h, const char *path, char *const argv[])
{
	int go, out;

	if (start(h, &go, &out) != 0)
		return h->pid < 0 ? -1 : 0;
	child_start(go, out);
	execve(path, argv, helper_env);
	dprintf(2, "%s: %s", path, strerror(errno));
	_exit(126);
}

/* Root needs no helper program: a child that stays outside writes the maps itself. */
int enter_spawn_writer(struct enter_helper *h, pid_t pid, const char *uids, const char *gids)
{
	char path[64];
	int go, out;

	if (start(h, &go, &out) != 0)
		return h->pid < 0 ? -1 : 0;
	child_start(go, out);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	if (enter_write(path, uids) < 0) {
		dprintf(2, "writing the uid map: %s", strerror(errno));
		_exit(1);
	}
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	if (enter_write(path, gids) < 0) {
		dprintf(2, "writing the gid map: %s", strerror(errno));
		_exit(1);
	}
	_exit(0);
}

void enter_go(struct enter_helper *h)
{
	if (h->pid > 0)
		while (write(h->go, "", 1) < 0 && errno == EINTR)
			;
}

int enter_wait(struct enter_helper *h, char *out, size_t size)
{
	char rest[256];
	size_t len = 0;
	ssize_t n;
	int status = 0;
	pid_t pid;

	if (size > 0)
		out[0] = '\0';
	if (h->pid <= 0)
		return -1;
	close(h->go);
	for (;;) {
		int room = len + 1 < size;

		n = read(h->out, room ? out + len : rest, room ? size - 1 - len : sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (room)
			len += (size_t)n;
	}
	if (size > 0)
		out[len] = '\0';
	close(h->out);
	do
		pid = waitpid(h->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	h->pid = -1;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
