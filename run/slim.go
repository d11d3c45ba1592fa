package run

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// slim makes the monitor small once the start is over: it waits for most of its life. What the first
// moments of waiting bring back goes a little later, and so on: the runtime collects garbage every two
// minutes at the latest, which would leave megabytes of its text in memory. We are there before it.
func slim() {
	for wait := 200 * time.Millisecond; ; wait = min(10*wait, 110*time.Second) {
		time.Sleep(wait) // the payload has the processors first
		release()
	}
}

// release gives back the heap's free pages, and the pages of the program's own text and constants:
// they are read from the file again when they are needed (madvise(2), MADV_DONTNEED of a private file
// mapping).
func release() {
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	var areas [][2]uintptr
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		// Only what can not have been written to: a file's, not writable.
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") || strings.Contains(fields[1], "w") {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		a, aerr := strconv.ParseUint(from, 16, 64)
		b, berr := strconv.ParseUint(to, 16, 64)
		if aerr == nil && berr == nil && b > a {
			areas = append(areas, [2]uintptr{uintptr(a), uintptr(b)})
		}
	}
	for _, a := range areas {
		// One page at a time: the kernel would map two megabytes where one page is needed.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, a[0], a[1]-a[0], unix.MADV_NOHUGEPAGE)
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, a[0], a[1]-a[0], unix.MADV_DONTNEED)
	}
}
