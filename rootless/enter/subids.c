/* The caller's subordinate ids, read from subuid(5) and subgid(5) by uid and by name.
 *
 * No name service is asked: a static binary has none, and a directory server must not be able to
 * hang a command. What is found here is a wish; newuidmap(1) checks it. Where nsswitch.conf(5) says
 * that another source holds the ranges, getsubids(1) is asked, which is a program of its own. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enter.h"

#ifndef ETC
#define ETC "/etc" /* the test of the readers has one of its own */
#endif

/* nobody and nogroup are 65534 in every distribution's images: with fewer ids they could not be
 * unpacked, and one id with recorded owners serves better. 0 is the caller. */
#define ENOUGH 65535

#define NAMES 8
#define NAME_MAX_LEN 256

struct names {
	int count;
	char name[NAMES][NAME_MAX_LEN + 1];
};

/* Lines of a file, without the heap; a line that does not fit is skipped. */
struct lines {
	int fd;
	size_t len, pos;
	char buf[4096];
};

static char *next_line(struct lines *l)
{
	int skipping = 0;

	for (;;) {
		char *nl = memchr(l->buf + l->pos, '\n', l->len - l->pos);
		ssize_t n;

		if (nl) {
			char *line = l->buf + l->pos;

			*nl = '\0';
			l->pos = (size_t)(nl - l->buf) + 1;
			if (!skipping)
				return line;
			skipping = 0;
			continue;
		}
		if (skipping || (l->pos == 0 && l->len == sizeof(l->buf) - 1)) {
			skipping = 1;
			l->len = l->pos = 0;
		} else {
			memmove(l->buf, l->buf + l->pos, l->len - l->pos);
			l->len -= l->pos;
			l->pos = 0;
		}
		do
			n = read(l->fd, l->buf + l->len, sizeof(l->buf) - 1 - l->len);
		while (n < 0 && errno == EINTR);
		if (n <= 0) {
			/* the last line may lack its end */
			if (l->len == 0 || skipping)
				return NULL;
			l->buf[l->len] = '\0';
			l->len = l->pos = 0;
			return l->buf;
		}
		l->len += (size_t)n;
	}
}

static int open_lines(struct lines *l, const char *path)
{
	l->len = l->pos = 0;
	l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return l->fd;
}

static int number(const char *s, uint32_t *value)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || *end || v > UINT32_MAX)
		return -1;
	*value = (uint32_t)v;
	return 0;
}

static void add_name(struct names *n, const char *name)
{
	size_t len = strlen(name);

	if (n->count < NAMES && len > 0 && len <= NAME_MAX_LEN && !strchr(name, ':'))
		memcpy(n->name[n->count++], name, len + 1);
}

/* Every name of uid in passwd(5); for a caller who is not there – a network account – what the
 * login left in the environment. */
static void find_names(uint32_t uid, struct names *names)
{
	struct lines l;
	char *line;

	names->count = 0;
	if (open_lines(&l, ETC "/passwd") >= 0) {
		while ((line = next_line(&l))) {
			char *rest = line, *name = strsep(&rest, ":"), *id;
			uint32_t value;

			(void)strsep(&rest, ":");
			id = strsep(&rest, ":");
			if (id && number(id, &value) == 0 && value == uid)
				add_name(names, name);
		}
		close(l.fd);
	}
	if (names->count == 0) {
		const char *env = getenv("LOGNAME");

		if (!env)
			env = getenv("USER");
		if (env)
			add_name(names, env);
	}
}

static int is_callers(const char *owner, uint32_t uid, const struct names *names)
{
	uint32_t value;
	int i;

	if (number(owner, &value) == 0 && value == uid)
		return 1;
	for (i = 0; i < names->count; i++)
		if (strcmp(owner, names->name[i]) == 0)
			return 1;
	return 0;
}

/* Appends a range. The kernel refuses a map whose outside ids overlap, so of an overlap – with the
 * caller's own id or a range before – only the longest free end is taken. */
