// Package limit is what a container may use of the machine: read from docker's flags, checked by
// docker's rules (moby: daemon/daemon_unix.go, verifyPlatformContainerResources), and turned into the
// resources of the runtime specification.
//
// It is pure. Where limits are set, and whether that is possible here, is known to rootless/cgroup and
// run/sandbox.
package limit

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// Limits are those of one container; a zero field sets none. The names in JSON are docker's in
// HostConfig.
type Limits struct {
	Memory            int64  `json:",omitempty"` // bytes
	MemoryReservation int64  `json:",omitempty"`
	MemorySwap        int64  `json:",omitempty"` // memory and swap together; -1 is without limit, 0 is twice Memory
	NanoCPUs          int64  `json:",omitempty"` // 1e9 is one processor
	CPUShares         int64  `json:",omitempty"`
	CPUPeriod         int64  `json:",omitempty"` // microseconds
	CPUQuota          int64  `json:",omitempty"` // microseconds in each period; -1 is without limit
	CpusetCpus        string `json:",omitempty"`
	CpusetMems        string `json:",omitempty"`
	PidsLimit         int64  `json:",omitempty"` // -1 is without limit
	BlkioWeight       uint16 `json:",omitempty"`

	ReadBps, WriteBps, ReadIOps, WriteIOps []Rate `json:",omitempty"`
}

// Rate bounds what is read from or written to one device of the host in a second.
type Rate struct {
	Path string
	Rate uint64
}

// Flags are the limits as they stand on a command line; "" is not given.
type Flags struct {
	Memory, MemoryReservation, MemorySwap string
	CPUs, CPUShares, CPUPeriod, CPUQuota  string
	CpusetCpus, CpusetMems                string
	PidsLimit, BlkioWeight                string
	DeviceReadBps, DeviceWriteBps         []string
	DeviceReadIOps, DeviceWriteIOps       []string
}

// Read reads the flags over what is there in l.
func (l *Limits) Read(f Flags) error {
	for _, v := range []struct {
		flag, text string
		read       func(string) error
	}{
		{"-m, --memory", f.Memory, bytes(&l.Memory, false)},
		{"--memory-reservation", f.MemoryReservation, bytes(&l.MemoryReservation, false)},
		{"--memory-swap", f.MemorySwap, bytes(&l.MemorySwap, true)},
		{"--cpus", f.CPUs, l.readCPUs},
		{"-c, --cpu-shares", f.CPUShares, whole(&l.CPUShares)},
		{"--cpu-period", f.CPUPeriod, whole(&l.CPUPeriod)},
		{"--cpu-quota", f.CPUQuota, whole(&l.CPUQuota)},
		{"--pids-limit", f.PidsLimit, whole(&l.PidsLimit)},
		{"--blkio-weight", f.BlkioWeight, l.readWeight},
		{"--cpuset-cpus", f.CpusetCpus, func(s string) error { l.CpusetCpus = s; return nil }},
		{"--cpuset-mems", f.CpusetMems, func(s string) error { l.CpusetMems = s; return nil }},
	} {
		if v.text == "" {
			continue
		}
		if err := v.read(v.text); err != nil {
			return fmt.Errorf("invalid argument %q for %q flag: %w", v.text, v.flag, err)
		}
	}
	for _, v := range []struct {
		flag  string
		texts []string
		to    *[]Rate
		bytes bool
	}{
		{"--device-read-bps", f.DeviceReadBps, &l.ReadBps, true}, {"--device-write-bps", f.DeviceWriteBps, &l.WriteBps, true},
		{"--device-read-iops", f.DeviceReadIOps, &l.ReadIOps, false}, {"--device-write-iops", f.DeviceWriteIOps, &l.WriteIOps, false},
	} {
		for _, text := range v.texts {
			r, err := parseRate(text, v.bytes)
			if err != nil {
				return fmt.Errorf("invalid argument %q for %q flag: %w", text, v.flag, err)
			}
			*v.to = append(*v.to, r)
		}
	}
	return nil
}

func bytes(to *int64, unlimited bool) func(string) error {
	return func(s string) error {
		if unlimited && s == "-1" {
			*to = -1
			return nil
		}
		n, err := units.RAMInBytes(s)
		if err != nil {
			return err
		}
		*to = n
		return nil
	}
}

func whole(to *int64) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("parsing %q: invalid syntax", s)
		}
		*to = n
		return nil
	}
}

// readCPUs reads "1.5" without losing a digit (docker/cli: opts.ParseCPUs).
func (l *Limits) readCPUs(s string) error {
	cpu, ok := new(big.Rat).SetString(s)
	if !ok || len(s) > 32 {
		return fmt.Errorf("failed to parse %v as a rational number", s)
	}
	nano := cpu.Mul(cpu, big.NewRat(1e9, 1))
	if !nano.IsInt() || !nano.Num().IsInt64() {
		return fmt.Errorf("value is too precise")
	}
	l.NanoCPUs = nano.Num().Int64()
	return nil
}

func (l *Limits) readWeight(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return fmt.Errorf("parsing %q: invalid syntax", s)
	}
	l.BlkioWeight = uint16(n)
	return nil
}

// parseRate reads "/dev/sda:1mb" (docker/cli: opts.ValidateThrottleBpsDevice).
func parseRate(s string, inBytes bool) (Rate, error) {
	device, text, ok := strings.Cut(s, ":")
	if !ok {
		return Rate{}, fmt.Errorf("bad format: %s", s)
	}
	if !strings.HasPrefix(device, "/dev/") {
		return Rate{}, fmt.Errorf("bad format for device path: %s", s)
	}
	if !inBytes {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return Rate{}, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>. Number must be a positive integer", s)
		}
		return Rate{device, n}, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n < 0 {
		return Rate{}, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb", s)
	}
	return Rate{device, uint64(n)}, nil
}
