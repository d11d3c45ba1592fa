/* The last steps before a payload, see payload.go. */
#ifndef DHOW_PAYLOAD_H
#define DHOW_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* What a child says on its socket: the step it is at, and errno when the step failed. With STEP_READY
 * and STEP_LISTENER come descriptors. Steps are those of payload.go. */
struct payload_word {
	int32_t step, error;
};

enum {
	STEP_READY = 1,	/* waits to be let on; its mount of proc and its cgroup namespace, as far as there are */
	STEP_LISTENER,	/* its seccomp listener */
	STEP_LAST,	/* waits to execute its program */
	STEP_PROC,
	STEP_CGROUP,
	STEP_STDIO,
	STEP_SESSION,
	STEP_TERMINAL,
	STEP_ROOT,
	STEP_KEYRING,
	STEP_KEYRING_MODE,
	STEP_NO_NEW_PRIVS,
	STEP_SECCOMP,
	STEP_CHDIR,
	STEP_BOUNDING,
	STEP_GROUPS,
	STEP_GID,
	STEP_UID,
	STEP_OUTSIDE,	/* the working directory is outside of the container */
	STEP_CAPS,
	STEP_PARENT,
	STEP_STAT,	/* argv[0] is a path */
	STEP_ACCESS,
	STEP_SEARCH,	/* argv[0] is in no directory of PATH */
};

struct payload {
	int here, there; /* the ends of a stream socket: the child's and the parent's */
	uint64_t clone_flags;
	int own_memory;	    /* fork(2) instead of CLONE_VM */
	int hide;	    /* from being traced, before it is others' equal */
	int hide_early;	    /* once let on; with memory of its own */
	int leave_caps;	    /* to execve(2), which gives root those of the bounding set */
	int guard_caps;	    /* those outside of the bounding set are left to execve(2), which takes them */
	int cgroupns;	    /* make a cgroup namespace once let on */
	char *const *proc;  /* options of a filesystem proc to be made then, NULL for none */
	uint64_t proc_attrs; /* of its mount, fsmount(2) */
	int pivot;	    /* the last permission brings a new root */
	int terminal;	    /* 0 is to be the controlling terminal */
	int umask;
	const char *keyring; /* NULL for none of its own */
	uint32_t keyring_add; /* permissions, keyctl(2) */
	int no_new_privs;
	const uint8_t *filter; /* struct sock_filter[], NULL for none */
	uint16_t filter_len;   /* in instructions */
	uint32_t filter_flags; /* seccomp(2) */
	int listener;	       /* the flags ask for one */
	const char *cwd;
	uint64_t bounding, effective, permitted, inheritable, ambient;
	uint32_t uid, gid;
	int set_groups;
	uint32_t ngroups;
	const uint32_t *groups;
	char *const *argv, *const *envp;
	const char *path; /* PATH, for argv[0] without a slash */
	/* out */
	void *stack;
};

#define PAYLOAD_STACK (64 << 10)

/* The pid of the child, or -errno. */
long dhow_payload_start(struct payload *p);
void dhow_payload_free(struct payload *p);
/* Makes a process that has this one's memory, and with it keeps the program from being written to
 * (ETXTBSY), until the process that pidfd names has ended. Its pid, or -errno. */
long dhow_keeper_start(int pidfd, void **stack);
void dhow_keeper_free(void *stack);
extern struct rlimit dhow_payload_nofile;

#endif
