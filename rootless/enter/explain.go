package enter

/*
#include "enter.h"
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// reason says in one line why a better rung was not taken.
func reason(code int, detail string) string {
	switch code {
	case C.REASON_FORCED:
		return "DHOW_MAPPING asks for it"
	case C.REASON_NO_NEW_PRIVS:
		return "no_new_privs is set, newuidmap can not gain its privilege"
	case C.REASON_NO_UIDS:
		return fmt.Sprintf("no subordinate ids for %s in /etc/subuid", named(detail))
	case C.REASON_NO_GIDS:
		return fmt.Sprintf("no subordinate ids for %s in /etc/subgid", named(detail))
	case C.REASON_FEW_UIDS:
		return fmt.Sprintf("only %s subordinate ids in /etc/subuid, images need 65534", detail)
	case C.REASON_FEW_GIDS:
		return fmt.Sprintf("only %s subordinate ids in /etc/subgid, images need 65534", detail)
	case C.REASON_NO_HELPER:
		return detail + " is not installed in a system directory"
	case C.REASON_HELPER:
		return detail
	case C.REASON_SURROUNDING:
		return "root of a surrounding user namespace"
	case C.REASON_FEW_SURROUNDING:
		return "root of a surrounding user namespace with fewer than 65535 ids"
	case C.REASON_NO_SYS_ADMIN:
		return "root without CAP_SYS_ADMIN"
	}
	return ""
}

func named(name string) string {
	if name == "" {
		return "uid " + strconv.Itoa(os.Getuid())
	}
	return strconv.Quote(name)
}

// Cure is one line that tells how to come to the best rung, empty when this is it or when the
// reason is a choice.
func Cure() string {
	r := &C.dhow_enter_record
	return cure(int(r.reason), C.GoString(&r.detail[0]))
}

func cure(code int, detail string) string {
	switch code {
	case C.REASON_NO_NEW_PRIVS:
		return "start dhow without no_new_privs (systemd: NoNewPrivileges=no; Kubernetes: allowPrivilegeEscalation: true)"
	case C.REASON_NO_UIDS, C.REASON_NO_GIDS, C.REASON_FEW_UIDS, C.REASON_FEW_GIDS:
		name := detail
		if name == "" || code == C.REASON_FEW_UIDS || code == C.REASON_FEW_GIDS {
			name = "NAME"
		}
		r := freeRange(readSys("/etc/subuid") + "\n" + readSys("/etc/subgid"))
		return "sudo usermod --add-subuids " + r + " --add-subgids " + r + " " + name
	case C.REASON_NO_HELPER:
		return "sudo apt-get install uidmap (Fedora: shadow-utils, Alpine: shadow-uidmap)"
	case C.REASON_HELPER:
		return "check that newuidmap and newgidmap are set-user-ID root or have cap_setuid and cap_setgid, and that their file system is not mounted nosuid"
	}
	return ""
}

// freeRange gives the first 65536 ids behind those of every line of subuid(5), "100000-165535" when
// there is none.
func freeRange(text string) string {
	const size = 1 << 16
	first := uint64(100000)
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(line, ":")
		if len(f) != 3 {
			continue
		}
		start, err := strconv.ParseUint(f[1], 10, 32)
		count, cerr := strconv.ParseUint(strings.TrimSpace(f[2]), 10, 32)
		if err == nil && cerr == nil && start+count > first && start+count < 1<<32-size {
			first = start + count
		}
	}
	return fmt.Sprintf("%d-%d", first, first+size-1)
}

// The steps by name, for the table of diagnose; tests can not see C.
const (
	stepUnshare      = C.STEP_UNSHARE
	stepUnshareMount = C.STEP_UNSHARE_MOUNT
	stepUIDMap       = C.STEP_UIDMAP
	stepPropagation  = C.STEP_PROPAGATION
)

var steps = map[int]string{
	C.STEP_FORK:          "starting a helper process",
	C.STEP_UNSHARE:       "creating a user namespace",
	C.STEP_UNSHARE_MOUNT: "creating a mount namespace",
	C.STEP_UIDMAP:        "mapping user ids",
	C.STEP_GIDMAP:        "mapping group ids",
	C.STEP_SETGROUPS:     "mapping group ids",
	C.STEP_SETID:         "becoming root of the user namespace",
	C.STEP_PROPAGATION:   "making mounts private",
}

func newError(step, errno, code int, detail string) *Error {
	if step == C.STEP_FORCE {
		return forceError(code, detail)
	}
	e := &Error{Op: steps[step], Errno: syscall.Errno(errno)}
	e.Cause, e.hint = diagnose(step, e.Errno, hostFacts())
	if code == C.REASON_HELPER || code == C.REASON_NO_SYS_ADMIN {
		if e.Cause == "" && detail != "" {
			e.Cause = detail
		}
		if e.hint == "" {
			e.hint = cure(code, detail)
		}
	}
	return e
}

func forceError(code int, detail string) *Error {
	want := os.Getenv("DHOW_MAPPING")
	e := &Error{Op: fmt.Sprintf("taking the mapping %q of DHOW_MAPPING", want)}
	switch want {
	case "root":
		e.Cause, e.hint = "only root of the first user namespace has it", "run as root, or unset DHOW_MAPPING"
	case "subids":
		e.Cause, e.hint = reason(code, detail), cure(code, detail)
	case "single":
	default:
		e.Cause, e.hint = "there is no such mapping", "use root, subids or single, or unset DHOW_MAPPING"
	}
	return e
}

// facts are what the host says about user namespaces; an unreadable file is an empty string.
type facts struct {
	maxUser, maxMount string // /proc/sys/user/max_{user,mnt}_namespaces
	debian            string // kernel.unprivileged_userns_clone
	appArmor          string // kernel.apparmor_restrict_unprivileged_userns
	seccomp           bool   // a filter is loaded
	root              bool
	exe               string
}

func hostFacts() facts {
	f := facts{
		maxUser:  readSys("/proc/sys/user/max_user_namespaces"),
		maxMount: readSys("/proc/sys/user/max_mnt_namespaces"),
		debian:   readSys("/proc/sys/kernel/unprivileged_userns_clone"),
		appArmor: readSys("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		seccomp:  strings.Contains(readSys("/proc/self/status"), "\nSeccomp:\t2"),
		root:     C.dhow_enter_record.uid == 0,
	}
	f.exe, _ = os.Executable()
	return f
}

func readSys(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// diagnose tells the cause of a refused namespace and its cure, from the table of locked-down hosts.
func diagnose(step int, errno syscall.Errno, f facts) (cause, hint string) {
	switch errno {
	case syscall.ENOSPC, syscall.EUSERS:
		switch {
		case f.maxUser == "0":
			return "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=15000"
		case f.maxMount == "0":
			return "user.max_mnt_namespaces is 0", "sudo sysctl -w user.max_mnt_namespaces=15000"
		}
		return "the limit of namespaces or of their nesting (32) is reached", "sudo sysctl -w user.max_user_namespaces=15000, or nest less"
	case syscall.EINVAL, syscall.ENOSYS:
		if step == stepUnshare {
			return "the kernel has no user namespaces", "use a kernel with CONFIG_USER_NS=y"
		}
	case syscall.ENOENT:
		return "/proc is not mounted", "mount -t proc proc /proc"
	case syscall.EPERM, syscall.EACCES:
		switch {
		case f.debian == "0" && !f.root:
			return "kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"
		case f.appArmor == "1" && !f.root:
			return "AppArmor restricts unprivileged user namespaces", appArmorProfile(f.exe)
		case f.seccomp:
			return "a seccomp filter of the surrounding container forbids it",
				"start that container with --security-opt seccomp=unconfined (Kubernetes: seccompProfile type Unconfined)"
		case step == stepUnshareMount:
			return "root lacks CAP_SYS_ADMIN", "start that container with --cap-add SYS_ADMIN, or run dhow as another user"
		case step == stepUnshare:
			return "the host forbids it", "run dhow outside of a chroot and of security modules that forbid user namespaces"
		}
	}
	return "", ""
}

// appArmorProfile is the one line that allows this binary alone, instead of switching the
// protection off for everything.
func appArmorProfile(exe string) string {
	if exe == "" {
		exe = "/usr/local/bin/dhow"
	}
	return fmt.Sprintf(`printf 'abi <abi/4.0>,\nprofile dhow %s flags=(unconfined) { userns, }\n' | sudo tee /etc/apparmor.d/dhow && sudo apparmor_parser -r /etc/apparmor.d/dhow`, exe)
}
