package cgroup

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what the processes of a group have used.
type Usage struct {
	CPU time.Duration // since the group was made
	// Memory is what is in use without the page cache that could be dropped at once; MemoryMax is the
	// limit, 0 when there is none. Both count only when HasMemory.
	Memory, MemoryMax uint64
	HasMemory         bool
	BlockRead         uint64 // bytes
	BlockWritten      uint64
	HasBlock          bool
	Processes         uint64 // and threads
	HasProcesses      bool
}

// Read tells what the group at p uses. Time of processors is known for every group, the rest where its
// controller is enabled.
func Read(p string) (Usage, error) {
	var u Usage
	micro, err := keyed(file(p, "cpu.stat"), "usage_usec")
	if err != nil {
		return u, err
	}
	u.CPU = time.Duration(micro) * time.Microsecond
	if now, err := single(file(p, "memory.current")); err == nil {
		u.HasMemory, u.Memory = true, now
		if cache, err := keyed(file(p, "memory.stat"), "inactive_file"); err == nil && cache <= now {
			u.Memory -= cache // docker's (docker/cli: calculateMemUsageUnixNoCache)
		}
		u.MemoryMax, _ = single(file(p, "memory.max"))
	}
	if text, err := os.ReadFile(file(p, "io.stat")); err == nil {
		u.HasBlock = true
		u.BlockRead, u.BlockWritten = blocks(text)
	}
	if n, err := single(file(p, "pids.current")); err == nil {
		u.HasProcesses, u.Processes = true, n
	}
	return u, nil
}

// single reads a file of one number; "max" is an error.
func single(name string) (uint64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
}

// blocks adds up lines like "254:0 rbytes=1 wbytes=2 rios=…".
func blocks(text []byte) (read, written uint64) {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		for field := range strings.FieldsSeq(s.Text()) {
			key, value, _ := strings.Cut(field, "=")
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				continue
			}
			switch key {
			case "rbytes":
				read += n
			case "wbytes":
				written += n
			}
		}
	}
	return read, written
}
