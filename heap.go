package main

// Starting is mostly page faults: of some 950 that `dhow version` took, 630 were first writes to the
// heap. A fault costs a quarter of a microsecond on bare metal and more than ten in some virtual
// machines, where those of one start took 8 ms. So the heap is made of huge pages, two faults instead
// of hundreds, where the kernel gives them to who asks (transparent_hugepage=madvise, which is many
// distributions' default). Nothing in Go asks at this moment: the runtime maps its heap (a fixed address,
// in steps of 4 MB) before the first line of Go. It does so through C's mmap in a program with cgo
// (runtime/cgo_mmap.go), and the Makefile has the linker send those calls here (--wrap). Without that
// flag nothing of this is called.
//
// What the runtime keeps beside the heap, in pieces of 256 KB and less at any address, comes out of one
// more huge page, the shelf: it writes a few bytes to each page of them, in some 70 faults.
//
// A monitor stays for weeks and counts its pages. It gives huge ones up when its container has started
// (run/idle): the kernel splits them, and what was never written to is given back, since Linux 6.12. Before
// that a monitor begins with small ones.
//
// The program itself is some 300 faults more, of 64 KB each, which a start touches three quarters of: one call
// maps it all (MADV_POPULATE_READ, since Linux 5.14). Of its data, and of what begins as zeros, a start writes to
// more than half of the first quarter of a megabyte, a fault for each page: one more call for each.
//
// C's malloc is asked by each thread of the runtime once, when it begins. It shall not make each of them
// an arena of its own, which takes five system calls.

/*
#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/utsname.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

// ld's names for where the program begins, what of it is written to, its data, and the zeros.
extern char __executable_start[] __attribute__((weak)), __init_array_start[] __attribute__((weak)),
	__data_start[] __attribute__((weak)), __bss_start[] __attribute__((weak)), _end[] __attribute__((weak));

extern void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset) __attribute__((weak));

static const size_t page = 64 << 10, piece = 256 << 10, huge = 2 << 20; // a page is that large at most
static int wanted;
static struct { char *next, *end; } shelf;

static int gives_back(void)
{
	struct utsname host;
	int major, minor;

	return uname(&host) == 0 && sscanf(host.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 12));
}

// Faults in the pages from there up to the end, and no more than the most.
static void populate(char *there, char *end, size_t most, int how)
{
	const uintptr_t pages = ~((uintptr_t)getauxval(AT_PAGESZ) - 1), from = (uintptr_t)there & pages, to = (uintptr_t)end & pages;

	if (there && from < to)
		(void)madvise((void *)from, to - from < most ? to - from : most, how);
}

__attribute__((constructor)) static void dhow_heap(int argc, char **argv)
{
	const int monitor = argc > 0 && strcmp(argv[0], "dhow-monitor") == 0;

	mallopt(M_ARENA_MAX, 1);
	populate(__executable_start, __init_array_start, SIZE_MAX, MADV_POPULATE_READ);
	if (!monitor) { // it would keep them
		populate(__data_start, __bss_start, piece, MADV_POPULATE_WRITE);
		populate(__bss_start, _end, piece, MADV_POPULATE_WRITE);
	}
	wanted = argc > 0 && (!monitor || gives_back());
}

void dhow_small_pages(void) { wanted = 0; }

// Gives length bytes that nobody had before; NULL when the shelf is empty. The first pieces are asked for
// before there is a second thread.
static void *from_shelf(size_t length)
{
	char *p;

	if (!shelf.end) {
		p = __real_mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) { // and not again, when there may be threads
			shelf.next = shelf.end = (char *)page;
			return NULL;
		}
		shelf.next = (char *)(((uintptr_t)p + huge - 1) & ~(huge - 1));
		shelf.end = shelf.next + huge;
		(void)madvise(shelf.next, huge, MADV_HUGEPAGE);
	}
	length = (length + page - 1) & ~(page - 1);
	p = __atomic_fetch_add(&shelf.next, length, __ATOMIC_RELAXED);
	return (size_t)(shelf.end - p) < length || p > shelf.end ? NULL : p;
}

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *p;

	if (!wanted || fd != -1 || prot != (PROT_READ | PROT_WRITE))
		return __real_mmap(addr, length, prot, flags, fd, offset);
	if (!addr && length <= piece && flags == (MAP_PRIVATE | MAP_ANONYMOUS) && (p = from_shelf(length)))
		return p;
	p = __real_mmap(addr, length, prot, flags, fd, offset);
	if (p != MAP_FAILED && (flags & MAP_FIXED) && length >= huge && ((uintptr_t)p & (huge - 1)) == 0)
		(void)madvise(p, length, MADV_HUGEPAGE);
	return p;
}
*/
import "C"
