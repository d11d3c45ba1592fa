package spec

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// MaskedPaths are hidden in every container (moby: oci/defaults.go).
func MaskedPaths() []string { return slices.Concat(maskedPaths, throttlePaths()) }

// ReadonlyPaths can not be written in any container (moby: oci/defaults.go).
func ReadonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/devices/virtual/powercap", "/sys/firmware",
}

// throttlePaths tell of the temperature of single processors, by which neighbours can be watched
// (GHSA-6fw5-f8r9-fgfm); they exist on real machines only.
var throttlePaths = sync.OnceValue(func() []string {
	data, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		return nil
	}
	var paths []string
	for part := range strings.SplitSeq(strings.TrimSpace(string(data)), ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		a, err1 := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || b-a > 1<<16 {
			return paths
		}
		for cpu := a; cpu <= b; cpu++ {
			p := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/thermal_throttle", cpu)
			if _, err := os.Lstat(p); err != nil {
				// Processors of one machine are alike: without the first there is none.
				return paths
			}
			paths = append(paths, p)
		}
	}
	return paths
})
