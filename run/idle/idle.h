/* What idle.go orders of the thread in idle.c. */
#include <time.h>

#define IDLE_AREAS 64

struct idle_order {
	long fd; /* an eventfd: written to for each turn; the rest is filled in before the first */
	struct timespec pause[3];
	unsigned long n;
	struct {
		unsigned long from, size;
		long advice; /* madvise(2) */
	} area[IDLE_AREAS];
};

struct idle_order *idle_start(void); /* NULL when the host forbids it */

int idle_small_pages(void); /* what is mapped from now on has no huge pages; whether anything had */
