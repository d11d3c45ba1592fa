/* The constructor: one process, one thread, before Go. See enter.go for what it promises. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enter.h"

struct enter_record dhow_enter_record;

#define rec dhow_enter_record

static int fail(int step)
{
	rec.error = errno;
	rec.failed = step;
	rec.rung = RUNG_NONE;
	return -1;
}

/* A descriptor 0, 1 or 2 that the caller closed would be taken by a pipe of ours. */
static void fill_standard_fds(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
			return;
}

/* Mounts made here must not show outside, and those made outside may show here. */
static int make_private(void)
{
	struct { char *line; size_t size; } b = { NULL, 0 };
	char point[4096];
	FILE *f;

	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return fail(STEP_PROPAGATION);
	/* chroot(2) to a directory that is no mount: change those that can be seen, one by one.
	 * Field five of mountinfo is the mount point, with octal escapes for spaces; such a point
	 * is not found by its escaped name and stays as it was. */
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return fail(STEP_PROPAGATION);
	while (getline(&b.line, &b.size, f) > 0)
		if (sscanf(b.line, "%*d %*d %*s %*s %4095s", point) == 1)
			(void)mount("none", point, NULL, MS_SLAVE, NULL);
	free(b.line);
	fclose(f);
	return 0;
}

static int become_root(void)
{
	/* The caller's id is 0 in here already; this makes the saved ids so as well. Supplementary
	 * groups stay: they open the caller's files, and containers drop them. */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(STEP_SETID);
	return make_private();
}

/* Maps the one id. uid and gid are those of the caller in the namespace above. */
static int write_single(uint32_t uid, uint32_t gid)
{
	char map[64];

	/* without it an unprivileged gid map is refused: user_namespaces(7) */
	if (enter_write("/proc/self/setgroups", "deny") < 0 && errno != ENOENT)
		return fail(STEP_SETGROUPS);
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (enter_write("/proc/self/uid_map", map) < 0)
		return fail(STEP_UIDMAP);
	snprintf(map, sizeof(map), "0 %u 1\n", gid);
	if (enter_write("/proc/self/gid_map", map) < 0)
		return fail(STEP_GIDMAP);
	return 0;
}

static int finish_single(void)
{
	rec.uids.count = rec.gids.count = 1;
	rec.uids.range[0] = (struct enter_range){ 0, rec.uid, 1 };
	rec.gids.range[0] = (struct enter_range){ 0, rec.gid, 1 };
	rec.rung = RUNG_SINGLE;
	return become_root();
}

static int enter_single(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return fail(STEP_UNSHARE);
	if (write_single(rec.uid, rec.gid) < 0)
		return -1;
	return finish_single();
}

/* A helper failed in a namespace that is ours by now. If neither wrote its map, ours go there; if
 * one did, maps can not be changed any more, so that namespace is completed and left for one below
 * it. */
static int single_after_helpers(int uids_written, int gids_written)
{
	char map[64];

	if (!uids_written && !gids_written)
		return write_single(rec.uid, rec.gid) < 0 ? -1 : finish_single();
	if (!gids_written && enter_write("/proc/self/setgroups", "deny") < 0)
		return fail(STEP_SETGROUPS);
	snprintf(map, sizeof(map), "0 %u 1\n", rec.uid);
	if (!uids_written && enter_write("/proc/self/uid_map", map) < 0)
		return fail(STEP_UIDMAP);
	snprintf(map, sizeof(map), "0 %u 1\n", rec.gid);
	if (!gids_written && enter_write("/proc/self/gid_map", map) < 0)
		return fail(STEP_GIDMAP);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return fail(STEP_UNSHARE);
	return write_single(0, 0) < 0 ? -1 : finish_single();
}

#define MAP_ARGS (2 + 3 * ENTER_RANGES + 1)

static void map_args(char *argv[], char text[][12], const char *name, const struct enter_map *m)
{
	int i, n = 0;

	argv[n++] = (char *)name;
	snprintf(text[0], sizeof(text[0]), "%d", getpid());
	argv[n++] = text[0];
	for (i = 0; i < m->count; i++) {
		const uint32_t v[3] = { m->range[i].inside, m->range[i].outside, m->range[i].length };
		int j;

		for (j = 0; j < 3; j++) {
			char *t = text[1 + 3 * i + j];

			snprintf(t, sizeof(text[0]), "%u", v[j]);
			argv[n++] = t;
		}
	}
	argv[n] = NULL;
}

