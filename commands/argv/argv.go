// Package argv reads a command line once, at the door, by docker's rules.
//
// It takes the words after the verb and the verb's flag definitions and gives the settings in the
// order they were written and the operands. The rules are pflag's, which docker's users have in
// their fingers: flags may follow operands unless the verb says otherwise (run, where everything
// behind IMAGE belongs to the container), "-p8080:80" and "-it" and "--rm=false" are understood,
// "--" ends the flags, nothing is split at commas. It is pure: no defaults, no environment.
package argv

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what a flag does with a value.
type Kind int

const (
	Value    Kind = iota // "--name VALUE", "--name=VALUE", "-nVALUE"
	Bool                 // "--name", "--name=false"
	Optional             // "--name" or "--name=VALUE", never "--name VALUE"
	Later                // a flag of docker's that is not there yet: refused by name
)

// Flag is the definition of one flag.
type Flag struct {
	Name  string   // the long name, without dashes
	Short string   // one letter, or ""
	Also  []string // other long spellings ("net" for "network")
	Kind  Kind
}

// Setting is one flag as it was set. Name is the flag's long name whatever the spelling was; a
// Bool's value is "true" or "false".
type Setting struct{ Name, Value string }

// Line is a command line that was read.
type Line struct {
	Settings []Setting
	Operands []string
}

// Args gives the line in the one canonical form: "--name=value" for each setting, "--", operands.
func (l Line) Args() []string {
	out := make([]string, 0, len(l.Settings)+1+len(l.Operands))
	for _, s := range l.Settings {
		out = append(out, "--"+s.Name+"="+s.Value)
	}
	out = append(out, "--")
	return append(out, l.Operands...)
}

// Error is a command line that can not be read. Near names a flag that may have been meant.
type Error struct {
	Text string // "unknown flag: --foo"
	Near string // "--force", or ""
}

func (e *Error) Error() string { return e.Text }

// Hint tells what may have been meant.
func (e *Error) Hint() string {
	if e.Near == "" {
		return ""
	}
	return "did you mean " + strconv.Quote(e.Near) + "?"
}

// Read reads words. With stop the first operand ends the flags, as in "run IMAGE -x". The error is
// an *Error.
func Read(words []string, flags []Flag, stop bool) (Line, error) {
	var l Line
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--":
			l.Operands = append(l.Operands, words[i+1:]...)
			return l, nil
		case len(w) < 2 || w[0] != '-':
			l.Operands = append(l.Operands, w)
			if stop {
				l.Operands = append(l.Operands, words[i+1:]...)
				return l, nil
			}
		case strings.HasPrefix(w, "--"):
			used, err := long(&l, w, words[i+1:], flags)
			if err != nil {
				return Line{}, err
			}
			i += used
		default:
			used, err := cluster(&l, w, words[i+1:], flags)
			if err != nil {
				return Line{}, err
			}
			i += used
		}
	}
	return l, nil
}

// long reads "--name", "--name=value" or "--name value" and tells how many words of rest it used.
func long(l *Line, w string, rest []string, flags []Flag) (int, error) {
	name, value, has := strings.Cut(w[2:], "=")
	if name == "" || name[0] == '-' {
		return 0, &Error{Text: "bad flag syntax: " + w}
	}
	at := slices.IndexFunc(flags, func(f Flag) bool { return f.Name == name || slices.Contains(f.Also, name) })
	if at < 0 {
		return 0, &Error{Text: "unknown flag: --" + name, Near: nearestFlag(name, flags)}
	}
	f := flags[at]
	switch {
	case f.Kind == Later:
		return 0, notYet("--" + name)
	case has:
		return 0, set(l, f, value, "--"+name)
	case f.Kind == Bool:
		return 0, set(l, f, "true", "--"+name)
	case f.Kind == Optional:
		return 0, set(l, f, "", "--"+name)
	case len(rest) == 0:
		return 0, &Error{Text: "flag needs an argument: --" + name}
	}
	return 1, set(l, f, rest[0], "--"+name)
}

// cluster reads "-it", "-p80:80", "-p=80:80", "-p 80:80" and tells how many words of rest it used.
func cluster(l *Line, w string, rest []string, flags []Flag) (int, error) {
	for s := w[1:]; s != ""; {
		_, n := utf8.DecodeRuneInString(s)
		short, tail := s[:n], s[n:]
		at := slices.IndexFunc(flags, func(f Flag) bool { return f.Short == short })
		if at < 0 {
			e := &Error{Text: "unknown shorthand flag: " + quoteLetter(short) + " in " + w}
			if name := strings.TrimPrefix(w, "-"); len(name) > 1 { // "-name" for "--name"
				name, _, _ = strings.Cut(name, "=")
				if slices.ContainsFunc(flags, func(f Flag) bool { return f.Name == name }) {
					e.Near = "--" + name
				}
			}
			return 0, e
		}
		f := flags[at]
		switch value, has := strings.CutPrefix(tail, "="); {
		case f.Kind == Later:
			return 0, notYet("-" + short)
		case has && len(tail) > 1:
			return 0, set(l, f, value, "-"+short)
		case f.Kind == Bool || f.Kind == Optional:
			value := "true"
			if f.Kind == Optional {
				value = ""
			}
			if err := set(l, f, value, "-"+short); err != nil {
				return 0, err
			}
			s = tail
		case tail != "":
			return 0, set(l, f, tail, "-"+short)
		case len(rest) == 0:
			return 0, &Error{Text: "flag needs an argument: " + quoteLetter(short) + " in " + w}
		default:
			return 1, set(l, f, rest[0], "-"+short)
		}
	}
	return 0, nil
}

func set(l *Line, f Flag, value, spelling string) error {
	if f.Kind == Bool {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return &Error{Text: "invalid argument " + strconv.Quote(value) + " for " + strconv.Quote(spelling) + " flag: neither true nor false"}
		}
		value = strconv.FormatBool(b)
	}
	l.Settings = append(l.Settings, Setting{f.Name, value})
	return nil
}

func notYet(spelling string) error { return &Error{Text: spelling + " is not supported yet"} }

func quoteLetter(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	return strconv.QuoteRune(r)
}

func nearestFlag(name string, flags []Flag) string {
	var names []string
	for _, f := range flags {
		if f.Kind != Later {
			names = append(names, f.Name)
		}
	}
	if near := Nearest(name, names); near != "" {
		return "--" + near
	}
	return ""
}
