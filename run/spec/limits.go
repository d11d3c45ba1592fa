package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Ulimit is one resource limit, "nofile=1024:4096" on a command line.
type Ulimit struct {
	Name       string // "nofile", without RLIMIT_
	Soft, Hard int64  // -1 is unlimited
}

// limitNames are those of setrlimit(2) as docker spells them.
var limitNames = []string{
	"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
	"rtprio", "rttime", "sigpending", "stack",
}

// ParseUlimit reads "nofile=1024:4096" or "nofile=1024"; -1 is unlimited.
func ParseUlimit(s string) (Ulimit, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || !slices.Contains(limitNames, name) {
		return Ulimit{}, fmt.Errorf("invalid ulimit argument: %s", s)
	}
	soft, hard, both := strings.Cut(value, ":")
	if !both {
		hard = soft
	}
	u := Ulimit{Name: name}
	for _, v := range []struct {
		text string
		to   *int64
	}{{soft, &u.Soft}, {hard, &u.Hard}} {
		n, err := strconv.ParseInt(v.text, 10, 64)
		if err != nil || n < -1 {
			return Ulimit{}, fmt.Errorf("invalid ulimit argument: %s", s)
		}
		*v.to = n
	}
	if u.Hard != -1 && (u.Soft > u.Hard || u.Soft == -1) {
		return Ulimit{}, fmt.Errorf("ulimit soft limit must be less than or equal to hard limit: %s", s)
	}
	return u, nil
}

func rlimits(list []Ulimit) ([]specs.POSIXRlimit, error) {
	var out []specs.POSIXRlimit
	for _, u := range list {
		if !slices.Contains(limitNames, u.Name) {
			return nil, fmt.Errorf("invalid ulimit type: %s", u.Name)
		}
		out = append(out, specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard)})
	}
	return out, nil
}

// isSysctl reports words with dots between them. A slash stands for a dot in a word, as in
// "net.ipv4.conf.eno2/100.rp_filter" (sysctl.d(5)).
func isSysctl(name string) bool {
	for word := range strings.SplitSeq(name, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool {
			return r <= ' ' || r > '~'
		}) || word[0] == '/' || word[len(word)-1] == '/' || strings.Contains(word, "//") {
			return false
		}
	}
	return true
}

// checkSysctl lets pass what belongs to a namespace of the container (moby:
// opts.ValidateSysctl, and runc's validator).
func checkSysctl(name string, w Wishes) error {
	switch {
	case !isSysctl(name):
	case strings.HasPrefix(name, "net."):
		if w.HostNetwork {
			return fmt.Errorf("sysctl '%s' not allowed in host network namespace", name)
		}
		if w.Join.Network != "" {
			return fmt.Errorf("sysctl '%s' is that of the container whose network this one has", name)
		}
		return nil
	case strings.HasPrefix(name, "fs.mqueue."), name == "kernel.msgmax", name == "kernel.msgmnb", name == "kernel.msgmni",
		name == "kernel.sem", name == "kernel.shmall", name == "kernel.shmmax", name == "kernel.shmmni", name == "kernel.shm_rmid_forced":
		if w.HostIPC || w.Join.IPC != "" {
			return fmt.Errorf("sysctl '%s' not allowed in an ipc namespace that is not the container's own", name)
		}
		return nil
	}
	return fmt.Errorf("sysctl '%s' is not allowed", name)
}
