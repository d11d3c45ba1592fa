package limit

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Need is a controller of control groups and the first flag that asks for it.
type Need struct{ Controller, Flag string }

// Needs are the controllers that l can not do without.
func (l Limits) Needs() []Need {
	var all []Need
	for _, n := range []struct {
		asked            bool
		controller, flag string
	}{
		{l.Memory != 0, "memory", "--memory"}, {l.MemoryReservation != 0, "memory", "--memory-reservation"}, {l.MemorySwap != 0, "memory", "--memory-swap"},
		{l.NanoCPUs != 0, "cpu", "--cpus"}, {l.CPUShares != 0, "cpu", "--cpu-shares"}, {l.CPUPeriod != 0, "cpu", "--cpu-period"}, {l.CPUQuota != 0, "cpu", "--cpu-quota"},
		{l.CpusetCpus != "", "cpuset", "--cpuset-cpus"}, {l.CpusetMems != "", "cpuset", "--cpuset-mems"},
		{l.PidsLimit > 0, "pids", "--pids-limit"},
		{l.BlkioWeight != 0, "io", "--blkio-weight"},
		{len(l.ReadBps) > 0, "io", "--device-read-bps"}, {len(l.WriteBps) > 0, "io", "--device-write-bps"},
		{len(l.ReadIOps) > 0, "io", "--device-read-iops"}, {len(l.WriteIOps) > 0, "io", "--device-write-iops"},
	} {
		if n.asked && (len(all) == 0 || all[len(all)-1].Controller != n.controller) {
			all = append(all, Need{n.controller, n.flag})
		}
	}
	return all
}

// standardPeriod is docker's and the kernel's, in microseconds.
const standardPeriod = 100000

// Resources gives l as the runtime specification has it; nil when nothing is limited. Devices are looked
// up on the host.
func (l Limits) Resources() (*specs.LinuxResources, error) {
	r := specs.LinuxResources{}
	if l.Memory != 0 || l.MemoryReservation != 0 || l.MemorySwap != 0 {
		r.Memory = &specs.LinuxMemory{Limit: set(l.Memory), Reservation: set(l.MemoryReservation), Swap: set(l.Swap())}
	}
	if l.CPUShares != 0 || l.CPUPeriod != 0 || l.CPUQuota != 0 || l.NanoCPUs != 0 || l.CpusetCpus != "" || l.CpusetMems != "" {
		r.CPU = &specs.LinuxCPU{Quota: set(l.CPUQuota), Cpus: l.CpusetCpus, Mems: l.CpusetMems}
		if l.CPUShares != 0 {
			shares := uint64(l.CPUShares)
			r.CPU.Shares = &shares
		}
		period := uint64(l.CPUPeriod)
		if l.NanoCPUs != 0 {
			period = standardPeriod
			quota := l.NanoCPUs * standardPeriod / 1e9
			r.CPU.Quota = &quota
		}
		if period != 0 {
			r.CPU.Period = &period
		}
	}
	if l.PidsLimit != 0 {
		r.Pids = &specs.LinuxPids{Limit: set(l.PidsLimit)}
	}
	if err := l.io(&r); err != nil {
		return nil, err
	}
	if r.Memory == nil && r.CPU == nil && r.Pids == nil && r.BlockIO == nil {
		return nil, nil
	}
	return &r, nil
}

func (l Limits) io(r *specs.LinuxResources) error {
	var b specs.LinuxBlockIO
	asked := l.BlkioWeight != 0
	if asked {
		b.Weight = &l.BlkioWeight
	}
	for _, v := range []struct {
		rates []Rate
		to    *[]specs.LinuxThrottleDevice
	}{
		{l.ReadBps, &b.ThrottleReadBpsDevice}, {l.WriteBps, &b.ThrottleWriteBpsDevice},
		{l.ReadIOps, &b.ThrottleReadIOPSDevice}, {l.WriteIOps, &b.ThrottleWriteIOPSDevice},
	} {
		for _, rate := range v.rates {
			var st unix.Stat_t
			if err := unix.Stat(rate.Path, &st); err != nil {
				return fmt.Errorf("limiting device %s: %w", rate.Path, err)
			}
			if st.Mode&unix.S_IFMT != unix.S_IFBLK {
				return fmt.Errorf("limiting device %s: it is no block device", rate.Path)
			}
			d := specs.LinuxThrottleDevice{Rate: rate.Rate}
			d.Major, d.Minor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
			*v.to = append(*v.to, d)
			asked = true
		}
	}
	if asked {
		r.BlockIO = &b
	}
	return nil
}

// Swap is MemorySwap, or what stands for it: as much swap as memory.
func (l Limits) Swap() int64 {
	if l.MemorySwap == 0 && l.Memory > 0 {
		return 2 * l.Memory
	}
	return l.MemorySwap
}

func set(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
