package plan

import (
	"slices"
	"strings"
)

// vars is an ordered list of variables. Setting a name again keeps its place.
type vars struct {
	keys   []string
	values map[string]string
}

func newVars() *vars { return &vars{values: map[string]string{}} }

func (v *vars) Get(name string) (string, bool) {
	s, ok := v.values[name]
	return s, ok
}

func (v *vars) Keys() []string { return v.keys }

func (v *vars) set(name, value string) {
	if _, ok := v.values[name]; !ok {
		v.keys = append(v.keys, name)
	}
	v.values[name] = value
}

func (v *vars) clone() *vars {
	out := &vars{keys: slices.Clone(v.keys), values: make(map[string]string, len(v.values))}
	for k, s := range v.values {
		out.values[k] = s
	}
	return out
}

// list is the environment as "NAME=value".
func (v *vars) list() []string {
	if len(v.keys) == 0 {
		return nil
	}
	out := make([]string, 0, len(v.keys))
	for _, k := range v.keys {
		out = append(out, k+"="+v.values[k])
	}
	return out
}

// size is the bytes list takes.
func (v *vars) size() int {
	n := 0
	for k, s := range v.values {
		n += len(k) + len(s) + 2
	}
	return n
}

func varsOf(env []string) *vars {
	v := newVars()
	for _, e := range env {
		k, s, _ := strings.Cut(e, "=")
		v.set(k, s)
	}
	return v
}

// masked hides the values of some names.
type masked struct {
	*vars
	names map[string]bool
}

func (m masked) Get(name string) (string, bool) {
	if m.names[name] {
		return "****", true
	}
	return m.vars.Get(name)
}
