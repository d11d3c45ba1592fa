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
	"slices"
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
	small()
	thread.drop()
}

// small gives up the huge pages with which a program starts (main's heap.go). What of them was never
// written to is given back when the kernel splits them (since Linux 6.12), which it does when somebody
// finds a part of one cold (madvise(2), MADV_COLD): here all but a page. Not while it is busy with one, so
// this is done again.
func small() {
	for _, a := range hugeAreas() {
		for at := a.from; at < a.from+a.size; at += hugePage {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(at), uintptr(hugePage-os.Getpagesize()), unix.MADV_COLD)
		}
	}
}

const hugePage = 2 << 20

// hugeAreas gives where huge pages were asked for, and asks for no more.
var hugeAreas = sync.OnceValue(func() []area {
	if C.idle_small_pages() == 0 {
		return nil
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	areas := hugePages(f)
	for _, a := range areas {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(a.from), uintptr(a.size), unix.MADV_NOHUGEPAGE)
	}
	return areas
})

// hugePages lists for what huge pages were asked, from smaps.
func hugePages(smaps io.Reader) []area {
	var out []area
	var last area
	for s := bufio.NewScanner(smaps); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) == 0 {
			continue
		}
		if a, ok := areaOf(fields[0]); ok {
			last = a
		} else if fields[0] == "VmFlags:" && slices.Contains(fields, "hg") {
			out = append(out, last)
		}
	}
	return out
}

// areaOf reads the first field of an area in smaps.
func areaOf(field string) (area, bool) {
	from, to, _ := strings.Cut(field, "-")
	a, aerr := strconv.ParseUint(from, 16, 64)
	b, berr := strconv.ParseUint(to, 16, 64)
	return area{from: a, size: b - a}, aerr == nil && berr == nil && b > a
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
		if a, ok := areaOf(fields[0]); ok {
			if ours = len(fields) > 5 && strings.HasPrefix(fields[5], "/"); ours {
				a.advice = unix.MADV_DONTNEED
				out = append(out, a)
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
