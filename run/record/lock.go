package record

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// held reports whether somebody holds the lock at path. It takes the lock shared for an instant when
// nobody does; a monitor that is just starting is not kept from it, because it takes the lock before
// anybody can know of it.
func held(path string) (bool, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return true, nil
	}
	return false, err
}

// StartTime is when process pid started, in clock ticks since boot: with it a process is told from
// another one that got its number later.
func StartTime(pid int) (uint64, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The command's name, field 2, can hold anything; the last parenthesis ends it.
	_, rest, ok := cutLast(string(data), ')')
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat: unexpected format", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func cutLast(s string, c byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, c); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// Alive reports whether the container's first process still lives.
func (s State) Alive() bool {
	if s.Pid <= 0 || s.StartTime == 0 {
		return false
	}
	start, err := StartTime(s.Pid)
	return err == nil && start == s.StartTime
}
