package run

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/record"
)

// Usage is what a container uses of the machine at one moment; all is 0 when it does not run.
type Usage struct {
	At                      time.Time
	CPU                     time.Duration // of all processors, since the start
	Memory, MemoryLimit     uint64        // bytes
	Received, Sent          uint64        // bytes, on the container's side of its network
	BlockRead, BlockWritten uint64        // bytes
	Processes               uint64        // and threads
	// FromProc says that it was added up from /proc, because the container has no control group, or one
	// that lacks controllers: what ended processes used is missing where nobody waited for them.
	FromProc bool
}

// Measure tells what a container uses: by its control group where it has one, else by its processes,
// which its monitor knows.
func Measure(f record.Found) (Usage, error) {
	u := Usage{At: time.Now()}
	if f.State.Status != record.Running {
		return u, nil
	}
	var g cgroup.Usage
	if f.State.Cgroup != "" {
		var err error
		if g, err = cgroup.Read(f.State.Cgroup); errors.Is(err, fs.ErrNotExist) {
			return u, nil // it has just ended
		} else if err != nil {
			return u, fmt.Errorf("reading what container %s uses: %w", f.Name, err)
		}
	}
	u.CPU, u.Memory, u.BlockRead, u.BlockWritten, u.Processes = g.CPU, g.Memory, g.BlockRead, g.BlockWritten, g.Processes
	if f.State.Cgroup == "" || !g.HasMemory || !g.HasProcesses || !g.HasBlock {
		p, err := askUsage(f)
		if errors.Is(err, monitor.ErrGone) {
			return Usage{At: u.At}, nil
		}
		if err != nil {
			return u, err
		}
		u.FromProc = true
		if f.State.Cgroup == "" {
			u.CPU = time.Duration(p.CPUTicks) * time.Second / hertz
		}
		if !g.HasMemory {
			u.Memory = p.Memory
		}
		if !g.HasBlock {
			u.BlockRead, u.BlockWritten = p.BlockRead, p.BlockWritten
		}
		if !g.HasProcesses {
			u.Processes = p.Threads
		}
	}
	u.MemoryLimit = memoryOfHost()
	if g.HasMemory && g.MemoryMax > 0 && g.MemoryMax < u.MemoryLimit {
		u.MemoryLimit = g.MemoryMax
	}
	if f.Network != string(network.Host) && f.State.Alive() {
		if text, err := os.ReadFile("/proc/" + strconv.Itoa(f.State.Pid) + "/net/dev"); err == nil {
			u.Received, u.Sent = traffic(text)
		}
	}
	return u, nil
}

func askUsage(f record.Found) (monitor.Usage, error) {
	reply, err := monitor.Ask(f.Dir, monitor.Request{Op: "usage"}, answerTime)
	if err == nil && reply.Usage == nil {
		err = fmt.Errorf("the monitor of container %s does not tell what it uses", f.Name)
	}
	if err != nil {
		return monitor.Usage{}, err
	}
	return *reply.Usage, nil
}

// Usage adds up what the processes in the container use. The monitor may look at all of them: it is
// above them in the hierarchy of user namespaces, which other commands are not.
func (h *held) Usage() (monitor.Usage, error) {
	var all monitor.Usage
	pids, _, err := h.Processes()
	if err != nil {
		return all, err
	}
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid) + "/"
		stat, err := os.ReadFile(dir + "stat")
		if err != nil {
			continue // it has ended
		}
		ticks, threads, resident := usageOf(stat)
		all.CPUTicks += ticks
		all.Threads += threads
		memory := resident * uint64(os.Getpagesize())
		if text, err := os.ReadFile(dir + "smaps_rollup"); err == nil {
			if kb, ok := named(text, "Pss:"); ok {
				memory = kb << 10
			}
		}
		all.Memory += memory
		if text, err := os.ReadFile(dir + "io"); err == nil {
			read, _ := named(text, "read_bytes:")
			written, _ := named(text, "write_bytes:")
			all.BlockRead += read
			all.BlockWritten += written
		}
	}
	return all, nil
}

// usageOf reads proc_pid_stat(5): times in ticks, threads, and resident pages.
func usageOf(stat []byte) (ticks, threads, resident uint64) {
	end := bytes.LastIndexByte(stat, ')') // the name may hold anything
	if end < 0 {
		return 0, 0, 0
	}
	fields := strings.Fields(string(stat[end+1:]))
	number := func(field int) uint64 { // as the man page counts
		if field-3 >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseUint(fields[field-3], 10, 64)
		return n
	}
	return number(14) + number(15) + number(16) + number(17), number(20), number(24)
}

// named gives the number behind a word at the beginning of a line.
func named(text []byte, word string) (uint64, bool) {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) > 1 && f[0] == word {
			n, err := strconv.ParseUint(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// traffic adds up the counters of all devices but the loopback's (proc_pid_net(5)).
func traffic(text []byte) (received, sent uint64) {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		name, rest, ok := strings.Cut(s.Text(), ":")
		f := strings.Fields(rest)
		if !ok || len(f) < 9 || strings.TrimSpace(name) == "lo" {
			continue
		}
		r, _ := strconv.ParseUint(f[0], 10, 64)
		t, _ := strconv.ParseUint(f[8], 10, 64)
		received += r
		sent += t
	}
	return received, sent
}

// HostMemory is how many bytes of memory this machine has; 0 when that is not known.
func HostMemory() int64 { return int64(memoryOfHost()) }

func memoryOfHost() uint64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	kb, _ := named(text, "MemTotal:")
	return kb << 10
}
