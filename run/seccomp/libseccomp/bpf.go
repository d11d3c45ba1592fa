package seccomp

import (
	"encoding/binary"
	"errors"
	"slices"
)

// insn is one instruction of classic BPF, struct sock_filter of linux/filter.h. Jumps count the
// instructions to skip; the conditional ones reach 255.
type insn struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Opcodes, linux/bpf_common.h.
const (
	loadWord         = 0x20 // LD|W|ABS
	jumpAlways       = 0x05 // JMP|JA
	jumpEqual        = 0x15 // JMP|JEQ|K
	jumpGreater      = 0x25 // JMP|JGT|K
	jumpGreaterEqual = 0x35 // JMP|JGE|K
	andConstant      = 0x54 // ALU|AND|K
	returnConstant   = 0x06 // RET|K
)

// Offsets into struct seccomp_data, linux/seccomp.h.
const (
	offsetNumber    = 0
	offsetArch      = 4
	offsetArguments = 16
)

// maxProgram is BPF_MAXINSNS.
const maxProgram = 4096

var errTooLong = errors.New("seccomp filter is longer than the kernel's limit of 4096 instructions")

func loadArgument(arg uint, upper bool) insn {
	at := offsetArguments + 8*uint32(arg)
	if upper {
		at += 4 // little-endian
	}
	return insn{code: loadWord, k: at}
}

func returns(value uint32) []insn { return []insn{{code: returnConstant, k: value}} }

// span is what happens from a value on until the next span's.
type span struct {
	from uint32
	code []insn // ends in a return on every path
}

// search gives code that finds the span of the value in the accumulator by halving. The first span
// is taken to begin at 0.
func search(spans []span) []insn {
	if len(spans) == 1 {
		return spans[0].code
	}
	if code, err := group(spans); err == nil {
		return code
	}
	middle := len(spans) / 2
	below, above := search(spans[:middle]), search(spans[middle:])
	out := make([]insn, 0, len(below)+len(above)+2)
	return append(append(branch(out, jumpGreaterEqual, spans[middle].from, len(below)), below...), above...)
}

// group is search for spans few enough that every jump is short: the tests stand together, spans
// that do the same share their code. It halves the program, as most spans are single returns.
func group(spans []span) ([]insn, error) {
	if len(spans) > 200 { // the tests alone are too many
		return nil, errTooLong
	}
	r := &routine{}
	places := make([]label, len(spans)) // of each span's code
	var blocks []int                    // spans whose code is placed
	for i, s := range spans {
		same := slices.IndexFunc(blocks, func(j int) bool { return slices.Equal(spans[j].code, s.code) })
		if same >= 0 {
			places[i] = places[blocks[same]]
			continue
		}
		places[i] = r.newLabel()
		blocks = append(blocks, i)
	}
	r.test(spans, places)
	// Single returns first: most tests jump to them.
	slices.SortStableFunc(blocks, func(a, b int) int { return len(spans[a].code) - len(spans[b].code) })
	for _, i := range blocks {
		r.place(places[i])
		r.add(spans[i].code...)
	}
	return r.finish()
}

// test appends the tests that find a span, two or more, and jump to its place.
func (r *routine) test(spans []span, places []label) {
	middle := len(spans) / 2
	below, above := places[0], places[middle]
	if middle > 1 {
		below = next
	}
	if len(spans)-middle > 1 {
		above = r.newLabel()
	}
	r.jump(jumpGreaterEqual, spans[middle].from, above, below)
	if middle > 1 {
		r.test(spans[:middle], places[:middle])
	}
	if len(spans)-middle > 1 {
		r.place(above)
		r.test(spans[middle:], places[middle:])
	}
}

// branch appends a test that skips the next n instructions when it holds.
func branch(out []insn, test uint16, k uint32, n int) []insn {
	if n <= 255 {
		return append(out, insn{code: test, jt: uint8(n), k: k})
	}
	return append(out, insn{code: test, jf: 1, k: k}, insn{code: jumpAlways, k: uint32(n)})
}

// joined drops spans that do the same as the one before.
func joined(spans []span) []span {
	return slices.CompactFunc(spans, func(a, b span) bool { return slices.Equal(a.code, b.code) })
}

// label is a place in a routine that jumps can name before it is known.
type label int

// next is the label of the following instruction.
const next label = -1

// routine is a short piece of code under construction, with forward jumps only.
type routine struct {
	code   []insn
	labels []int // index of the instruction, by label
	jumps  []pending
}

type pending struct {
	at          int
	then, other label
}

func (r *routine) newLabel() label {
	r.labels = append(r.labels, -1)
	return label(len(r.labels) - 1)
}

func (r *routine) place(l label) { r.labels[l] = len(r.code) }

func (r *routine) add(i ...insn) { r.code = append(r.code, i...) }

func (r *routine) jump(test uint16, k uint32, then, other label) {
	r.jumps = append(r.jumps, pending{len(r.code), then, other})
	r.add(insn{code: test, k: k})
}

// finish resolves the labels, all of which must be placed.
func (r *routine) finish() ([]insn, error) {
	for _, j := range r.jumps {
		for _, side := range []struct {
			to   label
			skip *uint8
		}{{j.then, &r.code[j.at].jt}, {j.other, &r.code[j.at].jf}} {
			if side.to == next {
				continue
			}
			skip := r.labels[side.to] - j.at - 1
			if skip > 255 {
				return nil, errTooLong
			}
			*side.skip = uint8(skip)
		}
	}
	return r.code, nil
}

// encode gives the program as the kernel reads it on this machine.
func encode(program []insn) []byte {
	out := make([]byte, 0, 8*len(program))
	for _, i := range program {
		out = binary.NativeEndian.AppendUint16(out, i.code)
		out = append(out, i.jt, i.jf)
		out = binary.NativeEndian.AppendUint32(out, i.k)
	}
	return out
}
