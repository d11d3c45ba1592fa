package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/network/stack"
)

// Listeners are the open ports of the host that lead into a container. [Attach] connects them with its
// stack; until then connections wait. Close ends them at once.
type Listeners struct {
	tcp      []tcpListener
	udp      []udpListener
	bindings []port.Binding
}

type tcpListener struct {
	*net.TCPListener
	port uint16 // of the container
}

type udpListener struct {
	*net.UDPConn
	port uint16
}

// Listen opens the host's ports for mappings, in their order, on IPv4 and IPv6 where a mapping names no
// address; all of them or none. The error is a [*ListenError], which names the cure.
func Listen(mappings []port.Mapping) (*Listeners, error) {
	l := &Listeners{}
	for _, m := range mappings {
		if err := l.add(m); err != nil {
			return nil, errors.Join(&ListenError{Mapping: m, Err: err}, l.Close())
		}
	}
	return l, nil
}

// Bindings tells which ports of the host are open.
func (l *Listeners) Bindings() []port.Binding {
	if l == nil {
		return nil
	}
	return l.bindings
}

// Close closes the ports. It may be called more than once, and on nil.
func (l *Listeners) Close() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, t := range l.tcp {
		errs = append(errs, t.Close())
	}
	for _, u := range l.udp {
		errs = append(errs, u.Close())
	}
	l.tcp, l.udp = nil, nil
	return errors.Join(errs...)
}

// publish connects the listeners with a stack.
func (l *Listeners) publish(s *stack.Stack) {
	if l == nil {
		return
	}
	for _, t := range l.tcp {
		s.PublishTCP(t.TCPListener, t.port)
	}
	for _, u := range l.udp {
		s.PublishUDP(u.UDPConn, u.port)
	}
}

// freeTries is how often another free port is tried, when one is free with IPv4 only.
const freeTries = 32

// add opens one mapping's port: the first of its range that is free.
func (l *Listeners) add(m port.Mapping) (err error) {
	tries := int(m.Last) - int(m.First) + 1
	if m.First == 0 {
		tries = freeTries
	}
	for i := range tries {
		host := uint16(0)
		if m.First != 0 {
			host = m.First + uint16(i)
		}
		if err = l.open(m, host); !errors.Is(err, unix.EADDRINUSE) {
			return err
		}
	}
	return err
}

// open opens one port of the host, 0 for a free one, on all addresses of a mapping.
func (l *Listeners) open(m port.Mapping, host uint16) error {
	if m.IP.IsValid() {
		_, err := l.openOn(m.IP, host, m.Port)
		return err
	}
	before := *l
	chosen, err := l.openOn(netip.IPv4Unspecified(), host, m.Port)
	if err != nil && !missing(err) {
		return err
	}
	first := err
	if err == nil {
		host = chosen
	}
	_, err = l.openOn(netip.IPv6Unspecified(), host, m.Port)
	switch {
	case err == nil, missing(err) && first == nil:
		return nil
	case missing(err):
		return first
	}
	opened := Listeners{tcp: l.tcp[len(before.tcp):], udp: l.udp[len(before.udp):]}
	*l = before
	return errors.Join(err, opened.Close())
}

// missing tells whether err says that the host has no such kind of address.
func missing(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EPROTONOSUPPORT)
}

// openOn opens a port of one address and gives its number.
func (l *Listeners) openOn(ip netip.Addr, host uint16, inside port.Port) (uint16, error) {
	version := "4"
	if ip.Is6() {
		version = "6"
	}
	where := netip.AddrPortFrom(ip, host)
	switch inside.Proto {
	case port.TCP:
		t, err := net.ListenTCP("tcp"+version, net.TCPAddrFromAddrPort(where))
		if err != nil {
			return 0, err
		}
		l.tcp = append(l.tcp, tcpListener{t, inside.Number})
		host = uint16(t.Addr().(*net.TCPAddr).Port)
	case port.UDP:
		u, err := net.ListenUDP("udp"+version, net.UDPAddrFromAddrPort(where))
		if err != nil {
			return 0, err
		}
		l.udp = append(l.udp, udpListener{u, inside.Number})
		host = uint16(u.LocalAddr().(*net.UDPAddr).Port)
	default:
		return 0, fmt.Errorf("protocol %q", inside.Proto)
	}
	l.bindings = append(l.bindings, port.Binding{IP: ip.String(), Host: host, Port: inside})
	return host, nil
}

// ListenError says that a port of the host could not be opened.
type ListenError struct {
	Mapping port.Mapping
	Err     error
}

func (e *ListenError) Error() string {
	var cause unix.Errno
	if !errors.As(e.Err, &cause) {
		return fmt.Sprintf("publishing port %s: %v", e.Mapping, e.Err)
	}
	where := strconv.Itoa(int(e.Mapping.First))
	switch {
	case e.Mapping.First == 0:
		where = "a free port"
	case e.Mapping.First != e.Mapping.Last:
		where = fmt.Sprintf("a port of %d-%d", e.Mapping.First, e.Mapping.Last)
	}
	if e.Mapping.IP.IsValid() {
		where += " of " + e.Mapping.IP.String()
	}
	return fmt.Sprintf("publishing port %s: opening %s on the host: %v", e.Mapping, where, cause)
}

func (e *ListenError) Unwrap() error { return e.Err }

// unprivilegedStart is the first port that everybody may open, ip(7).
const unprivilegedStart = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// Hint names the cure.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, unix.EACCES):
		from := "1024"
		if text, err := os.ReadFile(unprivilegedStart); err == nil {
			from = strings.TrimSpace(string(text))
		}
		return fmt.Sprintf("take a port from %s on, or let users open this one (as root: sysctl net.ipv4.ip_unprivileged_port_start=%d)", from, e.Mapping.First)
	case errors.Is(e.Err, unix.EADDRINUSE):
		return fmt.Sprintf("take another one, or let a free one be chosen (-p %s)", e.Mapping.Port)
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		return "this host has no such address"
	case errors.Is(e.Err, unix.EMFILE):
		return "publish fewer ports, or raise the limit of open files (ulimit -n)"
	}
	return ""
}
