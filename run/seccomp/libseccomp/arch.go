package seccomp

import (
	"fmt"
	"runtime"
	"strings"
)

// ScmpArch is one system call interface of a processor.
type ScmpArch uint

// The interfaces; their numbers are libseccomp-golang's. Filters can be made for those that have a
// table of system calls: x86, amd64, x32, arm, arm64 and riscv64.
const (
	ArchInvalid ScmpArch = iota
	ArchNative
	ArchX86
	ArchAMD64
	ArchX32
	ArchARM
	ArchARM64
	ArchMIPS
	ArchMIPS64
	ArchMIPS64N32
	ArchMIPSEL
	ArchMIPSEL64
	ArchMIPSEL64N32
	ArchPPC
	ArchPPC64
	ArchPPC64LE
	ArchS390
	ArchS390X
	ArchPARISC
	ArchPARISC64
	ArchRISCV64
	ArchLOONGARCH64
	ArchM68K
	ArchSH
	ArchSHEB
)

var archNames = [...]string{
	ArchInvalid: "Invalid architecture", ArchNative: "native",
	ArchX86: "x86", ArchAMD64: "amd64", ArchX32: "x32", ArchARM: "arm", ArchARM64: "arm64",
	ArchMIPS: "mips", ArchMIPS64: "mips64", ArchMIPS64N32: "mips64n32",
	ArchMIPSEL: "mipsel", ArchMIPSEL64: "mipsel64", ArchMIPSEL64N32: "mipsel64n32",
	ArchPPC: "ppc", ArchPPC64: "ppc64", ArchPPC64LE: "ppc64le",
	ArchS390: "s390", ArchS390X: "s390x", ArchPARISC: "parisc", ArchPARISC64: "parisc64",
	ArchRISCV64: "riscv64", ArchLOONGARCH64: "loong64", ArchM68K: "m68k", ArchSH: "sh", ArchSHEB: "sheb",
}

// String names the interface.
func (a ScmpArch) String() string {
	if int(a) < len(archNames) {
		return archNames[a]
	}
	return fmt.Sprintf("Unknown architecture %#x", uint(a))
}

// GetArchFromString reads the name of an interface, in any case.
func GetArchFromString(name string) (ScmpArch, error) {
	name = strings.ToLower(name)
	switch name {
	case "x86-64", "x86_64", "x64":
		return ArchAMD64, nil
	case "aarch64":
		return ArchARM64, nil
	case "loongarch64":
		return ArchLOONGARCH64, nil
	}
	for a := ArchX86; int(a) < len(archNames); a++ {
		if archNames[a] == name {
			return a, nil
		}
	}
	return ArchInvalid, fmt.Errorf("cannot convert unrecognized string %q", name)
}

// GetNativeArch gives the interface this program was built for.
func GetNativeArch() (ScmpArch, error) {
	switch runtime.GOARCH {
	case "386":
		return ArchX86, nil
	case "amd64":
		return ArchAMD64, nil
	case "arm":
		return ArchARM, nil
	case "arm64":
		return ArchARM64, nil
	case "riscv64":
		return ArchRISCV64, nil
	}
	return ArchInvalid, fmt.Errorf("seccomp filters are not supported on %s", runtime.GOARCH)
}

// x32Bit marks the numbers of x32 calls, which share amd64's audit architecture.
const x32Bit = 0x40000000

// abi is what the compiler knows of one interface.
type abi struct {
	column int    // in the table of system calls
	audit  uint32 // AUDIT_ARCH_*, linux/audit.h
	bits   int    // width of an argument
	muxes  bool   // has socketcall(2) and ipc(2)
}

// abiOf gives false for an interface without a table.
func abiOf(a ScmpArch) (abi, bool) {
	switch a {
	case ArchX86:
		return abi{column: 0, audit: 0x40000003, bits: 32, muxes: true}, true
	case ArchAMD64:
		return abi{column: 1, audit: 0xc000003e, bits: 64}, true
	case ArchX32:
		return abi{column: 2, audit: 0xc000003e, bits: 32}, true
	case ArchARM:
		return abi{column: 3, audit: 0x40000028, bits: 32}, true
	case ArchARM64:
		return abi{column: 4, audit: 0xc00000b7, bits: 64}, true
	case ArchRISCV64:
		return abi{column: 5, audit: 0xc00000f3, bits: 64}, true
	}
	return abi{}, false
}
