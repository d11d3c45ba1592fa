package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Chmod is a mode of COPY or ADD --chmod, octal or symbolic. It is made by ParseChmod.
type Chmod struct {
	Text    string // as given, expanded
	octal   bool
	changes []change
}

// Dir is the mode of the directories that a copy makes on the way to its destination. As in BuildKit
// an octal mode counts for them, too, so that --chmod=640 makes a directory only its owner enters by
// privilege; a symbolic one, which changes what is there, does not. c may be nil.
func (c *Chmod) Dir() uint32 {
	if c == nil || !c.octal {
		return 0o755
	}
	return c.Apply(0, true) & all
}

// The bits of a mode, as chmod(1) numbers them.
const (
	setid   = 0o6000
	sticky  = 0o1000
	all     = 0o777
	anyX    = 0o111
	special = setid | sticky
)

// change is one operation: set, add or take away bits of who.
type change struct {
	op     byte   // '=', '+' or '-'
	who    uint32 // the bits that may change
	bits   uint32 // r, w, x, s and t, for all classes
	execs  bool   // X: x for directories and for what anybody may execute already
	copies byte   // 'u', 'g' or 'o': the bits that class has now; 0 for none
}

// ParseChmod reads "0755" or "u=rwX,go=rX", as chmod(1) does with an empty umask.
func ParseChmod(text string) (*Chmod, error) {
	c := &Chmod{Text: text}
	bad := fmt.Errorf("invalid chmod parameter: '%v'. it should be octal string and between 0 and 07777, or symbolic like u=rwX,go=rX", text)
	if text == "" || len(text) > 1024 {
		return nil, bad
	}
	if text[0] >= '0' && text[0] <= '9' {
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o7777 {
			return nil, bad
		}
		c.octal = true
		c.changes = []change{{op: '=', who: special | all, bits: uint32(n)}}
		return c, nil
	}
	for _, clause := range strings.Split(text, ",") {
		changes, ok := parseClause(clause)
		if !ok {
			return nil, bad
		}
		c.changes = append(c.changes, changes...)
	}
	return c, nil
}

// parseClause reads who, then one or more operations: "ug+rw-x".
func parseClause(s string) ([]change, bool) {
	var who uint32
	for len(s) > 0 && strings.IndexByte("ugoa", s[0]) >= 0 {
		who |= map[byte]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o7, 'a': setid | all}[s[0]]
		s = s[1:]
	}
	onlyOther := who == 0o7
	if who == 0 {
		who = setid | all
	}
	var out []change
	for len(s) > 0 {
		c := change{op: s[0], who: who}
		if strings.IndexByte("=+-", c.op) < 0 {
			return nil, false
		}
		s = s[1:]
		if len(s) > 0 && strings.IndexByte("ugo", s[0]) >= 0 {
			c.copies, s = s[0], s[1:]
			out = append(out, c)
			continue
		}
		for len(s) > 0 && strings.IndexByte("=+-", s[0]) < 0 {
			switch s[0] {
			case 'r':
				c.bits |= 0o444
			case 'w':
				c.bits |= 0o222
			case 'x':
				c.bits |= anyX
			case 'X':
				if c.op == '-' {
					c.bits |= anyX
				} else {
					c.execs = true
				}
			case 's':
				if !onlyOther {
					c.bits |= setid
				}
			case 't':
				if !onlyOther {
					c.who |= sticky
					c.bits |= sticky
				}
			default:
				return nil, false
			}
			s = s[1:]
		}
		out = append(out, c)
	}
	return out, len(out) > 0
}

// Apply gives the mode (permission bits with setuid 04000, setgid 02000, sticky 01000) a file of
// mode old gets.
func (c *Chmod) Apply(old uint32, dir bool) uint32 {
	old &= special | all
	mode := old
	for _, ch := range c.changes {
		bits := ch.bits
		switch ch.copies {
		case 'u':
			bits = spread(mode >> 6)
		case 'g':
			bits = spread(mode >> 3)
		case 'o':
			bits = spread(mode)
		}
		if ch.execs && (dir || old&anyX != 0) {
			bits |= anyX
		}
		switch ch.op {
		case '=':
			mode = mode&^ch.who | bits&ch.who
		case '+':
			mode |= bits & ch.who
		case '-':
			mode &^= bits & ch.who
		}
	}
	return mode
}

// spread repeats the rwx of one class for all three.
func spread(m uint32) uint32 { m &= 7; return m<<6 | m<<3 | m }
