/* Whether this process is a dhow command that needs namespaces.
 *
 * A wrong yes costs a millisecond; a wrong no is noticed by enter.Ensure, which starts the command
 * again with DHOW_ENTER=1. So this knows as little of the command line as it can. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "enter.h"

static int starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return 1;
	return 0;
}

/* Verbs that work anywhere. */
static const char *const plain_verbs[] = { "version", "help", "completion", "man", NULL };
static const char *const plain_flags[] = { "-h", "--help", "-v", "--version", NULL };
/* "image VERB" whose mounts are to stay when the command ends: they are made where the caller is. */
static const char *const mount_verbs[] = { "mount", "unmount", "umount", NULL };
/* Global flags whose value is the next word. */
static const char *const value_flags[] = { "--root", "--config", NULL };

int enter_takes_value(const char *arg)
{
	return one_of(arg, value_flags);
}

int enter_needed(int argc, char **argv)
{
	const char *force;
	int i;

	if (argc < 1 || !argv || !argv[0])
		return 0;
	/* A set-user-ID dhow would hand its privilege to the environment of the caller. */
	if (getauxval(AT_SECURE))
		return 0;
	/* libcontainer's init, and everything dhow starts of itself: its namespaces are its parent's
	 * affair. Names with a slash are paths of the binary, whatever it is called. */
	if (getenv("_LIBCONTAINER_INITPIPE"))
		return 0;
	if (!strchr(argv[0], '/') && (starts(argv[0], "storage-") || starts(argv[0], "dhow-")))
		return 0;
	force = getenv("DHOW_ENTER");
	if (force) {
		int yes = strcmp(force, "1") == 0;

		unsetenv("DHOW_ENTER");
		return yes;
	}
	for (i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (arg[0] != '-' || arg[1] == '\0')
			return !one_of(arg, plain_verbs) &&
			       !(strcmp(arg, "image") == 0 && i + 1 < argc && one_of(argv[i + 1], mount_verbs));
		/* -test. is a Go test binary that links this package. */
		if (one_of(arg, plain_flags) || starts(arg, "-test."))
			return 0;
		if (enter_takes_value(arg))
			i++;
	}
	return 0;
}
