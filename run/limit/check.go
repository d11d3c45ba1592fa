package limit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Host is what a machine has, for the ranges of values.
type Host struct {
	CPUs int // that this process may see: the processors of the host
	// CPUSet and MemorySet are the numbers of the processors and memory nodes there are, as the kernel
	// writes lists: "0-3,7". Empty is unknown.
	CPUSet, MemorySet string
}

const least = 6 << 20

// Check reports the first rule that l breaks, in docker's words. Updated says that a container has had
// limits before.
func (l Limits) Check(h Host, updated bool) error {
	switch {
	case l.Memory != 0 && l.Memory < least:
		return errors.New("Minimum memory limit allowed is 6MB")
	case l.Memory > 0 && l.MemorySwap > 0 && l.MemorySwap < l.Memory:
		if updated {
			return errors.New("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
		}
		return errors.New("Minimum memoryswap limit should be larger than memory limit, see usage")
	case l.Memory == 0 && l.MemorySwap > 0 && !updated:
		return errors.New("You should always set the Memory limit when using Memoryswap limit, see usage")
	case l.MemorySwap < -1:
		return fmt.Errorf("Invalid memoryswap limit %d: -1 is without limit", l.MemorySwap)
	case l.MemoryReservation != 0 && l.MemoryReservation < least:
		return errors.New("Minimum memory reservation allowed is 6MB")
	case l.Memory > 0 && l.MemoryReservation > 0 && l.Memory < l.MemoryReservation:
		return errors.New("Minimum memory limit can not be less than memory reservation limit, see usage")
	case l.NanoCPUs != 0 && l.CPUPeriod != 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Period cannot both be set")
	case l.NanoCPUs != 0 && l.CPUQuota != 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
	case l.NanoCPUs < 0 || l.NanoCPUs > int64(h.CPUs)*1e9 || l.NanoCPUs > 0 && l.NanoCPUs < 1e7:
		return fmt.Errorf("Range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", h.CPUs, h.CPUs)
	case l.CPUShares < 0:
		return fmt.Errorf("Invalid CPU shares (%d): value must be a positive integer", l.CPUShares)
	case l.CPUPeriod != 0 && (l.CPUPeriod < 1000 || l.CPUPeriod > 1000000):
		return errors.New("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case l.CPUQuota > 0 && l.CPUQuota < 1000:
		return errors.New("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	case l.PidsLimit < -1:
		return fmt.Errorf("Invalid pids limit %d: -1 is without limit", l.PidsLimit)
	case l.BlkioWeight > 0 && (l.BlkioWeight < 10 || l.BlkioWeight > 1000):
		return errors.New("Range of blkio weight is from 10 to 1000")
	}
	if err := checkSet("CPUs", "cpuset cpus", l.CpusetCpus, h.CPUSet); err != nil {
		return err
	}
	return checkSet("memory nodes", "cpuset mems", l.CpusetMems, h.MemorySet)
}

func checkSet(what, name, want, have string) error {
	if want == "" {
		return nil
	}
	asked, err := parseSet(want)
	if err != nil {
		return fmt.Errorf("Invalid value %s for %s", want, name)
	}
	there, err := parseSet(have)
	if err != nil || len(there) == 0 {
		return nil // the kernel will tell
	}
	for n := range asked {
		if !there[n] {
			return fmt.Errorf("Requested %s are not available - requested %s, available: %s", what, want, have)
		}
	}
	return nil
}

// mostNumber bounds the numbers in a list: the kernel's NR_CPUS is at most 8192.
const mostNumber = 1 << 13

// parseSet reads a list as cpuset(7) has it: "0-3,7".
func parseSet(s string) (map[int]bool, error) {
	set := map[int]bool{}
	if s == "" {
		return set, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 0 || b < a || b > mostNumber {
			return nil, fmt.Errorf("invalid list %q", s)
		}
		for n := a; n <= b; n++ {
			set[n] = true
		}
	}
	return set, nil
}

// Count is how many numbers a list of the kernel's has, 0 when it is none.
func Count(list string) int {
	set, err := parseSet(list)
	if err != nil {
		return 0
	}
	return len(set)
}
