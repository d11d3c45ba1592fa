// Package members ends the processes of a container that has no pid namespace to end with: they are looked
// for in /proc, by whatever the caller knows them.
package members

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// End kills every process that is one of them, never this one, until none is found.
func End(is func(pid int) bool) {
	for range 100 { // one that forks while we look is found the next time
		found := false
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return
		}
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || pid == os.Getpid() || !is(pid) {
				continue
			}
			found = unix.Kill(pid, unix.SIGKILL) == nil || found
		}
		if !found {
			return
		}
	}
}
