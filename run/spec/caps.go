package spec

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// DefaultCapabilities are docker's (moby: oci/caps/defaults.go).
func DefaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW",
		"CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
		"CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
}

// allCapabilities are those of capabilities(7), in the kernel's order.
var allCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// Capabilities changes the default set as docker's --cap-add and --cap-drop do (moby:
// oci/caps.TweakCapabilities): with ALL added, drops are what is missing; with ALL dropped, adds are
// what is left.
func Capabilities(add, drop []string) ([]string, error) {
	add, err := normalizeCaps(add)
	if err != nil {
		return nil, err
	}
	if drop, err = normalizeCaps(drop); err != nil {
		return nil, err
	}
	base := DefaultCapabilities()
	switch {
	case slices.Contains(add, "ALL"):
		base, add = slices.Clone(allCapabilities), nil
	case slices.Contains(drop, "ALL"):
		base = nil
	}
	caps := []string{}
	for _, c := range base {
		if !slices.Contains(drop, c) {
			caps = append(caps, c)
		}
	}
	for _, c := range add {
		if !slices.Contains(caps, c) {
			caps = append(caps, c)
		}
	}
	return caps, nil
}

func normalizeCaps(list []string) ([]string, error) {
	var out []string
	for _, name := range list {
		c := strings.ToUpper(strings.TrimSpace(name))
		if c == "ALL" || c == "CAP_ALL" {
			out = append(out, "ALL")
			continue
		}
		if !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if !slices.Contains(allCapabilities, c) {
			return nil, fmt.Errorf("unknown capability: %q", name)
		}
		out = append(out, c)
	}
	return out, nil
}

// available are the capabilities this process could pass on: root of a confined place has not all.
var available = sync.OnceValue(func() []string {
	var caps []string
	for n, name := range allCapabilities {
		if set, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0, 0); errno == 0 && set == 1 {
			caps = append(caps, name)
		}
	}
	return caps
})

// within leaves out of caps what is not available; what was asked for by name must be.
func within(caps, asked, available []string) ([]string, error) {
	asked, err := normalizeCaps(asked)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range caps {
		switch {
		case slices.Contains(available, c):
			out = append(out, c)
		case slices.Contains(asked, c):
			return nil, fmt.Errorf("capability %s can not be added: this process has not got it itself", c)
		}
	}
	return out, nil
}
