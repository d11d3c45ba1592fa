package port

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Format gives bindings as the PORTS column of ps has them: "127.0.0.1:8080->80/tcp, 90/tcp".
// Neighbours that keep their number are one range, "0.0.0.0:80-81->80-81/tcp", and the published ports
// that change it stand at the end, as Docker prints them (docker/cli: formatter.DisplayablePorts).
func Format(bindings []Binding) string {
	sorted := slices.Clone(bindings)
	slices.SortStableFunc(sorted, func(a, b Binding) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.IP, b.IP), cmp.Compare(a.Host, b.Host), strings.Compare(a.Proto, b.Proto))
	})
	type key struct{ ip, proto string }
	type group struct{ first, last uint16 }
	groups := map[key]*group{}
	var order []key
	var out, changed []string
	for _, b := range sorted {
		if b.IP != "" && b.Host != b.Number {
			changed = append(changed, b.Address()+"->"+b.Port.String())
			continue
		}
		k := key{b.IP, b.Proto}
		g := groups[k]
		switch {
		case g == nil:
			groups[k] = &group{b.Number, b.Number}
			order = append(order, k)
		case b.Number == g.last+1 && g.last != 65535:
			g.last = b.Number
		case b.Number != g.last:
			out = append(out, formatGroup(k.ip, k.proto, g.first, g.last))
			*g = group{b.Number, b.Number}
		}
	}
	for _, k := range order {
		out = append(out, formatGroup(k.ip, k.proto, groups[k].first, groups[k].last))
	}
	return strings.Join(append(out, changed...), ", ")
}

func formatGroup(ip, proto string, first, last uint16) string {
	ports := strconv.Itoa(int(first))
	if first != last {
		ports = fmt.Sprintf("%d-%d", first, last)
	}
	if ip != "" {
		ports = net.JoinHostPort(ip, ports) + "->" + ports
	}
	return ports + "/" + proto
}

// Address gives the host's side, "0.0.0.0:8080" or "[::]:8080"; empty when the port is not published.
func (b Binding) Address() string {
	if b.IP == "" {
		return ""
	}
	return net.JoinHostPort(b.IP, strconv.Itoa(int(b.Host)))
}

// HostBinding is the host's side of a port in Docker's documents.
type HostBinding struct{ HostIp, HostPort string }

// Table gives bindings as inspect has them in NetworkSettings.Ports: by "80/tcp", null for ports that
// are only exposed.
func Table(bindings []Binding) map[string][]HostBinding {
	table := map[string][]HostBinding{}
	for _, b := range bindings {
		key := b.Port.String()
		if b.IP == "" {
			table[key] = append(table[key], []HostBinding(nil)...)
			continue
		}
		table[key] = append(table[key], HostBinding{b.IP, strconv.Itoa(int(b.Host))})
	}
	return table
}

// Wishes gives mappings as inspect has them in HostConfig.PortBindings.
func Wishes(mappings []Mapping) map[string][]HostBinding {
	table := map[string][]HostBinding{}
	for _, m := range mappings {
		var b HostBinding
		if m.IP.IsValid() {
			b.HostIp = m.IP.String()
		}
		switch {
		case m.First != m.Last:
			b.HostPort = fmt.Sprintf("%d-%d", m.First, m.Last)
		case m.First != 0:
			b.HostPort = strconv.Itoa(int(m.First))
		}
		table[m.Port.String()] = append(table[m.Port.String()], b)
	}
	return table
}
