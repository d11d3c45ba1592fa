// Package port reads and writes published ports in Docker's forms: the operands of --publish and
// --expose, the EXPOSE of an image, the PORTS column of ps. It is pure: nothing is opened here.
package port

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The protocols that can be published.
const (
	TCP = "tcp"
	UDP = "udp"
)

// Port is a port of a container.
type Port struct {
	Number uint16 `json:"port"`
	Proto  string `json:"proto"` // TCP or UDP
}

// String gives "80/tcp".
func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Proto) }

func compare(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Proto, b.Proto))
}

// Mapping is the wish that a port of the container be reached through one of the host.
type Mapping struct {
	// IP is the host's address that is listened on; the zero address stands for all.
	IP netip.Addr `json:"ip,omitzero"`
	// First and Last bound the host's ports of which one is taken; 0 and 0 stand for any that is free.
	First uint16 `json:"first,omitempty"`
	Last  uint16 `json:"last,omitempty"`
	Port
}

// String gives the mapping as --publish takes it.
func (m Mapping) String() string {
	var ip, host string
	switch {
	case m.IP.Is6():
		ip = "[" + m.IP.String() + "]:"
	case m.IP.IsValid():
		ip = m.IP.String() + ":"
	}
	switch {
	case m.First != m.Last:
		host = fmt.Sprintf("%d-%d:", m.First, m.Last)
	case m.First != 0:
		host = fmt.Sprintf("%d:", m.First)
	case ip != "":
		host = ":"
	}
	return ip + host + m.Port.String()
}

// Binding is what came of a mapping, or a port that is only exposed.
type Binding struct {
	IP   string `json:"ip,omitempty"`   // "0.0.0.0", "::", …; empty when the port is not published
	Host uint16 `json:"host,omitempty"` // 0 when the port is not published
	Port
}

// Publish completes what was asked for: with all (-P) every exposed port that has no mapping gets one
// to a free port of the host. The exposed ports are given back with those of the mappings, sorted.
func Publish(mappings []Mapping, exposed []Port, all bool) ([]Mapping, []Port) {
	mapped := map[Port]bool{}
	for _, m := range mappings {
		mapped[m.Port] = true
	}
	ports := slices.Clone(exposed)
	for p := range mapped {
		ports = append(ports, p)
	}
	slices.SortFunc(ports, compare)
	ports = slices.Compact(ports)
	if all {
		mappings = slices.Clone(mappings)
		for _, p := range ports {
			if !mapped[p] {
				mappings = append(mappings, Mapping{Port: p})
			}
		}
	}
	return mappings, ports
}

// Bindings adds to the bindings that were made the exposed ports that have none.
func Bindings(made []Binding, exposed []Port) []Binding {
	all := slices.Clone(made)
	for _, p := range exposed {
		if !slices.ContainsFunc(made, func(b Binding) bool { return b.Port == p }) {
			all = append(all, Binding{Port: p})
		}
	}
	return all
}
