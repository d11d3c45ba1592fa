/* What the constructor leaves for the Go side, and what its parts share. See enter.go. */
#ifndef DHOW_ENTER_H
#define DHOW_ENTER_H

#include <stdint.h>
#include <sys/types.h>

/* The kernel takes 340 extents; a person with more than this many ranges gets the first ones. */
#define ENTER_RANGES 64

struct enter_range {
	uint32_t inside, outside, length;
};

struct enter_map {
	int count;
	struct enter_range range[ENTER_RANGES];
};

enum enter_rung { RUNG_NONE, RUNG_ROOT, RUNG_SUBIDS, RUNG_SINGLE };

/* What was attempted when entering failed for good. */
enum enter_step {
	STEP_NONE,
	STEP_FORCE,	/* DHOW_MAPPING names a rung that can not be had */
	STEP_FORK,
	STEP_UNSHARE,	/* the user namespace */
	STEP_UNSHARE_MOUNT, /* the mount namespace of plain root */
	STEP_UIDMAP,
	STEP_GIDMAP,
	STEP_SETGROUPS,
	STEP_SETID,
	STEP_PROPAGATION
};

/* Why a better rung was not taken. */
enum enter_reason {
	REASON_NONE,
	REASON_FORCED,		/* DHOW_MAPPING asked for this rung */
	REASON_NO_NEW_PRIVS,	/* newuidmap can not gain its privilege */
	REASON_NO_UIDS,		/* no entry for the caller in subuid */
	REASON_NO_GIDS,
	REASON_FEW_UIDS,	/* detail: how many */
	REASON_FEW_GIDS,
	REASON_NO_HELPER,	/* detail: name */
	REASON_HELPER,		/* detail: what the helper said */
	REASON_SURROUNDING,	/* root in somebody else's user namespace */
	REASON_FEW_SURROUNDING,	/* ... which has too few ids */
	REASON_NO_SYS_ADMIN	/* root that may not make a mount namespace */
};

struct enter_record {
	int acted;	/* the constructor decided that this command needs namespaces */
	int rung;	/* enum enter_rung; RUNG_NONE when failed */
	int failed;	/* enum enter_step */
	int error;	/* errno of the failed step */
	int reason;	/* enum enter_reason */
	uint32_t uid, gid; /* the caller's */
	struct enter_map uids, gids; /* not for RUNG_ROOT */
	char detail[256];
};

extern struct enter_record dhow_enter_record;

/* decide.c: whether the command needs namespaces. */
int enter_needed(int argc, char **argv);
int enter_takes_value(const char *arg); /* a global flag whose value is the next word */

/* subids.c: the caller's ranges, mapped to the ids from 1 on; 0 is the caller. Returns a reason. */
int enter_subids(uint32_t uid, uint32_t gid, struct enter_map *uids, struct enter_map *gids, char *detail, size_t size);

/* helper.c: running other programs. */
const char *enter_trusted(const char *name); /* NULL when there is none to be trusted */
struct enter_helper {
	pid_t pid;
	int go, out; /* write one byte to go to start it; read out to its end */
};
int enter_spawn(struct enter_helper *h, const char *path, char *const argv[]);
int enter_spawn_writer(struct enter_helper *h, pid_t pid, const char *uids, const char *gids);
void enter_go(struct enter_helper *h);
int enter_wait(struct enter_helper *h, char *out, size_t size); /* exit status, -1 when killed or not started */

/* maps.c: files of /proc, and text. */
int enter_write(const char *path, const char *text);
int enter_read_map(const char *path, struct enter_map *m);
size_t enter_print_map(char *buf, size_t size, const struct enter_map *m);
uint64_t enter_count(const struct enter_map *m);

#endif
