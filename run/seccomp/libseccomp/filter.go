package seccomp

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// ScmpFilter collects rules. It is not for concurrent use.
type ScmpFilter struct {
	fallback, badArch ScmpAction
	archs             []ScmpArch
	rules             []rule
	index             *numberIndex // of the native interface

	unknown ScmpAction // ActInvalid for the fallback
	known   []int      // rows below which calls are not unknown

	noNewPrivs, tsync, log, ssb, rawRC, waitKill bool

	optimize int
}

var errNoFilter = errors.New("filter is invalid or uninitialized")

// NewFilter gives a filter for the native interface that answers fallback where no rule holds, and
// kills the thread on other interfaces.
func NewFilter(fallback ScmpAction) (*ScmpFilter, error) {
	if _, err := fallback.kernel(); err != nil {
		return nil, err
	}
	native, err := GetNativeArch()
	if err != nil {
		return nil, err
	}
	known, _ := abiOf(native)
	return &ScmpFilter{
		fallback: fallback, badArch: ActKillThread, archs: []ScmpArch{native},
		index: newNumberIndex(native, known), noNewPrivs: true, optimize: 1,
	}, nil
}

// IsValid tells whether the filter came from [NewFilter] and was not released.
func (f *ScmpFilter) IsValid() bool { return f.index != nil }

// Release makes the filter invalid.
func (f *ScmpFilter) Release() { *f = ScmpFilter{} }

// Reset takes all rules, interfaces and settings back.
func (f *ScmpFilter) Reset(fallback ScmpAction) error {
	fresh, err := NewFilter(fallback)
	if err != nil {
		return err
	}
	*f = *fresh
	return nil
}

// IsArchPresent tells whether the filter speaks of the interface a.
func (f *ScmpFilter) IsArchPresent(a ScmpArch) (bool, error) {
	a, err := f.arch(a)
	return err == nil && slices.Contains(f.archs, a), err
}

// AddArch makes the rules, earlier ones too, hold on the interface a as well.
func (f *ScmpFilter) AddArch(a ScmpArch) error {
	a, err := f.arch(a)
	if err != nil {
		return err
	}
	if !slices.Contains(f.archs, a) {
		f.archs = append(f.archs, a)
	}
	return nil
}

// RemoveArch leaves the interface a to the action for bad architectures.
func (f *ScmpFilter) RemoveArch(a ScmpArch) error {
	a, err := f.arch(a)
	if err != nil {
		return err
	}
	f.archs = slices.DeleteFunc(f.archs, func(b ScmpArch) bool { return a == b })
	return nil
}

func (f *ScmpFilter) arch(a ScmpArch) (ScmpArch, error) {
	if !f.IsValid() {
		return ArchInvalid, errNoFilter
	}
	if a == ArchNative {
		return GetNativeArch()
	}
	if _, ok := abiOf(a); !ok {
		return ArchInvalid, fmt.Errorf("no table of system calls for %s", a)
	}
	return a, nil
}

// AddRule gives every use of a system call an action.
func (f *ScmpFilter) AddRule(call ScmpSyscall, action ScmpAction) error {
	return f.AddRuleConditional(call, action, nil)
}

// AddRuleConditional gives the uses of a system call for which all conditions hold an action. Of
// several rules for one call the first without conditions decides; if there is none, the first
// whose conditions hold. [ActNotify] takes part of what is allowed and nothing of what is denied:
// its conditional rules go before rules that let the call through, its unconditional ones leave
// conditional denials standing.
func (f *ScmpFilter) AddRuleConditional(call ScmpSyscall, action ScmpAction, conditions []ScmpCondition) error {
	if !f.IsValid() {
		return errNoFilter
	}
	value, err := action.kernel()
	if err != nil {
		return err
	}
	if action == f.fallback {
		return errors.New("requested action matches default action of filter")
	}
	row, ok := f.index.row(call)
	if !ok {
		return ErrSyscallDoesNotExist
	}
	for _, c := range conditions {
		if _, err := MakeCondition(c.Argument, c.Op, c.Operand1, c.Operand2); err != nil {
			return err
		}
	}
	f.rules = append(f.rules, rule{row, value, slices.Clone(conditions)})
	return nil
}

// SetUnknown gives the calls of an interface with a number above those of all of known another action
// than the fallback: those that a kernel has got since a profile was written. It is not of
// libseccomp-golang; runc puts a program of its own before libseccomp's for it.
func (f *ScmpFilter) SetUnknown(action ScmpAction, known []ScmpSyscall) error {
	if !f.IsValid() {
		return errNoFilter
	}
	if _, err := action.kernel(); err != nil {
		return err
	}
	f.unknown, f.known = action, nil
	for _, call := range known {
		if row, ok := f.index.row(call); ok {
			f.known = append(f.known, row)
		}
	}
	return nil
}

// AddRuleExact is [ScmpFilter.AddRule]: rules are never weakened here, except that conditions on
// the first argument are not seen through 32-bit x86's socketcall and ipc.
func (f *ScmpFilter) AddRuleExact(call ScmpSyscall, action ScmpAction) error {
	return f.AddRule(call, action)
}

// AddRuleConditionalExact is [ScmpFilter.AddRuleConditional], as [ScmpFilter.AddRuleExact] says.
func (f *ScmpFilter) AddRuleConditionalExact(call ScmpSyscall, action ScmpAction, conditions []ScmpCondition) error {
	return f.AddRuleConditional(call, action, conditions)
}

// ExportBPFMem compiles the filter to the kernel's form, 8 bytes an instruction.
func (f *ScmpFilter) ExportBPFMem() ([]byte, error) {
	if !f.IsValid() {
		return nil, errNoFilter
	}
	fallback, err := f.fallback.kernel()
	if err != nil {
		return nil, err
	}
	bad, err := f.badArch.kernel()
	if err != nil {
		return nil, err
	}
	u := unknowns{rows: f.known}
	if f.unknown != ActInvalid {
		if u.returns, err = f.unknown.kernel(); err != nil {
			return nil, err
		}
	}
	program, err := compile(f.rules, f.archs, fallback, bad, u)
	if err != nil {
		return nil, err
	}
	return encode(program), nil
}

// ExportBPF compiles the filter and writes it to file.
func (f *ScmpFilter) ExportBPF(file *os.File) error {
	program, err := f.ExportBPFMem()
	if err != nil {
		return err
	}
	_, err = file.Write(program)
	return err
}
