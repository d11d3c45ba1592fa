package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
)

// Merge gives a copy of profile in which the calls of notify are answered by its listener wherever
// profile lets them through; what profile denies stays denied. notify's rules tell names and
// conditions on arguments, several for one name are alternatives. A nil profile lets everything
// through. Where the kernel can, notified calls are interrupted by fatal signals only once the
// listener has seen them (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19).
func Merge(profile, notify *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	if notify == nil || len(notify.Syscalls) == 0 {
		return profile
	}
	if profile == nil {
		profile = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Architectures: ThisHost().allArchs(defaultArchs),
		}
	}
	out := *profile
	out.ListenerPath, out.ListenerMetadata = notify.ListenerPath, notify.ListenerMetadata
	out.Flags = mergedFlags(profile.Flags, notify.Flags)
	out.Syscalls = nil
	wanted := alternatives(notify)
	for _, rule := range profile.Syscalls {
		out.Syscalls = append(out.Syscalls, split(rule, wanted)...)
	}
	if permits(profile.DefaultAction) {
		// A denying rule of the profile still holds: it comes first, and the compiler asks the
		// listener only where no condition denies.
		for _, name := range sortedNames(wanted) {
			for _, args := range wanted[name] {
				out.Syscalls = append(out.Syscalls, notified(name, args))
			}
		}
	}
	return &out
}

// alternatives gives the conditions of each notified call; one empty list stands for all when the
// call is notified whatever its arguments are.
func alternatives(notify *specs.LinuxSeccomp) map[string][][]specs.LinuxSeccompArg {
	wanted := map[string][][]specs.LinuxSeccompArg{}
	for _, rule := range notify.Syscalls {
		for _, name := range rule.Names {
			before := wanted[name]
			switch {
			case len(rule.Args) == 0:
				wanted[name] = [][]specs.LinuxSeccompArg{nil}
			case len(before) != 1 || len(before[0]) != 0:
				wanted[name] = append(before, rule.Args)
			}
		}
	}
	return wanted
}

func sortedNames(wanted map[string][][]specs.LinuxSeccompArg) []string {
	names := make([]string, 0, len(wanted))
	for name := range wanted {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// split gives a rule of the profile with its notified calls taken out and answered by the listener.
func split(rule specs.LinuxSyscall, wanted map[string][][]specs.LinuxSeccompArg) []specs.LinuxSyscall {
	if !permits(rule.Action) {
		return []specs.LinuxSyscall{rule}
	}
	kept := rule
	kept.Names = nil
	var out []specs.LinuxSyscall
	for _, name := range rule.Names {
		wishes, asked := wanted[name]
		all := false // every use that the rule lets through is notified
		for _, wish := range wishes {
			args, outcome := both(rule.Args, wish)
			if outcome == never {
				continue
			}
			out = append(out, notified(name, args))
			all = all || outcome == inexact || len(wish) == 0
		}
		if !asked || !all {
			kept.Names = append(kept.Names, name)
		}
	}
	if len(kept.Names) > 0 {
		out = append(out, kept)
	}
	return out
}

// outcome tells how the conditions of a profile and a listener go together.
type outcome int

const (
	exact   outcome = iota // one rule says when both hold
	inexact                // no rule can; the profile's stand for both
	never                  // they contradict each other
)

// both gives conditions that hold when those of the profile and of the listener do. Libcontainer
// reads two conditions on one argument as alternatives, so they are made one; where that can not be
// done the profile's alone are given, which asks the listener too often but lets nothing past.
func both(profile, listener []specs.LinuxSeccompArg) ([]specs.LinuxSeccompArg, outcome) {
	out := slices.Clone(profile)
	for _, a := range listener {
		i := slices.IndexFunc(out, func(b specs.LinuxSeccompArg) bool { return a.Index == b.Index })
		if i < 0 {
			out = append(out, a)
			continue
		}
		one, how := together(out[i], a)
		if how != exact {
			return profile, how
		}
		out[i] = one
	}
	if repeats(profile) {
		return profile, inexact // alternatives among themselves
	}
	return out, exact
}

// together makes two conditions on one argument one.
func together(a, b specs.LinuxSeccompArg) (specs.LinuxSeccompArg, outcome) {
	maskA, valueA, okA := masked(a)
	maskB, valueB, okB := masked(b)
	switch {
	case !okA || !okB:
		return a, inexact
	case (valueA^valueB)&maskA&maskB != 0:
		return a, never
	}
	mask, value := maskA|maskB, valueA|valueB
	if mask == ^uint64(0) {
		return specs.LinuxSeccompArg{Index: a.Index, Op: specs.OpEqualTo, Value: value}, exact
	}
	return specs.LinuxSeccompArg{Index: a.Index, Op: specs.OpMaskedEqual, Value: mask, ValueTwo: value}, exact
}

// masked gives a condition as the bits it looks at and their wished value.
func masked(a specs.LinuxSeccompArg) (mask, value uint64, ok bool) {
	switch a.Op {
	case specs.OpEqualTo:
		return ^uint64(0), a.Value, true
	case specs.OpMaskedEqual:
		return a.Value, a.ValueTwo & a.Value, true
	}
	return 0, 0, false
}

func repeats(args []specs.LinuxSeccompArg) bool {
	seen := map[uint]bool{}
	for _, a := range args {
		if seen[a.Index] {
			return true
		}
		seen[a.Index] = true
	}
	return false
}

func notified(name string, args []specs.LinuxSeccompArg) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: []string{name}, Action: specs.ActNotify, Args: args}
}

// permits tells whether a call with action a is made.
func permits(a specs.LinuxSeccompAction) bool {
	return a == specs.ActAllow || a == specs.ActLog || a == specs.ActTrace
}

// mergedFlags keeps the profile's flags. When it has none, libcontainer's default is written out:
// it would be lost with the first flag that is added.
func mergedFlags(profile, notify []specs.LinuxSeccompFlag) []specs.LinuxSeccompFlag {
	level, _ := libseccomp.GetAPI()
	flags := slices.Clone(profile)
	if profile == nil && level >= 4 {
		flags = append(flags, specs.LinuxSeccompFlagSpecAllow)
	}
	for _, flag := range append(slices.Clone(notify), specs.LinuxSeccompFlagWaitKillableRecv) {
		if slices.Contains(flags, flag) || flag == specs.LinuxSeccompFlagWaitKillableRecv && level < 7 {
			continue
		}
		flags = append(flags, flag)
	}
	return flags
}
