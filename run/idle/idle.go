// Package idle keeps a process small that waits for most of its life, as a container's monitor does.
package idle

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#include "idle.h"
*/
import "C"

import (
	"bufio"
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
	thread.drop(programPages())
}

// area is a range of addresses and the advice for it.
type area struct {
	from, size uintptr
	advice     int
}

// programPages lists where the program's own file lies in memory: its pages are read from the file
// again when they are needed. What may have been written to can only be offered to the kernel, which
// knows what was (madvise(2), MADV_PAGEOUT; it wants the file to be ours).
func programPages() []area {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []area
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		a, aerr := strconv.ParseUint(from, 16, 64)
		b, berr := strconv.ParseUint(to, 16, 64)
		if aerr != nil || berr != nil || b <= a {
			continue
		}
		advice := unix.MADV_DONTNEED
		if strings.Contains(fields[1], "w") {
			advice = unix.MADV_PAGEOUT
		}
		out = append(out, area{uintptr(a), uintptr(b - a), advice})
	}
	return out
}

// thread is the thread of idle.c, started by the first who needs it.
var thread dropper

// dropper drops pages in a thread that needs none of them. Where the host forbids that, its caller does
// it, and the pages that it goes on with stay.
type dropper struct {
	sync.Mutex
	asked bool
	order *C.struct_idle_order
}

func (d *dropper) drop(areas []area) {
	d.Lock()
	defer d.Unlock()
	if !d.asked {
		d.order, d.asked = C.idle_start(), true
	}
	if d.order == nil {
		for _, a := range areas {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, a.from, a.size, uintptr(a.advice))
		}
		return
	}
	n := min(len(areas), C.IDLE_AREAS)
	for i, a := range areas[:n] {
		at := &d.order.area[i]
		at.from, at.size, at.advice = C.ulong(a.from), C.ulong(a.size), C.long(a.advice)
	}
	d.order.n = C.ulong(n)
	_, _ = unix.Write(int(d.order.fd), []byte{1, 0, 0, 0, 0, 0, 0, 0}) // not zero in either order of bytes
}
