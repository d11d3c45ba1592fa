package network

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
)

// ResolvConf gives the contents of the container's /etc/resolv.conf: on the private network its own
// resolver, which asks the host's, with the host's search domains and options; otherwise the host's
// file. DNS, DNSSearch and DNSOptions replace the part they name.
func ResolvConf(c Config) []byte {
	host := hostResolvers()
	if c.mode() != Private && len(c.DNS)+len(c.DNSSearch)+len(c.DNSOptions) == 0 {
		return slices.Clone(host.text)
	}
	var servers []string
	switch {
	case len(c.DNS) > 0:
		servers = c.DNS
	case c.mode() == Private:
		servers = []string{resolverV4.String()}
	default:
		for _, s := range host.servers {
			servers = append(servers, s.Addr().String())
		}
	}
	search, options := host.search, host.options
	if len(c.DNSSearch) > 0 {
		search = slices.DeleteFunc(slices.Clone(c.DNSSearch), func(s string) bool { return s == "." })
	}
	if len(c.DNSOptions) > 0 {
		options = c.DNSOptions
	}
	var out bytes.Buffer
	for _, s := range servers {
		fmt.Fprintf(&out, "nameserver %s\n", s)
	}
	if len(search) > 0 {
		fmt.Fprintf(&out, "search %s\n", strings.Join(search, " "))
	}
	if len(options) > 0 {
		fmt.Fprintf(&out, "options %s\n", strings.Join(options, " "))
	}
	return out.Bytes()
}

// localHosts is what every /etc/hosts begins with, as Docker writes it.
const localHosts = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

// hostHosts is a variable for tests.
var hostHosts = "/etc/hosts"

// maxHosts bounds the host's file in bytes; some block thousands of names with it.
const maxHosts = 8 << 20

// hostNames are the host's own among containers, as Docker Desktop and podman have them.
var hostNames = []string{"host.docker.internal", "host.containers.internal"}

// HostsFile gives the contents of the container's /etc/hosts: the names of the loopback device, the
// entries of c.Hosts, the host's and the container's own name. With [Host] it is the host's file and
// the entries. Entries that [Config.Validate] refuses are left out.
func HostsFile(c Config, hostname string) []byte {
	var out bytes.Buffer
	if c.mode() == Host {
		out.Write(hostsOfHost())
	} else {
		out.WriteString(localHosts)
	}
	others := slices.Clone(hostNames)
	for _, entry := range c.Hosts {
		name, address, err := splitHost(entry)
		if err != nil {
			continue
		}
		others = slices.DeleteFunc(others, func(s string) bool { return strings.EqualFold(s, name) })
		if address == HostGateway {
			address = hostAddress(c)
		}
		fmt.Fprintf(&out, "%s\t%s\n", address, name)
	}
	if c.mode() != None && len(others) > 0 {
		fmt.Fprintf(&out, "%s\t%s\n", hostAddress(c), strings.Join(others, " "))
	}
	if hostname == "" || !isWord(hostname) {
		return out.Bytes()
	}
	names := hostname
	if short, _, ok := strings.Cut(hostname, "."); ok && short != "" {
		names += " " + short
	}
	switch c.mode() {
	case Private:
		fmt.Fprintf(&out, "%s\t%s\n", containerV4.Addr(), names)
	case None:
		fmt.Fprintf(&out, "127.0.0.1\t%s\n", names)
	}
	return out.Bytes()
}

func hostsOfHost() []byte {
	file, err := os.Open(hostHosts)
	if err != nil {
		return []byte(localHosts)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxHosts))
	if err != nil || len(text) == 0 {
		return []byte(localHosts)
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return text
}

// hostAddress gives the address under which the container reaches services of the host that listen
// on every address. Those on its loopback device are not reached; a host without another address has
// no others, and the gateway's, where nobody answers, stands for it.
func hostAddress(c Config) string {
	if c.mode() == Host {
		return "127.0.0.1"
	}
	if a := ownAddress(); a != nil {
		return a.String()
	}
	return gatewayV4.String()
}

// ownAddress gives the IPv4 address of the host on its way out, else any but the loopback's; nil when
// there is none. It is a variable for tests.
var ownAddress = func() net.IP {
	// A connected datagram socket asks the routing table; nothing is sent. The address is
	// documentation's (RFC 5737).
	if conn, err := net.Dial("udp4", "203.0.113.1:9"); err == nil {
		defer conn.Close()
		if a, ok := conn.LocalAddr().(*net.UDPAddr); ok && a.IP.IsGlobalUnicast() {
			return a.IP
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP
		}
	}
	return nil
}

// HostnameFile gives the contents of the container's /etc/hostname.
func HostnameFile(hostname string) []byte { return []byte(hostname + "\n") }
