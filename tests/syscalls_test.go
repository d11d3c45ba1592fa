package tests

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	docker "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/rogpeppe/go-internal/testscript"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/seccomp"
	"github.com/dhow-containers/dhow/run/spec"
)

// syscallsCmd is `syscalls FIRST FILE`: what the userland's `syscalls native FIRST` wrote to FILE is what
// docker's default profile makes of each call, by the table of docker's own module. Where a supervisor
// answers calls, those that docker lets through may come out as it says. With `!`, nothing is filtered.
func syscallsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] syscalls FIRST FILE")
	}
	first, err := strconv.ParseUint(args[0], 0, 64)
	ts.Check(err)
	want, last, err := dockersAnswers(first)
	ts.Check(err)
	asked := map[string]bool{}
	if ts.Getenv("KIND") == kindSingle {
		for _, rule := range ownership.SupervisorSyscalls().Syscalls {
			for _, name := range rule.Names {
				asked[name] = true
			}
		}
	}
	tried, wrong := 0, 0
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		var number, got int
		_, err := fmt.Sscan(line, &number, &got)
		ts.Check(err)
		tried++
		name, _ := libseccomp.ScmpSyscall(number).GetName()
		expected, known := want[number]
		switch {
		case neg:
			if expected = int(unix.ENOSYS); number == unix.SYS_CLONE3 {
				expected = int(unix.EINVAL)
			}
		case number > last:
			expected = int(unix.ENOSYS) // newer than the profile: as an old kernel would answer
		case !known:
			expected = int(unix.EPERM)
		case expected == int(unix.ENOSYS) && asked[name]:
			continue
		}
		if got != expected {
			wrong++
			ts.Logf("call %d, %s: errno %d, docker's profile makes it %d", number, name, got, expected)
		}
	}
	if wrong > 0 || tried < 400 {
		ts.Fatalf("%d of %d calls are not filtered as they ought to be", wrong, tried)
	}
}

// dockersAnswers are the errors of the calls that docker's profile names: ENOSYS for those it lets through,
// as the prober sees it. last is the newest call it knows.
func dockersAnswers(first uint64) (answers map[int]int, last int, err error) {
	text, err := json.Marshal(docker.DefaultProfile())
	if err != nil {
		return nil, 0, err
	}
	p, err := seccomp.Parse(text)
	if err != nil {
		return nil, 0, err
	}
	s, err := p.Resolve(seccomp.ThisHost(), spec.DefaultCapabilities())
	if err != nil {
		return nil, 0, err
	}
	answers = map[int]int{}
	for _, rule := range s.Syscalls {
		for _, name := range rule.Names {
			n, err := libseccomp.GetSyscallFromName(name)
			if err != nil || n < 0 {
				continue // of another architecture
			}
			last = max(last, int(n))
			if _, done := answers[int(n)]; done && answers[int(n)] == int(unix.ENOSYS) {
				continue
			}
			answers[int(n)] = int(unix.EPERM)
			if rule.Action == specs.ActErrno {
				answers[int(n)] = int(*rule.ErrnoRet)
			} else if !slices.ContainsFunc(rule.Args, func(a specs.LinuxSeccompArg) bool { return a.Index != 0 || !meets(first, a) }) {
				answers[int(n)] = int(unix.ENOSYS)
			}
		}
	}
	return answers, last, nil
}

// meets tells whether v satisfies one condition of docker's profile.
func meets(v uint64, a specs.LinuxSeccompArg) bool {
	switch a.Op {
	case specs.OpEqualTo:
		return v == a.Value
	case specs.OpLessThan:
		return v < a.Value
	case specs.OpMaskedEqual:
		return v&a.Value == a.ValueTwo
	}
	panic(a.Op)
}
