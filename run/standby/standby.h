/* What the constructor of standby.c leaves for the Go side, see standby.go. */
#ifndef DHOW_STANDBY_H
#define DHOW_STANDBY_H

#include <sys/types.h>

struct standby {
	pid_t pid; /* 0 when no monitor was started */
	int socket;
};

extern struct standby dhow_standby;

/* Whether argv is a command that will want a monitor, as far as that can be seen. */
int standby_wanted(int argc, char **argv);

/* The environment of a monitor, ended by NULL. */
#define STANDBY_ENV 16
void standby_environment(char *env[STANDBY_ENV]);

#endif
