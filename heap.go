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
// A monitor stays for weeks and counts its pages, see run/idle: it keeps the small ones.

/*
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

extern void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset) __attribute__((weak));

static const size_t huge = 2 << 20;
static int wanted;

__attribute__((constructor)) static void dhow_heap(int argc, char **argv)
{
	wanted = argc > 0 && strcmp(argv[0], "dhow-monitor") != 0;
}

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *p = __real_mmap(addr, length, prot, flags, fd, offset);

	if (wanted && p != MAP_FAILED && fd == -1 && (flags & MAP_FIXED) && prot == (PROT_READ | PROT_WRITE) &&
	    length >= huge && ((uintptr_t)p & (huge - 1)) == 0)
		(void)madvise(p, length, MADV_HUGEPAGE);
	return p;
}
*/
import "C"
