package seccomp

import (
	"errors"
	"fmt"
	"sort"
)

// ScmpSyscall is the number of a system call on the native interface, or a negative stand-in when
// the call exists on other interfaces only.
type ScmpSyscall int32

// ErrSyscallDoesNotExist says that no interface has a system call of that name or number.
var ErrSyscallDoesNotExist = errors.New("could not resolve syscall name")

const (
	columns = 6  // x86, amd64, x32, arm, arm64, riscv64
	absent  = -1 // in the table: the interface does not have the call
	// Stand-ins lie below this: pseudoBase - index into the table. It is beyond the numbers that
	// libseccomp itself uses so that nobody takes one for the other.
	pseudoBase = -20000
)

// entry is a row of the table of system calls, which is sorted by name.
type entry struct {
	name    string
	numbers [columns]int32
}

// GetSyscallFromName gives the native number of the named call.
func GetSyscallFromName(name string) (ScmpSyscall, error) {
	native, err := GetNativeArch()
	if err != nil {
		return 0, err
	}
	return GetSyscallFromNameByArch(name, native)
}

// GetSyscallFromNameByArch gives the number of the named call on the interface a. It is negative
// when only other interfaces have it.
func GetSyscallFromNameByArch(name string, a ScmpArch) (ScmpSyscall, error) {
	if a == ArchNative {
		return GetSyscallFromName(name)
	}
	known, ok := abiOf(a)
	if !ok {
		return 0, fmt.Errorf("no table of system calls for %s", a)
	}
	i := sort.Search(len(table), func(i int) bool { return table[i].name >= name })
	if i == len(table) || table[i].name != name {
		return 0, ErrSyscallDoesNotExist
	}
	return number(i, a, known), nil
}

// number gives the number of row i on an interface, a stand-in when it has none.
func number(i int, a ScmpArch, known abi) ScmpSyscall {
	n := table[i].numbers[known.column]
	switch {
	case n == absent:
		return ScmpSyscall(pseudoBase - i)
	case a == ArchX32:
		return ScmpSyscall(n | x32Bit)
	}
	return ScmpSyscall(n)
}

// GetName gives the name of a native system call.
func (s ScmpSyscall) GetName() (string, error) { return s.GetNameByArch(ArchNative) }

// GetNameByArch gives the name that the number s has on the interface a. Where two names share a
// number it is the first in the alphabet.
func (s ScmpSyscall) GetNameByArch(a ScmpArch) (string, error) {
	if a == ArchNative {
		native, err := GetNativeArch()
		if err != nil {
			return "", err
		}
		a = native
	}
	known, ok := abiOf(a)
	if !ok {
		return "", fmt.Errorf("no table of system calls for %s", a)
	}
	for i := range table {
		if number(i, a, known) == s {
			return table[i].name, nil
		}
	}
	return "", ErrSyscallDoesNotExist
}

// numberIndex finds the rows of an interface's numbers.
type numberIndex struct {
	low  [512]int16 // row + 1
	high map[ScmpSyscall]int
}

func newNumberIndex(a ScmpArch, known abi) *numberIndex {
	x := &numberIndex{}
	for i := range table {
		n := number(i, a, known)
		switch {
		case n <= pseudoBase:
		case n >= 0 && int(n) < len(x.low):
			if x.low[n] == 0 {
				x.low[n] = int16(i + 1)
			}
		default:
			if x.high == nil {
				x.high = map[ScmpSyscall]int{}
			}
			x.high[n] = i
		}
	}
	return x
}

func (x *numberIndex) row(n ScmpSyscall) (int, bool) {
	switch {
	case n <= pseudoBase:
		i := pseudoBase - int(n)
		return i, i < len(table)
	case n >= 0 && int(n) < len(x.low):
		return int(x.low[n]) - 1, x.low[n] != 0
	}
	i, ok := x.high[n]
	return i, ok
}

// The operations behind socketcall(2), by linux/net.h, and ipc(2), by linux/ipc.h: the first
// argument of the multiplexer for each call.
var (
	socketcalls = map[string]uint64{
		"socket": 1, "bind": 2, "connect": 3, "listen": 4, "accept": 5, "getsockname": 6,
		"getpeername": 7, "socketpair": 8, "send": 9, "recv": 10, "sendto": 11, "recvfrom": 12,
		"shutdown": 13, "setsockopt": 14, "getsockopt": 15, "sendmsg": 16, "recvmsg": 17,
		"accept4": 18, "recvmmsg": 19, "sendmmsg": 20,
	}
	ipcs = map[string]uint64{
		"semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12,
		"msgget": 13, "msgctl": 14, "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24,
	}
)
