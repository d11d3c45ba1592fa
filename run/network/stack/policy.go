package stack

import (
	"net/netip"
	"slices"
)

// refused are the destinations that only this host can reach: its loopback ("this network" means
// it to Linux as well), link-local addresses, where clouds keep their metadata, and groups.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), // loopback, unspecified and IPv4-compatible
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("fd00:ec2::254/128"), // a metadata service that is not link-local
}

// reachable tells whether the container may open flows to a. The stack's own addresses are not:
// they have no services but DNS, which is asked before.
func (s *Stack) reachable(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsMulticast() || !a.IsValid() {
		return false
	}
	if slices.Contains(s.config.Own, a) {
		return false
	}
	contains := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(s.config.Refuse, contains) {
		return false
	}
	return s.config.AllowHost || !slices.ContainsFunc(refused, contains)
}

// isResolver tells whether a flow to port of a is for the resolver.
func (s *Stack) isResolver(a netip.Addr, port uint16) bool {
	return s.config.Resolver != nil && a == s.config.DNS && port == 53
}
