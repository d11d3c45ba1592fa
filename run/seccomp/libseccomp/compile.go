package seccomp

import (
	"slices"
	"sort"
)

// rule is one action for one system call, on every interface of a filter.
type rule struct {
	row        int // in the table of system calls
	returns    uint32
	conditions []ScmpCondition // all must hold; none means always
}

// unknowns are the calls above all of rows, whose answer differs from the fallback; none without rows.
type unknowns struct {
	rows    []int
	returns uint32
}

// after gives the spans from base, the interface's first number, on.
func (u unknowns) after(base uint32, a ScmpArch, fallback uint32) []span {
	spans := []span{{base, returns(fallback)}}
	known, ok := abiOf(a)
	last := ScmpSyscall(-1)
	for _, row := range u.rows {
		if ok {
			last = max(last, number(row, a, known))
		}
	}
	if last >= 0 {
		spans = append(spans, span{uint32(last) + 1, returns(u.returns)})
	}
	return spans
}

// compile gives the program for rules in the order they were added.
func compile(rules []rule, archs []ScmpArch, fallback, badArch uint32, u unknowns) ([]insn, error) {
	code := []insn{{code: loadWord, k: offsetArch}}
	for _, audit := range audits(archs) {
		section, err := compileAudit(rules, audit, archs, fallback, badArch, u)
		if err != nil {
			return nil, err
		}
		// Not this architecture: over the section, whose length may need a long jump.
		if len(section) <= 255 {
			code = append(code, insn{code: jumpEqual, jf: uint8(len(section)), k: audit})
		} else {
			code = append(code, insn{code: jumpEqual, jt: 1, k: audit}, insn{code: jumpAlways, k: uint32(len(section))})
		}
		code = append(code, section...)
	}
	code = append(code, returns(badArch)...)
	if len(code) > maxProgram {
		return nil, errTooLong
	}
	return code, nil
}

// audits lists the audit architectures of archs in order.
func audits(archs []ScmpArch) []uint32 {
	var list []uint32
	for _, a := range archs {
		if known, ok := abiOf(a); ok && !slices.Contains(list, known.audit) {
			list = append(list, known.audit)
		}
	}
	return list
}

// compileAudit gives the code for one audit architecture: the search over the numbers of its one
// or, with x32, two interfaces.
func compileAudit(rules []rule, audit uint32, archs []ScmpArch, fallback, badArch uint32, u unknowns) ([]insn, error) {
	var spans []span
	if known, _ := abiOf(ArchAMD64); audit == known.audit {
		// Calls of the half of amd64 that the filter does not speak of are of a bad architecture;
		// -1 is what a tracer leaves to skip a call (seccomp(2)) and is never one.
		amd64, x32 := slices.Contains(archs, ArchAMD64), slices.Contains(archs, ArchX32)
		spans = []span{{0, returns(badArch)}}
		if amd64 {
			spans = u.after(0, ArchAMD64, fallback)
		}
		if x32 {
			spans = append(spans, u.after(x32Bit, ArchX32, fallback)...)
		} else {
			spans = append(spans, span{x32Bit, returns(badArch)}, span{^uint32(0), returns(fallback)})
		}
	} else {
		for _, a := range archs {
			if known, ok := abiOf(a); ok && known.audit == audit {
				spans = u.after(0, a, fallback)
			}
		}
	}
	for _, a := range archs {
		known, ok := abiOf(a)
		if !ok || known.audit != audit {
			continue
		}
		calls, err := decisions(rules, a, known, fallback)
		if err != nil {
			return nil, err
		}
		spans = overlay(spans, calls, fallback)
	}
	return append([]insn{{code: loadWord, k: offsetNumber}}, search(joined(spans))...), nil
}

// overlay puts single calls, sorted by number, over spans whose value around them is fallback.
func overlay(spans, calls []span, fallback uint32) []span {
	out := make([]span, 0, len(spans)+2*len(calls))
	for i, s := range spans {
		out = append(out, s)
		end := ^uint32(0)
		if i+1 < len(spans) {
			end = spans[i+1].from
		}
		for len(calls) > 0 && calls[0].from < end {
			call := calls[0]
			calls = calls[1:]
			if out[len(out)-1].from == call.from {
				out = out[:len(out)-1]
			}
			out = append(out, call, span{call.from + 1, returns(fallback)})
		}
		if len(out) > 0 && i+1 < len(spans) && out[len(out)-1].from == end {
			out = out[:len(out)-1]
		}
	}
	return out
}

// choice is a rule as one interface sees it.
type choice struct {
	number     uint32
	returns    uint32
	conditions []ScmpCondition
}

