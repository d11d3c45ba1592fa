package cgroup

import (
	"os"

	"golang.org/x/sys/unix"
)

// WatchKills calls told with the number of processes of the group at p that the kernel has killed because
// their memory was used up (see OOMKills), each time that it has grown since the call. It ends with stop, which
// does not wait for told, and with the group. There is nothing to watch where the memory of groups is not
// counted: stop is nil then.
//
// The kernel tells of changes of the file by inotify (cgroups, memory.events).
func WatchKills(p string, told func(n uint64)) (stop func()) {
	events := file(p, "memory.events")
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "inotify")
	seen := OOMKills(p)
	if _, err := unix.InotifyAddWatch(fd, events, unix.IN_MODIFY|unix.IN_DELETE_SELF); err != nil {
		f.Close()
		return nil
	}
	go func() {
		defer f.Close()
		for buf := make([]byte, 4096); ; {
			if n := OOMKills(p); n > seen {
				seen = n
				told(n)
			}
			if _, err := f.Read(buf); err != nil || !Exists(p) {
				return
			}
		}
	}()
	return func() { f.Close() }
}
