package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// call is struct seccomp_data without the instruction pointer.
type call struct {
	number, arch uint32
	args         [6]uint64
}

// decide runs a filter as the kernel does.
func decide(t testing.TB, program []unix.SockFilter, c call) uint32 {
	var accumulator uint32
	for pc := 0; pc < len(program); pc++ {
		i := program[pc]
		jump := func(holds bool) {
			if holds {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch {
			case i.K == 0:
				accumulator = c.number
			case i.K == 4:
				accumulator = c.arch
			case i.K >= 16 && i.K < 64 && i.K%4 == 0:
				accumulator = uint32(c.args[(i.K-16)/8] >> (8 * (i.K % 8)))
			default:
				t.Fatalf("load from offset %d", i.K)
			}
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(accumulator == i.K)
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			jump(accumulator > i.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(accumulator >= i.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump(accumulator&i.K != 0)
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			accumulator &= i.K
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		default:
			t.Fatalf("instruction %d has code %#x", pc, i.Code)
		}
	}
	t.Fatal("program ends without a return")
	return 0
}

func decode(t testing.TB, program []byte) []unix.SockFilter {
	t.Helper()
	out := make([]unix.SockFilter, len(program)/8)
	if err := binary.Read(bytes.NewReader(program), binary.NativeEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// reference builds the program that uses the real libseccomp.
func reference(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/usr/include/seccomp.h"); err != nil {
		t.Skip("SKIPPED, no comparison with libseccomp: its header is not installed (apt-get install libseccomp-dev)")
	}
	binary := filepath.Join(t.TempDir(), "reference")
	if out, err := exec.Command("cc", "-Wall", "-Werror", "-o", binary, "testdata/reference.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, no comparison with libseccomp: %v\n%s", err, out)
	}
	return binary
}

var operatorNumbers = map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
	specs.OpNotEqual: libseccomp.CompareNotEqual, specs.OpLessThan: libseccomp.CompareLess,
	specs.OpLessEqual: libseccomp.CompareLessOrEqual, specs.OpEqualTo: libseccomp.CompareEqual,
	specs.OpGreaterEqual: libseccomp.CompareGreaterEqual, specs.OpGreaterThan: libseccomp.CompareGreater,
	specs.OpMaskedEqual: libseccomp.CompareMaskedEqual,
}

var archWords = map[specs.Arch]string{
	specs.ArchX86_64: "x86_64", specs.ArchX86: "x86", specs.ArchX32: "x32",
	specs.ArchAARCH64: "aarch64", specs.ArchARM: "arm", specs.ArchRISCV64: "riscv64",
}

func action(a specs.LinuxSeccompAction, code *uint) (libseccomp.ScmpAction, uint32) {
	value := uint(unix.EPERM)
	if code != nil {
		value = *code
	}
	switch a {
	case specs.ActAllow:
		return libseccomp.ActAllow, unix.SECCOMP_RET_ALLOW
	case specs.ActErrno:
		return libseccomp.ActErrno.SetReturnCode(int16(value)), unix.SECCOMP_RET_ERRNO | uint32(value)
	case specs.ActNotify:
		return libseccomp.ActNotify, unix.SECCOMP_RET_USER_NOTIF
	case specs.ActLog:
		return libseccomp.ActLog, unix.SECCOMP_RET_LOG
	case specs.ActKillProcess:
		return libseccomp.ActKillProcess, unix.SECCOMP_RET_KILL_PROCESS
	}
	panic(a)
}

// ours compiles a profile the way libcontainer uses the module; names in without are left out.
func ours(t testing.TB, p *specs.LinuxSeccomp, without map[string]bool) []unix.SockFilter {
	t.Helper()
	fallback, _ := action(p.DefaultAction, p.DefaultErrnoRet)
	f, err := libseccomp.NewFilter(fallback)
	if err != nil {
		t.Fatal(err)
	}
	each(p, func(name string, rule specs.LinuxSyscall) {
		act, _ := action(rule.Action, rule.ErrnoRet)
		number, err := libseccomp.GetSyscallFromName(name)
		if err != nil || without[name] || act == fallback {
			return
		}
		var conditions []libseccomp.ScmpCondition
		for _, a := range rule.Args {
			c, err := libseccomp.MakeCondition(a.Index, operatorNumbers[a.Op], a.Value, a.ValueTwo)
			if err != nil {
				t.Fatal(err)
			}
			conditions = append(conditions, c)
		}
		if err := f.AddRuleConditional(number, act, conditions); err != nil {
			t.Fatal(name, err)
		}
	})
	for _, a := range p.Architectures {
		arch, err := libseccomp.GetArchFromString(archWords[a])
		if err != nil {
			t.Fatal(err)
		}
		if err := f.AddArch(arch); err != nil {
			t.Fatal(err)
		}
	}
	program, err := f.ExportBPFMem()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, program)
}

// theirs compiles a profile with libseccomp and tells the names that it does not know.
func theirs(t *testing.T, binary string, p *specs.LinuxSeccomp) ([]unix.SockFilter, map[string]bool) {
	t.Helper()
	var in strings.Builder
	_, fallback := action(p.DefaultAction, p.DefaultErrnoRet)
	fmt.Fprintf(&in, "default %d\n", fallback)
	for _, a := range p.Architectures {
		fmt.Fprintf(&in, "arch %s\n", archWords[a])
	}
	each(p, func(name string, rule specs.LinuxSyscall) {
		_, act := action(rule.Action, rule.ErrnoRet)
		if act == fallback {
			return
		}
		fmt.Fprintf(&in, "rule %d %s %d", act, name, len(rule.Args))
		for _, a := range rule.Args {
			fmt.Fprintf(&in, " %d %d %d %d", a.Index, operatorNumbers[a.Op], a.Value, a.ValueTwo)
		}
		fmt.Fprintln(&in)
	})
	var out, unknown bytes.Buffer
	run := exec.Command(binary)
	run.Stdin, run.Stdout, run.Stderr = strings.NewReader(in.String()), &out, &unknown
	if err := run.Run(); err != nil {
		t.Fatalf("reference: %v\n%s%s", err, unknown.String(), in.String())
	}
	names := map[string]bool{}
	for _, name := range strings.Fields(unknown.String()) {
		names[name] = true
	}
	return decode(t, out.Bytes()), names
}

func each(p *specs.LinuxSeccomp, do func(name string, rule specs.LinuxSyscall)) {
	for _, rule := range p.Syscalls {
		for _, name := range rule.Names {
			do(name, rule)
		}
	}
}

const (
	auditX86   = 0x40000003
	auditAMD64 = 0xc000003e
)

// compare decides every call with both programs.
func compare(t *testing.T, a, b []unix.SockFilter, values []uint64) {
	t.Helper()
	numbers := []uint32{^uint32(0), ^uint32(0) - 1, 1 << 31, 1<<30 - 1, 5000}
	for n := range uint32(700) {
		numbers = append(numbers, n, n|1<<30)
	}
	differences := 0
	for _, arch := range []uint32{auditX86, auditAMD64, 0xc00000b7, 0} {
		for _, number := range numbers {
			for i := range values {
				c := call{number: number, arch: arch}
				for j := range c.args {
					c.args[j] = values[(i+j*(1+i/len(c.args)))%len(values)]
				}
				if x, y := decide(t, a, c), decide(t, b, c); x != y {
					if differences++; differences > 10 {
						t.FailNow()
					}
					t.Errorf("call %d (%#x) of %#x with %#x: ours %#x, libseccomp's %#x", number, number, arch, c.args, x, y)
				}
			}
		}
	}
}

var interesting = []uint64{
	0, 1, 2, 8, 38, 40, 41, 100, 0x20000, 0x20008, 0x7e020000, 1 << 28, 1 << 31, 0xffffffff, 1 << 32, 1<<32 | 1,
	1<<32 | 40, 1 << 63, ^uint64(0), ^uint64(0) - 1, 0x7e02000000000000,
}

// TestDefaultDecidesAsLibseccomp compares Docker's default profile, compiled here and by
// libseccomp, over all numbers of system calls.
func TestDefaultDecidesAsLibseccomp(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED, the comparison knows x86 only")
	}
	binary := reference(t)
	for _, caps := range [][]string{nil, {"CAP_SYS_CHROOT", "CAP_MKNOD"}, {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"}} {
		p := DefaultProfile(caps)
		want, unknown := theirs(t, binary, p)
		for name := range unknown {
			t.Logf("not known to this libseccomp: %s", name)
		}
		compare(t, ours(t, p, unknown), want, interesting)
	}
}

// TestRandomDecidesAsLibseccomp compares random profiles: calls with one rule of up to six
// conditions of all kinds, and calls with several rules that compare one argument for equality.
// (Where rules of one call compare for order, libseccomp 2.5 forgets some of them when their upper
// halves differ; TestRandomDecidesAsSaid covers those.)
func TestRandomDecidesAsLibseccomp(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED, the comparison knows x86 only")
	}
	binary := reference(t)
	for seed := range uint64(60) {
		p := randomProfile(rand.New(rand.NewPCG(seed, 1)), int(seed), false)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			want, unknown := theirs(t, binary, p)
			compare(t, ours(t, p, unknown), want, interesting)
		})
	}
}

