package run

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ParseSignal reads a signal as docker does: "9", "KILL", "SIGKILL", "RTMIN+3", "rtmax-1"
// (moby/sys/signal).
func ParseSignal(text string) (unix.Signal, error) {
	invalid := fmt.Errorf("invalid signal: %s", text)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 64 {
			return 0, invalid
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	// The C library keeps the first two real-time signals (signal(7)).
	for _, r := range []struct {
		base string
		sign int
		at   int
	}{{"RTMIN", 1, 34}, {"RTMAX", -1, 64}} {
		rest, ok := strings.CutPrefix(name, r.base)
		if !ok {
			continue
		}
		if rest == "" {
			return unix.Signal(r.at), nil
		}
		n, err := strconv.Atoi(rest)
		if err != nil || n*r.sign <= 0 || n*r.sign > 30 {
			return 0, invalid
		}
		return unix.Signal(r.at + n), nil
	}
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	return 0, invalid
}

// stopSignal is what asks the payload to end.
func (c *container) stopSignal() unix.Signal { return stopSignalOf(c.entry.StopSignal) }

func stopSignalOf(text string) unix.Signal {
	if sig, err := ParseSignal(text); err == nil {
		return sig
	}
	return unix.SIGTERM
}
