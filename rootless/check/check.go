// Package check finds out, by trying, which rungs of the ladder a host gives (architecture §5.7).
//
// Every answer is one value with the reason why it is not a better one and one line that cures it;
// `info` shows them. It takes the mapping and a directory of the store and leaves nothing behind.
// It is for people who ask: no command depends on what is found here.
package check

import (
	"errors"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/idmap"
)

// Probe is what the host gives of one thing.
type Probe struct {
	// Name is "mapping", "overlay", "xattr", "supervisor", "proc", "tun" or "cgroup"; for the doctor
	// "namespaces", "kernel", "disk" and "dns", too.
	Name string `json:"name"`
	// Value is the rung: one or two words, stable for programs.
	Value string `json:"value"`
	// Reason tells why it is not a better one; empty on the best.
	Reason string `json:"reason,omitempty"`
	// Cure is one line that tells how to come to a better one; empty when there is none.
	Cure string `json:"cure,omitempty"`
	// Instead tells which rung is used in place of the best one; empty on the best, and where there
	// is no other.
	Instead string `json:"instead,omitempty"`
	// Fatal tells that without it no container runs at all.
	Fatal bool `json:"fatal,omitempty"`
}

// Good reports whether the probe stands on its best rung.
func (p Probe) Good() bool { return p.Reason == "" }

// Host probes everything, in the order of a container's start. dir is an existing directory of the
// store (paths.Store), in which the file system is tried; when it is empty or the namespaces could
// not be entered, what needs them says so.
func Host(m idmap.Mapping, dir string) []Probe {
	return []Probe{
		Mapping(m),
		Overlay(m, dir),
		Xattr(dir),
		Supervisor(),
		Proc(),
		Tun(),
		Cgroup(),
	}
}

// Mapping tells how ids are mapped.
func Mapping(m idmap.Mapping) Probe {
	p := Probe{Name: "mapping", Value: string(m.Kind), Reason: m.Reason, Cure: enter.Cure()}
	switch {
	case p.Good():
	case m.Kind == idmap.Single:
		p.Instead = "one id; other owners are recorded beside the files and shown to processes by a supervisor"
	default:
		p.Instead = "the ids of the surrounding namespace"
	}
	if err := enter.Err(); err != nil {
		p.Value, p.Reason, p.Instead, p.Fatal = "none", err.Error(), "", true
		var e *enter.Error
		if errors.As(err, &e) {
			p.Cure = e.Hint()
		}
	}
	return p
}