// decisions gives the code of every system call of one interface that rules speak of, by number.
func decisions(rules []rule, a ScmpArch, known abi, fallback uint32) ([]span, error) {
	choices := make([]choice, 0, len(rules))
	for _, r := range rules {
		if known.muxes {
			choices = append(choices, muxed(r, known)...)
		}
		if n := number(r.row, a, known); n >= 0 {
			choices = append(choices, choice{uint32(n), r.returns, r.conditions})
		}
	}
	// By number, and for one number in the order they were added: sorting plain integers is several
	// times as fast as a stable sort.
	order := make([]uint64, len(choices))
	for i, c := range choices {
		order[i] = uint64(c.number)<<32 | uint64(i)
	}
	slices.Sort(order)
	spans := make([]span, 0, len(order))
	var same []choice
	for i, key := range order {
		same = append(same, choices[uint32(key)])
		if i+1 < len(order) && order[i+1]>>32 == key>>32 {
			continue
		}
		code, err := decide(same, known.bits, fallback)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{uint32(key >> 32), code})
		same = same[:0]
	}
	return spans, nil
}

// muxed gives r for the multiplexer through which 32-bit x86 programs may make the same call. Its
// first argument is the operation; a condition on the call's own first argument can not be kept.
func muxed(r rule, known abi) []choice {
	name, through := table[r.row].name, "socketcall"
	operation, ok := socketcalls[name]
	if !ok {
		if operation, ok = ipcs[name]; !ok {
			return nil
		}
		through = "ipc"
	}
	row := sort.Search(len(table), func(i int) bool { return table[i].name >= through })
	conditions := []ScmpCondition{{Argument: 0, Op: CompareEqual, Operand1: operation}}
	for _, c := range r.conditions {
		if c.Argument != 0 {
			conditions = append(conditions, c)
		}
	}
	return []choice{{uint32(table[row].numbers[known.column]), r.returns, conditions}}
}

// decide gives the code for the rules of one system call in the order they were added. As with
// libseccomp the first rule without conditions holds whatever the others say, and without one the
// first whose conditions hold. A listener is asked in a part of what is allowed: a conditional
// notification goes before rules that let the call through and after those that do not, an
// unconditional one after conditional denials.
func decide(choices []choice, bits int, fallback uint32) ([]insn, error) {
	var denials, notifications, others, conditional []choice
	always := -1
	for i, c := range choices {
		switch {
		case len(c.conditions) == 0:
			if always < 0 {
				always = i
			}
		case c.returns == retNotify:
			notifications = append(notifications, c)
		case c.returns < retNotify || c.returns >= retKillProcess: // errno, trap, kill
			denials = append(denials, c)
		default:
			others = append(others, c)
		}
	}
	switch {
	case always < 0 && len(notifications) == 0:
		conditional = choices
	case always < 0:
		conditional = slices.Concat(denials, notifications, others)
	case choices[always].returns == retNotify:
		conditional, fallback = denials, retNotify
	case choices[always].returns > retNotify && choices[always].returns < retKillProcess:
		conditional, fallback = notifications, choices[always].returns
	default:
		fallback = choices[always].returns
	}
	if len(conditional) == 0 {
		return returns(fallback), nil
	}
	if code, ok := oneArgument(conditional, bits, fallback); ok {
		return code, nil
	}
	r := &routine{}
	for _, c := range conditional {
		fail := r.newLabel()
		for _, condition := range c.conditions {
			condition.code(r, bits, fail)
		}
		r.add(returns(c.returns)...)
		r.place(fail)
	}
	r.add(returns(fallback)...)
	return r.finish()
}

// oneArgument is decide for calls whose every rule compares the same argument once, such as
// socket(2) with its forty address families: a search instead of a chain. It gives false when the
// rules are not of that kind.
func oneArgument(choices []choice, bits int, fallback uint32) ([]insn, bool) {
	if len(choices) < 3 {
		return nil, false // a chain is as short
	}
	arg := choices[0].conditions[0].Argument
	limit := uint64(1) << 32 // of what a search over the lower half can tell apart
	marks := []uint64{0}
	for _, c := range choices {
		if len(c.conditions) != 1 || c.conditions[0].Argument != arg || c.conditions[0].Op == CompareMaskedEqual {
			return nil, false
		}
		value := c.conditions[0].Operand1
		if bits == 32 {
			value = uint64(uint32(value))
		} else if value >= limit {
			return nil, false
		}
		marks = append(marks, value, value+1)
	}
	slices.Sort(marks)
	marks = slices.Compact(marks)
	at := func(value uint64) uint32 {
		for _, c := range choices {
			if c.conditions[0].holds(value, bits) {
				return c.returns
			}
		}
		return fallback
	}
	var spans []span
	for _, m := range marks {
		if m < limit {
			spans = append(spans, span{uint32(m), returns(at(m))})
		}
	}
	var code []insn
	if bits == 64 {
		code = append(code, loadArgument(arg, true), insn{code: jumpEqual, jt: 1, k: 0})
		code = append(code, returns(at(limit))...)
	}
	code = append(code, loadArgument(arg, false))
	return append(code, search(joined(spans))...), true
}

// holds computes a comparison other than the masked one.
func (c ScmpCondition) holds(value uint64, bits int) bool {
	operand := c.Operand1
	if bits == 32 {
		operand = uint64(uint32(operand))
	}
	switch c.Op {
	case CompareEqual:
		return value == operand
	case CompareNotEqual:
		return value != operand
	case CompareLess:
		return value < operand
	case CompareLessOrEqual:
		return value <= operand
	case CompareGreater:
		return value > operand
	default:
		return value >= operand
	}
}