static void keep_detail(const char *name, const char *said)
{
	snprintf(rec.detail, sizeof(rec.detail), "%s: %.200s", name, *said ? said : "ended without a word");
}

/* The full map through newuidmap and newgidmap, which run at the same time. */
static int enter_with_helpers(const char *newuidmap, const char *newgidmap, int forced)
{
	static char text[2][1 + 3 * ENTER_RANGES][12];
	static char *argv[2][MAP_ARGS];
	struct enter_helper hu, hg;
	char saidu[256], saidg[256];
	int u, g, saved;

	map_args(argv[0], text[0], "newuidmap", &rec.uids);
	map_args(argv[1], text[1], "newgidmap", &rec.gids);
	if (enter_spawn(&hu, newuidmap, argv[0]) < 0)
		return fail(STEP_FORK);
	if (enter_spawn(&hg, newgidmap, argv[1]) < 0) {
		fail(STEP_FORK);
		enter_wait(&hu, saidu, sizeof(saidu));
		return -1;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		fail(STEP_UNSHARE);
		enter_wait(&hu, saidu, sizeof(saidu));
		enter_wait(&hg, saidg, sizeof(saidg));
		return -1;
	}
	enter_go(&hu);
	enter_go(&hg);
	u = enter_wait(&hu, saidu, sizeof(saidu));
	g = enter_wait(&hg, saidg, sizeof(saidg));
	if (u == 0 && g == 0) {
		rec.rung = RUNG_SUBIDS;
		return become_root();
	}
	saved = errno;
	rec.reason = REASON_HELPER;
	if (u != 0)
		keep_detail("newuidmap", saidu);
	else
		keep_detail("newgidmap", saidg);
	if (forced == RUNG_SUBIDS) {
		errno = saved;
		return fail(u != 0 ? STEP_UIDMAP : STEP_GIDMAP);
	}
	return single_after_helpers(u == 0, g == 0);
}

/* A map of many ids written by root itself: rec.uids and rec.gids say which. */
static int enter_as_root(int reason)
{
	static char uids[ENTER_RANGES * 36], gids[ENTER_RANGES * 36];
	struct enter_helper h;
	char said[256];

	enter_print_map(uids, sizeof(uids), &rec.uids);
	enter_print_map(gids, sizeof(gids), &rec.gids);
	if (enter_spawn_writer(&h, getpid(), uids, gids) < 0)
		return fail(STEP_FORK);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		fail(STEP_UNSHARE);
		enter_wait(&h, said, sizeof(said));
		return -1;
	}
	enter_go(&h);
	if (enter_wait(&h, said, sizeof(said)) != 0) {
		keep_detail("root", said);
		errno = EPERM;
		return fail(STEP_UIDMAP);
	}
	rec.reason = reason;
	rec.rung = RUNG_SUBIDS;
	return become_root();
}

static int enter_user(int forced)
{
	const char *newuidmap, *newgidmap;

	if (forced == RUNG_ROOT)
		return errno = EPERM, fail(STEP_FORCE);
	if (forced == RUNG_SINGLE) {
		rec.reason = REASON_FORCED;
		return enter_single();
	}
	newuidmap = enter_trusted("newuidmap");
	newgidmap = enter_trusted("newgidmap");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
		rec.reason = REASON_NO_NEW_PRIVS;
	} else {
		rec.reason = enter_subids(rec.uid, rec.gid, &rec.uids, &rec.gids, rec.detail, sizeof(rec.detail));
		if (rec.reason == REASON_NONE && (!newuidmap || !newgidmap)) {
			rec.reason = REASON_NO_HELPER;
			snprintf(rec.detail, sizeof(rec.detail), "%s", newuidmap ? "newgidmap" : "newuidmap");
		}
	}
	if (rec.reason == REASON_NONE)
		return enter_with_helpers(newuidmap, newgidmap, forced);
	if (forced == RUNG_SUBIDS)
		return errno = EPERM, fail(STEP_FORCE);
	return enter_single();
}

