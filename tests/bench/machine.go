package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Machine is where the figures are from. It has no name: whose machine it is says nothing.
type Machine struct {
	CPU        string
	Cores      int
	MemoryGB   float64
	Kernel     string
	Filesystem string
	User       string
	Load       string   // before the run, 1, 5 and 15 minutes
	FaultUS    float64  // one page fault
	CallUS     float64  // one system call
	Versions   []string // dhow and the peers
	Date       string
}

func (b *bench) machine() Machine {
	m := Machine{CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Filesystem: b.fs, Load: b.load, User: "root", Date: time.Now().UTC().Format("2006-01-02")}
	if m.CPU == "" {
		m.CPU = runtime.GOARCH
	}
	if os.Getuid() != 0 {
		m.User = "a user"
	}
	var kb float64
	_, _ = fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%f", &kb)
	m.MemoryGB = float64(int(kb/1024/1024*10)) / 10
	raw, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(raw))
	if i := strings.IndexAny(m.Kernel, "-+"); i > 0 {
		m.Kernel = m.Kernel[:i] // the rest may name whose it is
	}
	m.FaultUS, m.CallUS = faultCost(), callCost()
	for _, p := range []*peer{b.dhow, b.podman, b.buildah, b.crun, b.runc, b.skopeo, b.buildctl} {
		if p.path != "" && p.version != "" {
			m.Versions = append(m.Versions, p.name+" "+p.version)
		}
	}
	return m
}

// describe is the machine in a sentence or two.
func (m Machine) describe() string {
	return fmt.Sprintf("%s: %d × %s, %.1f GB, Linux %s, as %s, stores on %s; a page fault costs %.2f µs here, a system call %.2f µs; load before the run %s.\nVersions: %s.\n",
		m.Date, m.Cores, m.CPU, m.MemoryGB, m.Kernel, m.User, m.Filesystem, m.FaultUS, m.CallUS, m.Load, strings.Join(m.Versions, ", "))
}

// faultCost is the time of the first write to a page. Starting a program is mostly that, and virtual
// machines differ in it by more than ten times.
func faultCost() float64 {
	const pages = 4096
	mem, err := syscall.Mmap(-1, 0, pages*4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return 0
	}
	defer func() { _ = syscall.Munmap(mem) }()
	_ = syscall.Madvise(mem, syscall.MADV_NOHUGEPAGE)
	begin := time.Now()
	for i := 0; i < len(mem); i += 4096 {
		mem[i] = 1
	}
	return float64(time.Since(begin).Nanoseconds()) / 1000 / pages
}

func callCost() float64 {
	const calls = 20000
	begin := time.Now()
	for range calls {
		syscall.Getppid()
	}
	return float64(time.Since(begin).Nanoseconds()) / 1000 / calls
}

// field gives the value of the first line "name: value" of a file of /proc.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func loadAverage() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(raw))
	return strings.Join(f[:min(3, len(f))], " ")
}
