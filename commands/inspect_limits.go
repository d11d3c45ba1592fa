package commands

import (
	"github.com/dhow-containers/dhow/run/limit"
	"github.com/dhow-containers/dhow/run/record"
)

// limitsDocument is the part of inspect's HostConfig that tells what a container may use of the machine.
type limitsDocument struct {
	CgroupnsMode         string
	OomScoreAdj          int
	CpuShares            int64 // docker's spelling, here and below
	Memory               int64
	NanoCpus             int64
	CgroupParent         string
	BlkioWeight          uint16
	BlkioDeviceReadBps   []limit.Rate
	BlkioDeviceWriteBps  []limit.Rate
	BlkioDeviceReadIOps  []limit.Rate
	BlkioDeviceWriteIOps []limit.Rate
	CpuPeriod            int64
	CpuQuota             int64
	CpusetCpus           string
	CpusetMems           string
	MemoryReservation    int64
	MemorySwap           int64
	OomKillDisable       *bool
	PidsLimit            *int64
}

func limitsOf(f record.Found) limitsDocument {
	l := f.Limits
	d := limitsDocument{
		CgroupnsMode: f.CgroupNS, OomScoreAdj: f.OOMScoreAdj, CgroupParent: f.CgroupParent,
		CpuShares: l.CPUShares, Memory: l.Memory, NanoCpus: l.NanoCPUs, BlkioWeight: l.BlkioWeight,
		BlkioDeviceReadBps: l.ReadBps, BlkioDeviceWriteBps: l.WriteBps, BlkioDeviceReadIOps: l.ReadIOps, BlkioDeviceWriteIOps: l.WriteIOps,
		CpuPeriod: l.CPUPeriod, CpuQuota: l.CPUQuota, CpusetCpus: l.CpusetCpus, CpusetMems: l.CpusetMems,
		MemoryReservation: l.MemoryReservation, MemorySwap: l.Swap(),
	}
	if d.CgroupnsMode == "" {
		d.CgroupnsMode = "private"
	}
	if l.PidsLimit != 0 {
		d.PidsLimit = &l.PidsLimit
	}
	return d
}
