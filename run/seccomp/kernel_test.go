package seccomp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// TestKernelTakesDefault loads the default profile in a process of its own and makes calls.
func TestKernelTakesDefault(t *testing.T) {
	if os.Getenv("DHOW_TEST_SECCOMP") != "" {
		if err := confinedChecks(t); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	child := exec.Command("/proc/self/exe", "-test.run=^TestKernelTakesDefault$")
	child.Env = append(os.Environ(), "DHOW_TEST_SECCOMP=1")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func confinedChecks(t *testing.T) error {
	runtime.LockOSThread()
	program := ours(t, DefaultProfile(nil), nil)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
		return fmt.Errorf("loading the filter: %w", errno)
	}
	for _, c := range []struct {
		name string
		call uintptr
		args [3]uintptr
		want error
	}{
		{"getpid", unix.SYS_GETPID, [3]uintptr{}, nil},
		{"unshare(NEWNS)", unix.SYS_UNSHARE, [3]uintptr{unix.CLONE_NEWNS}, unix.EPERM},
		{"clone3", unix.SYS_CLONE3, [3]uintptr{}, unix.ENOSYS},
		{"clone(NEWUSER)", unix.SYS_CLONE, [3]uintptr{unix.CLONE_NEWUSER}, unix.EPERM},
		{"socket(AF_ALG)", unix.SYS_SOCKET, [3]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET, 0}, unix.EPERM},
		{"socket(AF_VSOCK)", unix.SYS_SOCKET, [3]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, unix.EPERM},
		{"socket(AF_UNIX)", unix.SYS_SOCKET, [3]uintptr{unix.AF_UNIX, unix.SOCK_STREAM, 0}, nil},
		{"personality(query)", unix.SYS_PERSONALITY, [3]uintptr{0xffffffff}, nil},
		{"personality(NO_RANDOMIZE)", unix.SYS_PERSONALITY, [3]uintptr{0x40000}, unix.EPERM},
		{"keyctl", unix.SYS_KEYCTL, [3]uintptr{}, unix.EPERM},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, [3]uintptr{}, unix.EPERM},
	} {
		_, _, errno := unix.RawSyscall(c.call, c.args[0], c.args[1], c.args[2])
		var err error
		if errno != 0 {
			err = errno
		}
		if !errors.Is(err, c.want) {
			return fmt.Errorf("%s: %v, not %v", c.name, err, c.want)
		}
	}
	return nil
}

// TestNotify tells which calls a merged profile hands to the listener.
func TestNotify(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED, the numbers here are amd64's")
	}
	creating := []specs.LinuxSeccompArg{{Index: 2, Value: unix.O_CREAT, ValueTwo: unix.O_CREAT, Op: specs.OpMaskedEqual}}
	notify := &specs.LinuxSeccomp{
		ListenerPath: "/run/listener",
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"chown", "mount", "stat"}},
			{Names: []string{"openat"}, Args: creating},
			{Names: []string{"clone"}, Args: []specs.LinuxSeccompArg{{Index: 0, Value: unix.CLONE_NEWNS, ValueTwo: unix.CLONE_NEWNS, Op: specs.OpMaskedEqual}}},
			{Names: []string{"clone"}, Args: []specs.LinuxSeccompArg{{Index: 0, Value: unix.CLONE_VFORK, ValueTwo: unix.CLONE_VFORK, Op: specs.OpMaskedEqual}}},
			{Names: []string{"socket"}, Args: []specs.LinuxSeccompArg{{Index: 1, Value: 3, Op: specs.OpEqualTo}}},
			{Names: []string{"personality"}, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 8, Op: specs.OpEqualTo}}},
		},
	}
	denying := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"chown"}, Action: specs.ActErrno},
			{Names: []string{"stat"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 7, Op: specs.OpEqualTo}}},
			{Names: []string{"openat"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 7, Op: specs.OpEqualTo}}},
		},
	}
	const (
		allow = unix.SECCOMP_RET_ALLOW
		ask   = unix.SECCOMP_RET_USER_NOTIF
		eperm = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	)
	def := DefaultProfile(nil)
	for _, c := range []struct {
		name    string
		profile *specs.LinuxSeccomp
		call    string
		args    [6]uint64
		want    uint32
	}{
		{"unconfined: notified", nil, "chown", [6]uint64{}, ask},
		{"unconfined: rest", nil, "chmod", [6]uint64{}, allow},
		{"unconfined: condition holds", nil, "openat", [6]uint64{2: unix.O_CREAT | 1}, ask},
		{"unconfined: condition fails", nil, "openat", [6]uint64{2: 1}, allow},
		{"default: notified", def, "chown", [6]uint64{}, ask},
		{"default: rest", def, "chmod", [6]uint64{}, allow},
		{"default: denied", def, "mount", [6]uint64{}, eperm},
		{"default: condition holds", def, "openat", [6]uint64{2: unix.O_CREAT}, ask},
		{"default: condition fails", def, "openat", [6]uint64{}, allow},
		{"default: allowed by condition", def, "clone", [6]uint64{unix.CLONE_FS}, allow},
		{"default: conditions on other bits", def, "clone", [6]uint64{unix.CLONE_VFORK | unix.CLONE_FS}, ask},
		{"default: denied by condition", def, "clone", [6]uint64{unix.CLONE_NEWNS | unix.CLONE_VFORK}, eperm},
		{"default: both conditions hold", def, "socket", [6]uint64{unix.AF_INET, 3}, ask},
		{"default: profile's condition alone", def, "socket", [6]uint64{unix.AF_INET, 2}, allow},
		{"default: listener's condition alone", def, "socket", [6]uint64{unix.AF_ALG, 3}, eperm},
		{"default: equal conditions", def, "personality", [6]uint64{8}, ask},
		{"default: unequal conditions", def, "personality", [6]uint64{0}, allow},
		{"denying: always", denying, "chown", [6]uint64{}, eperm},
		{"denying: denial's condition holds", denying, "stat", [6]uint64{7}, eperm},
		{"denying: denial's condition fails", denying, "stat", [6]uint64{8}, ask},
		{"denying: both hold", denying, "openat", [6]uint64{7, 0, unix.O_CREAT}, eperm},
		{"denying: listener's alone", denying, "openat", [6]uint64{8, 0, unix.O_CREAT}, ask},
		{"denying: neither", denying, "openat", [6]uint64{8}, allow},
	} {
		merged := Merge(c.profile, notify)
		if merged.ListenerPath != notify.ListenerPath {
			t.Fatal("listener is lost")
		}
		number, err := libseccomp.GetSyscallFromName(c.call)
		if err != nil {
			t.Fatal(err)
		}
		got := decide(t, ours(t, merged, nil), call{number: uint32(number), arch: auditAMD64, args: c.args})
		if got != c.want {
			t.Errorf("%s: %#x, not %#x", c.name, got, c.want)
		}
	}
	if got := Merge(def, nil); got != def {
		t.Error("no listener changes the profile")
	}
}
