// Package network gives a container its network: the private user-space stack, none, or the host's.
//
// The private network is one TCP/IP stack per container, run by the dhow process that watches the
// container (stack/), on a device in the container's network namespace (device/). Nothing of the
// host is configured and nothing outlives the container. This package puts the two together and
// writes the files that belong to a network: resolv.conf, hosts and hostname.
package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// Mode names the kind of network of a container.
type Mode string

const (
	// Private is the default: outbound TCP, UDP and DNS through the user-space stack. Docker's
	// names "bridge" and "default" mean it too.
	Private Mode = "private"
	// None is a loopback device only.
	None Mode = "none"
	// Host is the caller's own network namespace.
	Host Mode = "host"
)

// ParseMode reads Docker's and our names of networks; the empty string is [Private].
func ParseMode(name string) (Mode, error) {
	switch name {
	case "", "default", "bridge", string(Private):
		return Private, nil
	case string(None), string(Host):
		return Mode(name), nil
	}
	return "", fmt.Errorf("network %q not found: there are private (the default), none and host", name)
}

// Config is what a container wishes of its network. The zero value is the private network with
// the host's resolvers.
type Config struct {
	Mode Mode // empty means Private
	// DNS are the resolvers asked instead of the host's, as IP addresses.
	DNS []string
	// DNSSearch and DNSOptions replace the host's search domains and resolver options when not
	// empty; a single "." as search domain means none.
	DNSSearch  []string
	DNSOptions []string
	// Hosts are further lines of /etc/hosts as Docker's --add-host takes them: "name:ip" or
	// "name=ip", where the address may be "host-gateway".
	Hosts []string
	// Listeners lead into the container; nil for none. They stay the caller's.
	Listeners *Listeners

	veth bool // tests: not a tun
}

// The addresses of the private network. They are the same for every container: each has a network
// of its own.
var (
	containerV4 = netip.MustParsePrefix("10.0.2.100/24")
	gatewayV4   = netip.MustParseAddr("10.0.2.2")
	resolverV4  = netip.MustParseAddr("10.0.2.3")
	containerV6 = netip.MustParsePrefix("fdd4:686f:7700::100/64")
	gatewayV6   = netip.MustParseAddr("fdd4:686f:7700::2")
)

// mode gives the mode with the default filled in.
func (c Config) mode() Mode {
	if c.Mode == "" {
		return Private
	}
	return c.Mode
}

// Validate reports the first wrong entry of c in one line.
func (c Config) Validate() error {
	switch c.mode() {
	case Private, None, Host:
	default:
		return fmt.Errorf("network %q not found", c.Mode)
	}
	for _, s := range c.DNS {
		if _, err := netip.ParseAddr(s); err != nil {
			return fmt.Errorf("%s is not an ip address", s)
		}
	}
	for _, s := range c.DNSSearch {
		if !isWord(s) {
			return fmt.Errorf("%q is not a domain", s)
		}
	}
	for _, s := range c.DNSOptions {
		if !isWord(s) {
			return fmt.Errorf("%q is not a resolver option", s)
		}
	}
	for _, s := range c.Hosts {
		if _, _, err := splitHost(s); err != nil {
			return err
		}
	}
	return nil
}

// isWord tells whether s can stand in a line of words without making another word or line.
func isWord(s string) bool {
	return s != "" && len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' || r == ';' }) < 0
}

// HostGateway is the address in --add-host that means the host.
const HostGateway = "host-gateway"

// splitHost reads an entry of Hosts.
func splitHost(entry string) (name, address string, err error) {
	name, address, ok := strings.Cut(entry, "=")
	if !ok {
		name, address, ok = strings.Cut(entry, ":")
	}
	if !ok || !isWord(name) {
		return "", "", fmt.Errorf("bad format for add-host: %q", entry)
	}
	if address == HostGateway {
		return name, address, nil
	}
	if inner, ok := strings.CutPrefix(address, "["); ok {
		address = strings.TrimSuffix(inner, "]")
	}
	if _, err := netip.ParseAddr(address); err != nil {
		return "", "", fmt.Errorf("invalid IP address in add-host: %q", address)
	}
	return name, address, nil
}
