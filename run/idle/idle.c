/* The thread of idle.go: it drops pages of the program while nobody else of the process runs.
 *
 * Whoever drops the program's pages needs one to go on with, and the kernel then maps what lies around
 * it: up to two megabytes, as large as the pieces in which it holds the file (filemap_map_pages). So the
 * loop below runs in a page that is no file's: its code is copied there. It calls nothing and refers to
 * nothing outside itself. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "idle.h"

#define ALONE __attribute__((section("dhow_idle"), noinline, used, optimize("no-stack-protector", "no-tree-vectorize", \
								    "no-tree-loop-distribute-patterns")))

extern const char __start_dhow_idle[], __stop_dhow_idle[]; /* the linker's */

/* No constants either: the compiler would put wide ones elsewhere. What the loop needs is in its order. */
static inline __attribute__((always_inline)) long call(long nr, long a, long b, long c)
{
#if defined(__x86_64__)
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#else
#error "a system call for this architecture"
#endif
}

/* Waits for an order, lets the others fall asleep, drops; and once more for those who woke late. */
ALONE static void *loop(void *at)
{
	struct idle_order *o = at;
	unsigned long long orders;
	unsigned i, turn;

	while (call(SYS_read, o->fd, (long)&orders, sizeof(orders)) == sizeof(orders)) {
		for (turn = 0; turn < 2; turn++) {
			call(SYS_nanosleep, (long)&o->pause[turn], 0, 0);
			for (i = 0; i < o->n; i++)
				call(SYS_madvise, o->area[i].from, o->area[i].size, o->area[i].advice);
		}
	}
	for (;;) /* returning would need the program */
		call(SYS_nanosleep, (long)&o->pause[2], 0, 0);
	return 0;
}

extern void dhow_small_pages(void) __attribute__((weak)); /* heap.go's, in the program itself */

int idle_small_pages(void)
{
	if (dhow_small_pages)
		dhow_small_pages();
	return dhow_small_pages != NULL;
}

struct idle_order *idle_start(void)
{
	size_t page = sysconf(_SC_PAGESIZE), size = __stop_dhow_idle - __start_dhow_idle;
	size_t code = (size + page - 1) / page * page, data = (sizeof(struct idle_order) + page - 1) / page * page;
	char *at = mmap(NULL, code + data, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct idle_order *o = (void *)(at + code);
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	if (at == MAP_FAILED)
		return NULL;
	o->pause[0].tv_nsec = 50000000;
	o->pause[1].tv_sec = 1;
	o->pause[2].tv_sec = 1000000;
	memcpy(at, __start_dhow_idle, size);
	__builtin___clear_cache(at, at + size);
	o->fd = eventfd(0, EFD_CLOEXEC);
	failed = o->fd < 0 || mprotect(at, code, PROT_READ | PROT_EXEC) != 0 || pthread_attr_init(&attr) != 0;
	if (!failed) {
		/* The Go runtime's handlers are not for this thread. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		failed = pthread_create(&thread, &attr,
					(void *(*)(void *))(at + ((const char *)loop - __start_dhow_idle)), o);
		pthread_attr_destroy(&attr);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (failed) {
		if (o->fd >= 0)
			close(o->fd);
		munmap(at, code + data);
		return NULL;
	}
	return o;
}
