package commands

import (
	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run/limit"
)

// limitFlags are those of run, create and update that bound what a container uses of the machine.
func limitFlags() []cli.Flag {
	return []cli.Flag{
		text("blkio-weight", "", "`weight` Share of the disks' time, 10 to 1000"),
		text("cpu-period", "", "`microseconds` Length of the periods of --cpu-quota"),
		text("cpu-quota", "", "`microseconds` Processor time in each period"),
		text("cpu-shares", "c", "`number` Share of the processors when they are busy; 1024 is everybody's"),
		text("cpus", "", "`number` Processors at most: 1.5"),
		text("cpuset-cpus", "", "`list` Run on these processors alone: 0-2,4"),
		text("cpuset-mems", "", "`list` Use these memory nodes alone"),
		text("memory", "m", "`size` Memory at most: 512m"),
		text("memory-reservation", "", "`size` Memory that is left to the container when it gets scarce"),
		text("memory-swap", "", "`size` Memory and swap together at most; -1 is any amount of swap, none twice the memory"),
		text("pids-limit", "", "`number` Processes and threads at most; -1 is any number"),
	}
}

// runLimitFlags are those of run and create alone.
func runLimitFlags() []cli.Flag {
	return append(limitFlags(),
		text("cgroup-parent", "", "`path` Make the container's control group below this one"),
		text("cgroupns", "", "`mode` Cgroup namespace: private (the default) or host"),
		list("device-read-bps", "", "`device:rate` Bytes a second read from a device at most: /dev/sda:1mb"),
		list("device-read-iops", "", "`device:rate` Reads a second from a device at most"),
		list("device-write-bps", "", "`device:rate` Bytes a second written to a device at most"),
		list("device-write-iops", "", "`device:rate` Writes a second to a device at most"),
		text("oom-score-adj", "", "`number` How likely the kernel kills it when memory is used up, -1000 to 1000"),
		hidden(text("cpu-rt-period", "", "")), hidden(text("cpu-rt-runtime", "", "")), hidden(text("kernel-memory", "", "")),
		hidden(text("memory-swappiness", "", "")), hidden(yes("oom-kill-disable", "", "")),
	)
}

// noOldLimits refuses the limits that only control groups of version 1 had.
func (c *call) noOldLimits() error {
	for _, flag := range []string{"cpu-rt-period", "cpu-rt-runtime", "kernel-memory", "memory-swappiness"} {
		if c.text(flag) != "" {
			return &explain.Error{Text: "--" + flag + " is not possible: control groups of version 2 have no such limit", Hint: "leave it out", Status: 125}
		}
	}
	if c.Bool("oom-kill-disable") {
		return &explain.Error{Text: "--oom-kill-disable is not possible: control groups of version 2 have no such switch", Hint: "set --memory higher, or see --oom-score-adj", Status: 125}
	}
	return nil
}

func (c *call) limits() limit.Flags {
	return limit.Flags{
		Memory: c.text("memory"), MemoryReservation: c.text("memory-reservation"), MemorySwap: c.text("memory-swap"),
		CPUs: c.text("cpus"), CPUShares: c.text("cpu-shares"), CPUPeriod: c.text("cpu-period"), CPUQuota: c.text("cpu-quota"),
		CpusetCpus: c.text("cpuset-cpus"), CpusetMems: c.text("cpuset-mems"),
		PidsLimit: c.text("pids-limit"), BlkioWeight: c.text("blkio-weight"),
		DeviceReadBps: c.list("device-read-bps"), DeviceWriteBps: c.list("device-write-bps"),
		DeviceReadIOps: c.list("device-read-iops"), DeviceWriteIOps: c.list("device-write-iops"),
	}
}
