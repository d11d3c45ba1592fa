package seccomp

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Program gives the filter of a profile as seccomp(2) takes it, struct sock_filter[], with the flags
// to load it with; no instructions for a profile that filters nothing. It follows runc's
// libcontainer/seccomp: rules equal to the default are left out, calls this package has no number for
// are skipped, and where the profile denies by default, calls above all it names do not exist (ENOSYS)
// – programs ask for new ones and fall back. WAIT_KILLABLE_RECV and SPEC_ALLOW are taken where the
// kernel has them; another flag it lacks is an error.
func Program(s *specs.LinuxSeccomp) (code []byte, flags uint32, err error) {
	if s == nil || s.DefaultAction == "" && len(s.Syscalls) == 0 {
		return nil, 0, nil
	}
	if s.DefaultAction == specs.ActNotify {
		return nil, 0, errors.New("seccomp: SCMP_ACT_NOTIFY can not be the default action")
	}
	fallback, err := scmpAction(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, 0, err
	}
	f, err := libseccomp.NewFilter(fallback)
	if err != nil {
		return nil, 0, err
	}
	for _, a := range s.Architectures {
		arch, err := libseccomp.GetArchFromString(strings.TrimPrefix(string(a), "SCMP_ARCH_"))
		if err != nil {
			return nil, 0, fmt.Errorf("seccomp: unknown architecture %q", a)
		}
		if err := f.AddArch(arch); err != nil {
			return nil, 0, err
		}
	}
	var named []libseccomp.ScmpSyscall
	for _, rule := range s.Syscalls {
		action, err := scmpAction(rule.Action, rule.ErrnoRet)
		if err != nil {
			return nil, 0, err
		}
		if rule.Action == specs.ActNotify {
			flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		}
		conditions, err := scmpConditions(rule.Args)
		if err != nil {
			return nil, 0, err
		}
		for _, name := range rule.Names {
			call, err := libseccomp.GetSyscallFromName(name)
			if err != nil {
				continue // of another kernel or architecture
			}
			named = append(named, call)
			if action == fallback {
				continue
			}
			for _, c := range conditions {
				if err := f.AddRuleConditional(call, action, c); err != nil {
					return nil, 0, fmt.Errorf("seccomp: the rule of %s: %w", name, err)
				}
			}
		}
	}
	if !permits(s.DefaultAction) && (s.DefaultErrnoRet == nil || *s.DefaultErrnoRet != uint(unix.ENOSYS)) {
		if err := f.SetUnknown(libseccomp.ActErrno.SetReturnCode(int16(unix.ENOSYS)), named); err != nil {
			return nil, 0, err
		}
	}
	more, err := loadFlags(s.Flags)
	if err != nil {
		return nil, 0, err
	}
	code, err = f.ExportBPFMem()
	return code, flags | more, err
}

// loadFlags are those of seccomp(2) for a profile; one that names none, not even an empty list, gets
// SPEC_ALLOW, as with runc.
func loadFlags(names []specs.LinuxSeccompFlag) (flags uint32, err error) {
	level, err := libseccomp.GetAPI()
	if err != nil {
		return 0, err
	}
	if names == nil && level >= 4 {
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, nil
	}
	for _, name := range names {
		known, ok := scmpFlags[name]
		if !ok {
			return 0, fmt.Errorf("seccomp flag %q is not known", name)
		}
		if level < known.level {
			return 0, fmt.Errorf("seccomp flag %q: the kernel is too old for it", name)
		}
		flags |= known.flag
	}
	return flags, nil
}

// scmpFlags are the flags of seccomp(2), with the level of seccomp_api_get(3) that has them. TSYNC
// concerns threads, which a payload does not have yet.
var scmpFlags = map[specs.LinuxSeccompFlag]struct {
	flag  uint32
	level uint
}{
	"SECCOMP_FILTER_FLAG_TSYNC":            {0, 0},
	specs.LinuxSeccompFlagLog:              {unix.SECCOMP_FILTER_FLAG_LOG, 3},
	specs.LinuxSeccompFlagSpecAllow:        {unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, 4},
	specs.LinuxSeccompFlagWaitKillableRecv: {unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 7},
}

// scmpConditions gives the rules that a rule stands for: one whose arguments all must hold, or, where two
// speak of one argument, one for each.
func scmpConditions(args []specs.LinuxSeccompArg) ([][]libseccomp.ScmpCondition, error) {
	var all []libseccomp.ScmpCondition
	twice := false
	for i, a := range args {
		op, ok := scmpOperators[a.Op]
		if !ok {
			return nil, fmt.Errorf("seccomp: unknown operator %q", a.Op)
		}
		c, err := libseccomp.MakeCondition(a.Index, op, a.Value, a.ValueTwo)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		twice = twice || slices.ContainsFunc(args[:i], func(b specs.LinuxSeccompArg) bool { return b.Index == a.Index })
	}
	if !twice {
		return [][]libseccomp.ScmpCondition{all}, nil
	}
	var each [][]libseccomp.ScmpCondition
	for _, c := range all {
		each = append(each, []libseccomp.ScmpCondition{c})
	}
	return each, nil
}

func scmpAction(a specs.LinuxSeccompAction, errno *uint) (libseccomp.ScmpAction, error) {
	switch a {
	case specs.ActErrno, specs.ActTrace:
		code := int16(unix.EPERM)
		if errno != nil {
			code = int16(*errno)
		}
		return scmpActions[a].SetReturnCode(code), nil
	}
	action, ok := scmpActions[a]
	if !ok {
		return libseccomp.ActInvalid, errors.New("seccomp: unknown action " + string(a))
	}
	return action, nil
}

var scmpActions = map[specs.LinuxSeccompAction]libseccomp.ScmpAction{
	specs.ActKill: libseccomp.ActKillThread, specs.ActKillThread: libseccomp.ActKillThread,
	specs.ActKillProcess: libseccomp.ActKillProcess, specs.ActTrap: libseccomp.ActTrap,
	specs.ActErrno: libseccomp.ActErrno, specs.ActTrace: libseccomp.ActTrace,
	specs.ActAllow: libseccomp.ActAllow, specs.ActLog: libseccomp.ActLog, specs.ActNotify: libseccomp.ActNotify,
}

var scmpOperators = map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
	specs.OpNotEqual: libseccomp.CompareNotEqual, specs.OpLessThan: libseccomp.CompareLess,
	specs.OpLessEqual: libseccomp.CompareLessOrEqual, specs.OpEqualTo: libseccomp.CompareEqual,
	specs.OpGreaterEqual: libseccomp.CompareGreaterEqual, specs.OpGreaterThan: libseccomp.CompareGreater,
	specs.OpMaskedEqual: libseccomp.CompareMaskedEqual,
}
