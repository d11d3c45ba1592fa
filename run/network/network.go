// Package network gives a container its network: the private user-space stack, none, or the host's.
//
// The private network is one gVisor TCP/IP stack per container, run by the dhow process that
// monitors it, on a tun device in the container's network namespace. Nothing of the host is
// configured and nothing outlives the container.
package network

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
	// Hosts are further lines of /etc/hosts as Docker's --add-host takes them: "name:ip",
	// "name=ip", where the address may be "host-gateway".
	Hosts []string
}
