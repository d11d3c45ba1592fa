package plan

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// isSignal tells whether s is a signal as docker takes it: a number, a name with or without SIG,
// RTMIN+n or RTMAX-n.
func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n > 0 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if name == "RTMIN" || name == "RTMAX" || name == "CLD" || name == "POLL" {
		return true
	}
	for _, p := range []string{"RTMIN+", "RTMAX-"} {
		if rest, ok := strings.CutPrefix(name, p); ok {
			n, err := strconv.Atoi(rest)
			return err == nil && n > 0 && n <= 15
		}
	}
	return unix.SignalNum("SIG"+name) != 0
}
