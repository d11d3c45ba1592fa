package seccomp

import "fmt"

// ScmpCompareOp compares an argument with a constant, without sign.
type ScmpCompareOp uint

// The comparisons; their numbers are libseccomp-golang's.
const (
	CompareInvalid      ScmpCompareOp = iota
	CompareNotEqual                   // argument != first operand
	CompareLess                       // argument < first operand
	CompareLessOrEqual                // argument <= first operand
	CompareEqual                      // argument == first operand
	CompareGreaterEqual               // argument >= first operand
	CompareGreater                    // argument > first operand
	CompareMaskedEqual                // argument & first operand == second operand
)

// String describes the comparison for messages.
func (op ScmpCompareOp) String() string {
	names := [...]string{
		"Invalid comparison operator", "Not equal", "Less than", "Less than or equal to",
		"Equal", "Greater than or equal to", "Greater than", "Masked equality",
	}
	if int(op) < len(names) {
		return names[op]
	}
	return fmt.Sprintf("Unrecognized comparison operator %#x", uint(op))
}

// ScmpCondition holds when one argument compares as said. On interfaces with 32-bit arguments the
// lower halves of the operands count.
type ScmpCondition struct {
	Argument uint          `json:"argument,omitempty"` // 0 to 5
	Op       ScmpCompareOp `json:"operator,omitempty"`
	Operand1 uint64        `json:"operand_one,omitempty"`
	Operand2 uint64        `json:"operand_two,omitempty"`
}

// MakeCondition gives a checked condition; values are one operand, or mask and value for
// [CompareMaskedEqual].
func MakeCondition(arg uint, op ScmpCompareOp, values ...uint64) (ScmpCondition, error) {
	switch {
	case arg > 5:
		return ScmpCondition{}, fmt.Errorf("syscalls only have up to 6 arguments (%d given)", arg)
	case op == CompareInvalid || op > CompareMaskedEqual:
		return ScmpCondition{}, fmt.Errorf("invalid comparison operator %d", op)
	case len(values) == 0 || len(values) > 2:
		return ScmpCondition{}, fmt.Errorf("a condition takes 1 or 2 operands (%d given)", len(values))
	}
	c := ScmpCondition{Argument: arg, Op: op, Operand1: values[0]}
	if len(values) == 2 {
		c.Operand2 = values[1]
	}
	return c, nil
}

// code appends the instructions that fall through when c holds and jump to fail when it does not.
func (c ScmpCondition) code(r *routine, bits int, fail label) {
	if c.Op == CompareMaskedEqual {
		c.masked(r, bits, fail)
		return
	}
	pass := r.newLabel()
	hi, lo := uint32(c.Operand1>>32), uint32(c.Operand1)
	if bits == 64 {
		// The upper halves decide unless they are equal.
		r.add(loadArgument(c.Argument, true))
		switch c.Op {
		case CompareEqual:
			r.jump(jumpEqual, hi, next, fail)
		case CompareNotEqual:
			r.jump(jumpEqual, hi, next, pass)
		case CompareGreater, CompareGreaterEqual:
			r.jump(jumpGreater, hi, pass, next)
			r.jump(jumpEqual, hi, next, fail)
		case CompareLess, CompareLessOrEqual:
			r.jump(jumpGreater, hi, fail, next)
			r.jump(jumpEqual, hi, next, pass)
		}
	}
	r.add(loadArgument(c.Argument, false))
	switch c.Op {
	case CompareEqual:
		r.jump(jumpEqual, lo, next, fail)
	case CompareNotEqual:
		r.jump(jumpEqual, lo, fail, next)
	case CompareGreater:
		r.jump(jumpGreater, lo, next, fail)
	case CompareGreaterEqual:
		r.jump(jumpGreaterEqual, lo, next, fail)
	case CompareLess:
		r.jump(jumpGreaterEqual, lo, fail, next)
	case CompareLessOrEqual:
		r.jump(jumpGreater, lo, fail, next)
	}
	r.place(pass)
}

// masked is the code of [CompareMaskedEqual]. A half with an empty mask is not looked at.
func (c ScmpCondition) masked(r *routine, bits int, fail label) {
	half := func(upper bool, mask, value uint32) {
		r.add(loadArgument(c.Argument, upper))
		if mask != ^uint32(0) {
			r.add(insn{code: andConstant, k: mask})
		}
		r.jump(jumpEqual, value&mask, next, fail)
	}
	if upper := uint32(c.Operand1 >> 32); bits == 64 && upper != 0 {
		half(true, upper, uint32(c.Operand2>>32))
	}
	half(false, uint32(c.Operand1), uint32(c.Operand2))
}