// TestRandomDecidesAsSaid compares random profiles with the plain meaning of their rules.
func TestRandomDecidesAsSaid(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED, the comparison knows amd64 only")
	}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		p := randomProfile(r, int(seed), true)
		program := ours(t, p, nil)
		for range 20000 {
			c := call{number: uint32(r.IntN(450)), arch: auditAMD64}
			for i := range c.args {
				c.args[i] = interesting[r.IntN(len(interesting))]
			}
			if x, y := decide(t, program, c), meaning(t, p, c); x != y {
				t.Fatalf("seed %d: call %d with %#x: %#x, said %#x", seed, c.number, c.args, x, y)
			}
		}
	}
}

// meaning decides a call of amd64 by reading the rules.
func meaning(t *testing.T, p *specs.LinuxSeccomp, c call) uint32 {
	_, value := action(p.DefaultAction, p.DefaultErrnoRet)
	found := false
	each(p, func(name string, rule specs.LinuxSyscall) {
		number, err := libseccomp.GetSyscallFromName(name)
		if err != nil {
			t.Fatal(err)
		}
		if uint32(number) == c.number && !found && !slices.ContainsFunc(rule.Args, func(a specs.LinuxSeccompArg) bool { return !holds(a, c.args[a.Index]) }) {
			_, value = action(rule.Action, rule.ErrnoRet)
			found = true
		}
	})
	return value
}

