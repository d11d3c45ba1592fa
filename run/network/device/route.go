package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// route speaks rtnetlink(7) in the network namespace of the thread that dialled it.
type route struct {
	fd       int
	sequence uint32
}

func dialRoute() (*route, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	return &route{fd: fd}, nil
}

func (r *route) close() { unix.Close(r.fd) }

// configure brings lo and the device of c up with its addresses and routes.
func (r *route) configure(c Config) error {
	device, err := r.index(c.Name)
	if err != nil {
		return err
	}
	const loopback = 1 // always, net/core/dev.c
	if err := r.up(loopback, 0); err != nil {
		return fmt.Errorf("bringing lo up: %w", err)
	}
	// Addresses come before the device is up: the kernel makes no link-local one of its own then.
	if err := r.quiet(device); err != nil {
		return fmt.Errorf("configuring network device %q: %w", c.Name, err)
	}
	for _, a := range c.Addresses {
		if err := r.address(device, a); err != nil {
			return fmt.Errorf("giving network device %q the address %s: %w", c.Name, a, err)
		}
	}
	if err := r.up(device, c.MTU); err != nil {
		return fmt.Errorf("bringing network device %q up: %w", c.Name, err)
	}
	for _, a := range c.Addresses {
		if err := r.usable(a.Addr()); err != nil {
			return fmt.Errorf("waiting for the address %s: %w", a.Addr(), err)
		}
	}
	for _, g := range c.Gateways {
		if err := r.defaultRoute(device, g); err != nil {
			return fmt.Errorf("setting the default route to %s: %w", g, err)
		}
	}
	return nil
}

// The kernel finishes some of its work behind our back, in less than a millisecond on an idle
// machine. A payload that is faster than that would lose its first packet and a second with it.
const (
	settleStep  = 200 * time.Microsecond
	settleSteps = 500
)

// usable waits until packets to the address a are taken, which IPv6 does only when it has looked for
// duplicates, even if the look is to be left out.
func (r *route) usable(a netip.Addr) error {
	if a.Is4() {
		return nil
	}
	for range settleSteps {
		kind, err := r.routeKind(a)
		if err != nil || kind == unix.RTN_LOCAL {
			return err
		}
		time.Sleep(settleStep)
	}
	return nil // it will be, and IPv4 is there
}

