// Package idle keeps a process small that waits for most of its life, as a container's monitor does.
package idle

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#include "idle.h"
*/
import "C"

import (
	"bufio"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Keep gives memory back whenever this process may have used it, and does not return. What the first
// moments of waiting bring back goes a little later, and so on: the runtime collects garbage every two
// minutes at the latest, which would leave megabytes of its text in memory. We are there before it.
func Keep() {
	debug.SetGCPercent(25)
	for wait := 200 * time.Millisecond; ; wait = min(10*wait, 110*time.Second) {
		time.Sleep(wait) // the payload has the processors first
		Now()
	}
}

// Now gives memory back after a piece of work: the heap's free pages, and the pages of the program's own
// file a moment later.
func Now() {
	debug.FreeOSMemory()
	thread.drop()
}

// area is a range of addresses and the advice for it.
type area struct {
	from, size uint64
	advice     int
}

// programPages lists where the program's own file lies in memory, from smaps (proc_pid_smaps(5)): its
// pages are read from the file again when they are needed. What can be written to, or was before it was
// made read-only (the linker's RELRO), can only be offered to the kernel, which knows the pages that
// were (madvise(2), MADV_PAGEOUT; it wants the file to be ours).
func programPages(smaps io.Reader) []area {
	var out []area
	ours := false
	for s := bufio.NewScanner(smaps); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 2 {
			continue
		}
		if from, to, ok := strings.Cut(fields[0], "-"); ok {
			a, aerr := strconv.ParseUint(from, 16, 64)
			b, berr := strconv.ParseUint(to, 16, 64)
			if ours = len(fields) > 5 && strings.HasPrefix(fields[5], "/") && aerr == nil && berr == nil && b > a; ours {
				out = append(out, area{a, b - a, unix.MADV_DONTNEED})
				if strings.Contains(fields[1], "w") {
					out[len(out)-1].advice = unix.MADV_PAGEOUT
				}
			}
		} else if ours && fields[0] == "Anonymous:" && fields[1] != "0" {
			out[len(out)-1].advice = unix.MADV_PAGEOUT
		}
	}
	return out
}

// thread is the thread of idle.c, started by the first who needs it.
var thread dropper

// dropper drops the program's pages in a thread that needs none of them. Where the host forbids that, its
// caller does it, and the pages that it goes on with stay.
type dropper struct {
	once  sync.Once
	areas []area
	order *C.struct_idle_order
}

// begin looks once where the program lies, which never changes: the thread reads its order at any time.
func (d *dropper) begin() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	d.areas = programPages(f)
	if d.order = C.idle_start(); d.order == nil {
		return
	}
	n := min(len(d.areas), C.IDLE_AREAS)
	for i, a := range d.areas[:n] {
		at := &d.order.area[i]
		at.from, at.size, at.advice = C.ulong(a.from), C.ulong(a.size), C.long(a.advice)
	}
	d.order.n = C.ulong(n)
}

func (d *dropper) drop() {
	d.once.Do(d.begin)
	if d.order != nil {
		_, _ = unix.Write(int(d.order.fd), []byte{1, 0, 0, 0, 0, 0, 0, 0}) // not zero in either order of bytes
		return
	}
	for _, a := range d.areas {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(a.from), uintptr(a.size), uintptr(a.advice))
	}
}