func holds(a specs.LinuxSeccompArg, value uint64) bool {
	switch a.Op {
	case specs.OpNotEqual:
		return value != a.Value
	case specs.OpLessThan:
		return value < a.Value
	case specs.OpLessEqual:
		return value <= a.Value
	case specs.OpEqualTo:
		return value == a.Value
	case specs.OpGreaterEqual:
		return value >= a.Value
	case specs.OpGreaterThan:
		return value > a.Value
	}
	return value&a.Value == a.ValueTwo&a.Value
}

// randomProfile makes a profile with one action beside the default. Mixed ones have several rules
// of any kind for a call.
func randomProfile(r *rand.Rand, seed int, mixed bool) *specs.LinuxSeccomp {
	names := strings.Fields(always)
	operators := []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual,
		specs.OpGreaterThan, specs.OpMaskedEqual,
	}
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	rule := specs.LinuxSyscall{Action: specs.ActAllow}
	if seed%2 == 0 {
		p.DefaultAction, rule.Action = specs.ActAllow, specs.ActErrno
	}
	p.Architectures = [][]specs.Arch{nil, {specs.ArchX86}, {specs.ArchX32}, {specs.ArchX86, specs.ArchX32}}[seed%4]
	random := func(index uint) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{
			Index: index, Value: interesting[r.IntN(len(interesting))],
			ValueTwo: interesting[r.IntN(len(interesting))], Op: operators[r.IntN(len(operators))],
		}
	}
	used := map[string]bool{}
	calls := 80
	if mixed {
		calls = 20
	}
	for range 1 + r.IntN(calls) {
		name := names[r.IntN(len(names))]
		if used[name] {
			continue
		}
		used[name] = true
		rule.Names = []string{name}
		for range 1 + r.IntN(8) {
			rule.Args = nil
			switch {
			case mixed:
				for index := range uint(1 + r.IntN(3)) {
					rule.Args = append(rule.Args, random(index))
				}
			case seed%3 == 0:
				arg := random(2)
				arg.Op = specs.OpEqualTo
				rule.Args = append(rule.Args, arg)
			}
			if rule.Args != nil {
				p.Syscalls = append(p.Syscalls, rule)
			}
		}
		if !mixed && seed%3 != 0 {
			for index := range uint(r.IntN(7)) {
				rule.Args = append(rule.Args, random(index))
			}
			p.Syscalls = append(p.Syscalls, rule)
		}
	}
	return p
}

func BenchmarkCompileDefault(b *testing.B) {
	p := DefaultProfile([]string{"CAP_SYS_CHROOT"})
	for b.Loop() {
		program := ours(b, p, nil)
		b.ReportMetric(float64(len(program)), "instructions")
	}
}
