// Package kernel tells the running kernel's version, for what can not be found out by trying.
package kernel

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

var running = sync.OnceValue(func() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
})

// AtLeast reports whether the kernel is of that version or a later one; otherwise is the answer when its
// release (uname(2)) can not be read.
func AtLeast(major, minor int, otherwise bool) bool {
	return atLeast(running(), major, minor, otherwise)
}

func atLeast(release string, major, minor int, otherwise bool) bool {
	first, rest, _ := strings.Cut(release, ".")
	second := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		second = rest[:i]
	}
	a, aerr := strconv.Atoi(first)
	b, berr := strconv.Atoi(second)
	if aerr != nil || berr != nil {
		return otherwise
	}
	return a > major || a == major && b >= minor
}