// routeKind gives the type of the route to a, RTN_*.
func (r *route) routeKind(a netip.Addr) (byte, error) {
	m := message{family(a), byte(a.BitLen()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // struct rtmsg
	m.attribute(unix.RTA_DST, a.AsSlice())
	if err := r.send(unix.RTM_GETROUTE, 0, m); err != nil {
		return 0, err
	}
	kind, answer, err := r.receive()
	switch {
	case err != nil:
		return 0, err
	case kind == unix.NLMSG_ERROR:
		return unix.RTN_UNSPEC, nil // no route yet
	case kind != unix.RTM_NEWROUTE || len(answer) < unix.SizeofRtMsg:
		return 0, errAnswer
	}
	return answer[7], nil
}

// index gives the number of a device.
func (r *route) index(name string) (uint32, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(r.fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, fmt.Errorf("looking for network device %q: %w", name, err)
	}
	return request.Uint32(), nil
}

// up brings a device up, with an MTU in bytes unless it is 0.
func (r *route) up(device uint32, mtu int) error {
	m := linkMessage(device, unix.IFF_UP, unix.IFF_UP)
	if mtu != 0 {
		m.attribute(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
	}
	return r.ask(unix.RTM_NEWLINK, 0, m)
}

// quiet keeps the kernel from giving the device a link-local IPv6 address and from asking for
// routers, which nobody would answer. A kernel without IPv6 has nothing to keep quiet.
func (r *route) quiet(device uint32) error {
	const addrGenNone = 1 // IN6_ADDR_GEN_MODE_NONE, linux/if_link.h
	var mode, inet6, families message
	mode.attribute(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{addrGenNone})
	inet6.attribute(unix.AF_INET6|unix.NLA_F_NESTED, mode)
	families = linkMessage(device, 0, 0)
	families.attribute(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, inet6)
	err := r.ask(unix.RTM_NEWLINK, 0, families)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// linkMessage begins a message about a device: mask tells which of the flags are meant.
func linkMessage(device, flags, mask uint32) message {
	// struct ifinfomsg
	m := message{unix.AF_UNSPEC, 0, 0, 0}
	m = binary.NativeEndian.AppendUint32(m, device)
	m = binary.NativeEndian.AppendUint32(m, flags)
	return binary.NativeEndian.AppendUint32(m, mask)
}

func (r *route) address(device uint32, p netip.Prefix) error {
	var flags byte
	if p.Addr().Is6() {
		flags = unix.IFA_F_NODAD // nobody else is there
	}
	// struct ifaddrmsg
	m := message{family(p.Addr()), byte(p.Bits()), flags, unix.RT_SCOPE_UNIVERSE}
	m = binary.NativeEndian.AppendUint32(m, device)
	m.attribute(unix.IFA_LOCAL, p.Addr().AsSlice())
	m.attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())
	return r.ask(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, m)
}

func (r *route) defaultRoute(device uint32, gateway netip.Addr) error {
	// struct rtmsg
	m := message{
		family(gateway), 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST,
		0, 0, 0, 0,
	}
	m.attribute(unix.RTA_GATEWAY, gateway.AsSlice())
	m.attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, device))
	return r.ask(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, m)
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// message is the body of a request: a fixed struct, then attributes.
type message []byte

func (m *message) attribute(kind uint16, value []byte) {
	*m = binary.NativeEndian.AppendUint16(*m, uint16(unix.SizeofRtAttr+len(value)))
	*m = binary.NativeEndian.AppendUint16(*m, kind)
	*m = append(*m, value...)
	for len(*m)%unix.RTA_ALIGNTO != 0 {
		*m = append(*m, 0)
	}
}

// ask sends a request and waits for the kernel's word on it, which comes before sendto returns.
func (r *route) ask(kind, flags uint16, body message) error {
	if err := r.send(kind, flags|unix.NLM_F_ACK, body); err != nil {
		return err
	}
	kind, answer, err := r.receive()
	if err != nil {
		return err
	}
	if kind != unix.NLMSG_ERROR || len(answer) < 4 {
		return errAnswer
	}
	if code := int32(binary.NativeEndian.Uint32(answer)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

const operUp = 6 // IF_OPER_UP, linux/if.h

// operstate gives the operational state of a device (RFC 2863).
func (r *route) operstate(device uint32) (byte, error) {
	if err := r.send(unix.RTM_GETLINK, 0, linkMessage(device, 0, 0)); err != nil {
		return 0, err
	}
	kind, answer, err := r.receive()
	if err != nil {
		return 0, err
	}
	if kind != unix.RTM_NEWLINK || len(answer) < unix.SizeofIfInfomsg {
		return 0, errAnswer
	}
	for rest := answer[unix.SizeofIfInfomsg:]; len(rest) >= unix.SizeofRtAttr; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < unix.SizeofRtAttr || length > len(rest) {
			break
		}
		if binary.NativeEndian.Uint16(rest[2:]) == unix.IFLA_OPERSTATE && length > unix.SizeofRtAttr {
			return rest[unix.SizeofRtAttr], nil
		}
		rest = rest[min(len(rest), (length+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return 0, errAnswer
}

var errAnswer = errors.New("unexpected answer from the kernel")

func (r *route) send(kind, flags uint16, body message) error {
	r.sequence++
	out := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = binary.NativeEndian.AppendUint16(out, flags|unix.NLM_F_REQUEST)
	out = binary.NativeEndian.AppendUint32(out, r.sequence)
	out = binary.NativeEndian.AppendUint32(out, 0)
	return unix.Sendto(r.fd, append(out, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// receive gives the first message that answers the last request.
func (r *route) receive() (kind uint16, body []byte, err error) {
	in := make([]byte, 32<<10) // more than a description of a device
	for {
		n, _, err := unix.Recvfrom(r.fd, in, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, nil, err
		case n < unix.SizeofNlMsghdr || binary.NativeEndian.Uint32(in[8:]) != r.sequence:
			continue
		}
		length := min(int(binary.NativeEndian.Uint32(in)), n)
		if length < unix.SizeofNlMsghdr {
			return 0, nil, errAnswer
		}
		return binary.NativeEndian.Uint16(in[4:]), in[unix.SizeofNlMsghdr:length], nil
	}
}

// HasIPv6 tells whether this process's network namespace has a default route for IPv6 and a
// kernel that knows it.
func HasIPv6() bool {
	// A connected datagram socket asks the routing table; nothing is sent. The address is
	// documentation's (RFC 3849).
	conn, err := net.Dial("udp6", "[2001:db8::1]:9")
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
