/* Pid 1 of a container that asked for an init. See reaper.go. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "/sbin/docker-init"

/* What execvp said, as a shell's status; the message is docker-init's (tini) in kind. */
static void run(char **argv, const sigset_t *mask)
{
	int err;

	/* A process group of its own, in the foreground of the terminal if there is one: what a shell
	 * would give its job, so that Ctrl-C reaches the payload and not us. */
	setpgid(0, 0);
	if (isatty(0)) {
		signal(SIGTTOU, SIG_IGN);
		(void)tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	fprintf(stderr, "exec: \"%s\": %s\n", argv[0],
		err == ENOENT && !strchr(argv[0], '/') ? "executable file not found in $PATH" : strerror(err));
	_exit(err == ENOENT || err == ENOTDIR ? 127 : 126);
}

static int reap(pid_t child)
{
	int status, code = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child)
			code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return code;
}

/* Before the Go runtime, and before the constructors without a priority: this process must not enter
 * namespaces of its own. */
__attribute__((constructor(101))) static void dhow_reaper(int argc, char **argv)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };
	sigset_t all, old;
	siginfo_t info;
	pid_t child;
	size_t i;
	int code;

	if (argc < 3 || strcmp(argv[0], NAME) != 0 || strcmp(argv[1], "--") != 0)
		return;
	sigfillset(&all);
	for (i = 0; i < sizeof fatal / sizeof *fatal; i++)
		sigdelset(&all, fatal[i]);
	sigprocmask(SIG_SETMASK, &all, &old);
	child = fork();
	if (child < 0) {
		perror(NAME ": fork");
		_exit(126);
	}
	if (child == 0)
		run(argv + 2, &old);
	for (;;) {
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD) {
			code = reap(child);
			if (code >= 0)
				_exit(code);
			continue;
		}
		kill(child, info.si_signo);
	}
}
