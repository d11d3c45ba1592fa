/* Starts the monitor of "run -d" and "run -it" before the Go runtime, see standby.go.
 *
 * A wrong yes costs a process that ends with the command or before; a wrong no costs the time for which
 * the monitor is waited for later. So this knows as little of the command line as it can. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../rootless/enter/enter.h"
#include "standby.h"

struct standby dhow_standby;

/* A detached container, or one with a terminal, by itself or behind other flags that take no value. */
static int asks(const char *arg)
{
	size_t i;

	if (strcmp(arg, "--detach") == 0 || strcmp(arg, "--detach=true") == 0 || strcmp(arg, "--tty") == 0)
		return 1;
	if (arg[0] != '-')
		return 0;
	for (i = 1; arg[i] && strchr("dtiPq", arg[i]); i++)
		if (arg[i] == 'd' || arg[i] == 't')
			return 1;
	return 0;
}

int standby_wanted(int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-')
		i += enter_takes_value(argv[i]) ? 2 : 1;
	if (i < argc && strcmp(argv[i], "container") == 0)
		i++;
	if (i >= argc || strcmp(argv[i], "run") != 0)
		return 0;
	for (i++; i < argc; i++)
		if (asks(argv[i]))
			return 1;
	return 0;
}

/* What a monitor has use for. The rest may hold secrets, which have no business in a process that lives for
 * weeks. */
static const char *const kept[] = { "PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "TZ", "LANG" };
/* What the Go runtime is told, in front of it. */
static const char *const settings[] = { "GOMAXPROCS=1", "GOGC=400" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

_Static_assert(COUNT(kept) + COUNT(settings) < STANDBY_ENV, "the environment of a monitor");

void standby_environment(char *env[STANDBY_ENV])
{
	size_t i, n = 0;
	char **kv;

	for (i = 0; i < COUNT(settings); i++)
		env[n++] = (char *)settings[i];
	for (i = 0; i < COUNT(kept); i++) {
		size_t length = strlen(kept[i]);

		for (kv = environ; kv && *kv; kv++)
			if (strncmp(*kv, kept[i], length) == 0 && (*kv)[length] == '=') {
				env[n++] = *kv;
				break;
			}
	}
	env[n] = NULL;
}

static void start(int theirs)
{
	static char name[] = "dhow-monitor";
	char *argv[] = { name, NULL }, *env[STANDBY_ENV];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int fd, failed;

	standby_environment(env);
	if (posix_spawnattr_init(&attr) != 0)
		return;
	if (posix_spawn_file_actions_init(&files) != 0) {
		posix_spawnattr_destroy(&attr);
		return;
	}
	failed = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID) != 0;
	failed |= posix_spawn_file_actions_adddup2(&files, theirs, 3) != 0;
	for (fd = 0; fd < 3; fd++)
		failed |= posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0) != 0;
	/* What the caller has open besides is not the monitor's to hold. */
	failed |= posix_spawn_file_actions_addclosefrom_np(&files, 4) != 0;
	failed |= posix_spawn_file_actions_addchdir_np(&files, "/") != 0;
	if (failed || posix_spawn(&dhow_standby.pid, "/proc/self/exe", &files, &attr, argv, env) != 0)
		dhow_standby.pid = 0;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
}

/* After that of rootless/enter, which has a priority. */
__attribute__((constructor)) static void stand_by(int argc, char **argv)
{
	int pair[2], fd;

	if (!dhow_enter_record.acted || dhow_enter_record.rung == RUNG_NONE || dhow_enter_record.failed != STEP_NONE ||
	    !standby_wanted(argc, argv) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	/* dup2 onto itself would keep close-on-exec, and those below are opened anew before. */
	fd = pair[1] > 3 ? pair[1] : fcntl(pair[1], F_DUPFD_CLOEXEC, 4);
	if (fd >= 0)
		start(fd);
	if (fd != pair[1] && fd >= 0)
		close(fd);
	close(pair[1]);
	dhow_standby.socket = pair[0];
	if (!dhow_standby.pid)
		close(pair[0]);
}