static void add_range(struct enter_map *m, uint64_t first, uint64_t count)
{
	uint64_t inside = m->range[m->count - 1].inside + (uint64_t)m->range[m->count - 1].length;
	uint64_t end = first + count; /* exclusive */
	int i;

	/* 4294967295 is no id */
	if (end > UINT32_MAX)
		end = UINT32_MAX;
	for (i = 0; i < m->count; i++) {
		uint64_t a = m->range[i].outside, b = a + m->range[i].length;

		if (end <= a || first >= b)
			continue;
		if (a > first && a - first >= (end > b ? end - b : 0))
			end = a;
		else
			first = b;
	}
	if (first >= end || m->count == ENTER_RANGES)
		return;
	if (inside + (end - first) > UINT32_MAX)
		end = first + (UINT32_MAX - inside);
	if (first >= end)
		return;
	m->range[m->count].inside = (uint32_t)inside;
	m->range[m->count].outside = (uint32_t)first;
	m->range[m->count].length = (uint32_t)(end - first);
	m->count++;
}

static void read_ranges(const char *path, uint32_t uid, const struct names *names, struct enter_map *m)
{
	struct lines l;
	char *line;

	if (open_lines(&l, path) < 0)
		return;
	while ((line = next_line(&l))) {
		char *rest = line, *owner = strsep(&rest, ":"), *first = strsep(&rest, ":");
		uint32_t a, n;

		if (first && rest && number(first, &a) == 0 && number(rest, &n) == 0 && n > 0 &&
		    is_callers(owner, uid, names))
			add_range(m, a, n);
	}
	close(l.fd);
}

/* Whether nsswitch.conf names a source of subordinate ids other than the files. */
static int has_service(void)
{
	struct lines l;
	char *line;
	int found = 0;

	if (open_lines(&l, ETC "/nsswitch.conf") < 0)
		return 0;
	while ((line = next_line(&l))) {
		char *word, *save = NULL;

		line += strspn(line, " \t");
		if (strncmp(line, "subid:", 6) != 0)
			continue;
		word = strtok_r(line + 6, " \t", &save);
		found = word && word[0] != '#' && strcmp(word, "files") != 0;
	}
	close(l.fd);
	return found;
}

/* getsubids prints "0: casey 100000 65536". */
static void ask_service(const struct names *names, struct enter_map *uids, struct enter_map *gids)
{
	const char *path = enter_trusted("getsubids");
	struct enter_map *maps[2] = { uids, gids };
	struct enter_helper h[2];
	char out[4096];
	int i;

	if (!path || names->count == 0 || names->name[0][0] == '-')
		return;
	for (i = 0; i < 2; i++) {
		char *name = (char *)names->name[0];
		char *argu[] = { (char *)"getsubids", name, NULL };
		char *argg[] = { (char *)"getsubids", (char *)"-g", name, NULL };

		if (enter_spawn(&h[i], path, i == 0 ? argu : argg) == 0)
			enter_go(&h[i]);
	}
	for (i = 0; i < 2; i++) {
		char *line, *rest = out;

		if (enter_wait(&h[i], out, sizeof(out)) != 0)
			continue;
		while ((line = strsep(&rest, "\n"))) {
			unsigned long first, count;

			if (sscanf(line, "%*u: %*s %lu %lu", &first, &count) == 2 && first <= UINT32_MAX &&
			    count <= UINT32_MAX)
				add_range(maps[i], first, count);
		}
	}
}

int enter_subids(uint32_t uid, uint32_t gid, struct enter_map *uids, struct enter_map *gids, char *detail, size_t size)
{
	struct names names;

	uids->count = gids->count = 1;
	uids->range[0] = (struct enter_range){ 0, uid, 1 };
	gids->range[0] = (struct enter_range){ 0, gid, 1 };
	find_names(uid, &names);
	if (has_service())
		ask_service(&names, uids, gids);
	if (uids->count == 1)
		read_ranges(ETC "/subuid", uid, &names, uids);
	if (gids->count == 1)
		read_ranges(ETC "/subgid", uid, &names, gids);

	snprintf(detail, size, "%s", names.count > 0 ? names.name[0] : "");
	if (uids->count == 1)
		return REASON_NO_UIDS;
	if (gids->count == 1)
		return REASON_NO_GIDS;
	if (enter_count(uids) < ENOUGH) {
		snprintf(detail, size, "%llu", (unsigned long long)enter_count(uids) - 1);
		return REASON_FEW_UIDS;
	}
	if (enter_count(gids) < ENOUGH) {
		snprintf(detail, size, "%llu", (unsigned long long)enter_count(gids) - 1);
		return REASON_FEW_GIDS;
	}
	return REASON_NONE;
}
