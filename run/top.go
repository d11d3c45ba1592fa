package run

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
)

// ProcessInfo is one process of a container, as the host numbers it.
type ProcessInfo struct {
	PID, Parent    int
	Group, Session int
	UID            uint32 // as the container has it
	User           string // its name in the container, the number where it has none
	Name           string // of the program, as the kernel has it
	Args           []string
	State          string // "S", see ps(1)
	Terminal       string // "pts/0", "?" for none
	Started        time.Time
	CPUSeconds     int64
	Nice, Threads  int
	// VirtualBytes and ResidentBytes are its memory.
	VirtualBytes, ResidentBytes int64
}

// hertz is the unit of times in /proc (USER_HZ), the same on every architecture we build for.
const hertz = 100

// Top gives the processes of a running container, oldest first. Those that end meanwhile are left out.
func Top(m idmap.Mapping, f record.Found) ([]ProcessInfo, error) {
	reply, err := monitor.Ask(f.Dir, monitor.Request{Op: "processes"}, answerTime)
	if err != nil {
		return nil, err
	}
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	shift, names := shiftOf(m, f.Container), userNames(f)
	var list []ProcessInfo
	for i, pid := range reply.Processes {
		p, ok := readProcess(pid, boot)
		if !ok {
			continue
		}
		if len(reply.Users) == len(reply.Processes) {
			p.UID = reply.Users[i]
		} else {
			p.UID, _ = shift.Inside(p.UID, 0)
		}
		if p.User = names[p.UID]; p.User == "" {
			p.User = strconv.FormatUint(uint64(p.UID), 10)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b ProcessInfo) int { return a.PID - b.PID })
	return list, nil
}

// userNames are those of a running container; none when they can not be read.
func userNames(f record.Found) map[uint32]string {
	root, err := monitor.Root(f.Dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	names, _ := spec.UserNames(root)
	return names
}

func readProcess(pid int, boot time.Time) (ProcessInfo, bool) {
	p := ProcessInfo{PID: pid, Terminal: "?"}
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return p, false
	}
	// proc_pid_stat(5): the name may hold anything, the last parenthesis ends it.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return p, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 22 {
		return p, false
	}
	number := func(field int) int64 { // as the man page counts
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return n
	}
	p.Name, p.State = string(stat[open+1:end]), fields[0]
	p.Parent, p.Group, p.Session = int(number(4)), int(number(5)), int(number(6))
	p.Nice, p.Threads = int(number(19)), int(number(20))
	p.VirtualBytes, p.ResidentBytes = number(23), number(24)*int64(os.Getpagesize())
	if tty := number(7); tty != 0 {
		major, minor := tty>>8&0xfff, tty&0xff|tty>>12&0xfff00
		p.Terminal = fmt.Sprintf("%d/%d", major, minor)
		if major >= 136 && major <= 143 {
			p.Terminal = fmt.Sprintf("pts/%d", (major-136)<<8+minor)
		}
	}
	p.CPUSeconds = (number(14) + number(15)) / hertz
	p.Started = boot.Add(time.Duration(number(22)) * time.Second / hertz)
	if st, err := os.Stat(dir); err == nil {
		p.UID = ownerOf(st)
	}
	if line, err := os.ReadFile(dir + "cmdline"); err == nil && len(line) > 0 {
		p.Args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	} else {
		p.Args = []string{"[" + string(stat[open+1:end]) + "]"}
	}
	return p, true
}

func bootTime() (time.Time, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the boot: %w", err)
	}
	_, rest, _ := bytes.Cut(data, []byte("\nbtime "))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseInt(string(line), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the boot: %w", err)
	}
	return time.Unix(n, 0), nil
}

func ownerOf(info os.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid
	}
	return 0
}