/* Every id of this namespace, as itself. */
static void identity(struct enter_map *to, const struct enter_map *from)
{
	int i;

	*to = *from;
	for (i = 0; i < to->count; i++)
		to->range[i].outside = to->range[i].inside;
}

static int enter_one(const struct enter_map *m)
{
	return m->count == 1 && m->range[0].inside == 0 && m->range[0].length == 1;
}

static int enter_root(int forced)
{
	struct enter_map uids, gids;
	int full;

	if (enter_read_map("/proc/self/uid_map", &uids) < 0 || enter_read_map("/proc/self/gid_map", &gids) < 0)
		return fail(STEP_UIDMAP);
	full = uids.count == 1 && uids.range[0].length == UINT32_MAX && gids.count == 1 &&
	       gids.range[0].length == UINT32_MAX;

	if (forced == RUNG_SINGLE) {
		rec.reason = REASON_FORCED;
		return enter_single();
	}
	if (forced == RUNG_SUBIDS && full) {
		rec.reason = enter_subids(0, 0, &rec.uids, &rec.gids, rec.detail, sizeof(rec.detail));
		if (rec.reason != REASON_NONE)
			return errno = EPERM, fail(STEP_FORCE);
		return enter_as_root(REASON_FORCED);
	}
	if (forced == RUNG_ROOT && !full)
		return errno = EPERM, fail(STEP_FORCE);
	/* Root of a namespace with one id, as dhow makes them: a program of `dhow unshare`. */
	if (enter_one(&uids) && enter_one(&gids) && !forced && unshare(CLONE_NEWNS) == 0) {
		rec.uids = uids;
		rec.gids = gids;
		rec.reason = REASON_SURROUNDING;
		rec.rung = RUNG_SINGLE;
		return make_private();
	}
	/* Root of a namespace that somebody else made, with the ids of a whole image or not. */
	if (!full && (enter_count(&uids) < 65535 || enter_count(&gids) < 65535)) {
		if (forced == RUNG_SUBIDS)
			return errno = EPERM, fail(STEP_FORCE);
		rec.reason = REASON_FEW_SURROUNDING;
		return enter_single();
	}
	if (unshare(CLONE_NEWNS) == 0) {
		rec.rung = full ? RUNG_ROOT : RUNG_SUBIDS;
		rec.uids = uids;
		rec.gids = gids;
		if (!full)
			rec.reason = REASON_SURROUNDING;
		return make_private();
	}
	if (errno != EPERM || forced == RUNG_ROOT)
		return fail(STEP_UNSHARE_MOUNT);
	/* Root of a container without CAP_SYS_ADMIN, where user namespaces may still be allowed. */
	identity(&rec.uids, &uids);
	identity(&rec.gids, &gids);
	return enter_as_root(REASON_NO_SYS_ADMIN);
}

static int forced_rung(void)
{
	const char *v = getenv("DHOW_MAPPING");

	if (!v || !*v)
		return RUNG_NONE;
	if (strcmp(v, "root") == 0)
		return RUNG_ROOT;
	if (strcmp(v, "subids") == 0)
		return RUNG_SUBIDS;
	if (strcmp(v, "single") == 0)
		return RUNG_SINGLE;
	return -1;
}

/* glibc hands the arguments of main to constructors, in static programs as well. Those without a priority
 * come later and may look at the record. */
__attribute__((constructor(1000))) static void dhow_enter(int argc, char **argv)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, old;
	sigset_t chld, mask;
	int forced;

	rec.uid = (uint32_t)geteuid();
	rec.gid = (uint32_t)getegid();
	if (!enter_needed(argc, argv))
		return;
	rec.acted = 1;
	forced = forced_rung();
	if (forced < 0) {
		errno = EINVAL;
		(void)fail(STEP_FORCE);
		return;
	}
	fill_standard_fds();
	/* A binary the caller may not read makes the process undumpable and /proc/self root's. */
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	/* An ignored SIGCHLD would make wait lose the helpers, a blocked one would stay pending.
	 * The other signals of the mask stay blocked: one may be pending. */
	sigemptyset(&dfl.sa_mask);
	sigaction(SIGCHLD, &dfl, &old);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &chld, &mask);

	(void)(rec.uid == 0 ? enter_root(forced) : enter_user(forced));

	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGCHLD, &old, NULL);
}
