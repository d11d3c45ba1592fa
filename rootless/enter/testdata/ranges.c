/* Feeds the readers of subids.c with files that are nearly right and checks what must hold of every
 * map, under the address and undefined behaviour sanitizers. Usage: ranges SEED ROUNDS; the files
 * lie in ETC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enter.h"

static const char *const words[] = { "casey", "1001", "01001", "root", "0", "1", "65536", "4294967295", "4294967296",
				     "100000", "165536", "-1", "", "x", ":", "::", "\n", "\n\n", ":1001:", "casey:100000:65536\n",
				     "casey:100000:4294967295\n", "1001:1:70000\n", "casey:x:1001:1001::/:/bin/sh\n", " ", "\t", "#",
				     "99999999999999999999", "subid: files\n" };

static void put(const char *path)
{
	FILE *f = fopen(path, "w");
	int n = rand() % 40;

	if (!f)
		abort();
	while (n-- > 0) {
		if (rand() % 60 == 0) { /* longer than the reader's buffer */
			int k = rand() % 9000;

			while (k-- > 0)
				fputc("a:1\0"[rand() % 4], f);
		}
		fputs(words[(size_t)rand() % (sizeof(words) / sizeof(words[0]))], f);
		if (rand() % 3 == 0)
			fputc(rand() % 2 ? ':' : '\n', f);
	}
	fclose(f);
}

static void check(const struct enter_map *m, uint32_t id)
{
	uint64_t inside = 0;
	int i, j;

	if (m->count < 1 || m->count > ENTER_RANGES || m->range[0].outside != id || m->range[0].length != 1)
		abort();
	for (i = 0; i < m->count; i++) {
		uint64_t a = m->range[i].outside, b = a + m->range[i].length;

		if (m->range[i].length == 0 || m->range[i].inside != inside || b > UINT32_MAX)
			abort();
		inside += m->range[i].length;
		if (inside > UINT32_MAX)
			abort();
		for (j = 0; j < i; j++) {
			uint64_t c = m->range[j].outside, d = c + m->range[j].length;

			if (a < d && c < b)
				abort();
		}
	}
}

int main(int argc, char **argv)
{
	static struct enter_map uids, gids;
	char detail[256];
	int full = 0, rounds;

	if (argc != 3)
		return 2;
	srand((unsigned)atoi(argv[1]));
	for (rounds = atoi(argv[2]); rounds > 0; rounds--) {
		int reason;

		put(ETC "/passwd");
		put(ETC "/subuid");
		put(ETC "/subgid");
		reason = enter_subids(1001, 1001, &uids, &gids, detail, sizeof(detail));
		check(&uids, 1001);
		check(&gids, 1001);
		if (strlen(detail) >= sizeof(detail) || reason < 0)
			abort();
		full += reason == REASON_NONE;
	}
	printf("%d\n", full);
	return 0;
}
