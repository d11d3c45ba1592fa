package stack

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// reason is why a packet can not be delivered, as ICMP says it.
type reason struct{ v4, v6 byte }

// Codes of "destination unreachable": RFC 792 and 1812, RFC 4443.
var (
	noRoute    = reason{v4: 0, v6: 0}
	noHost     = reason{v4: 1, v6: 3}
	noPort     = reason{v4: 3, v6: 4}
	prohibited = reason{v4: 13, v6: 1}
)

// unreachable gives the reason that makes the container's kernel tell its programs the same error;
// false when ICMP has no word for it or TCP has a better one.
func unreachable(err error) (reason, bool) {
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		return noRoute, true
	case errors.Is(err, unix.EHOSTUNREACH):
		return noHost, true
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return prohibited, true
	}
	return reason{}, false
}

// quoteLimit is how much of a packet an error quotes, in bytes: what fits the smallest MTU that
// IPv6 allows, and plenty for IPv4.
const quoteLimit = 512

// sendUnreachable answers packet, of which the IP header and the ports must be there, with an ICMP
// error of the gateway's.
func (s *Stack) sendUnreachable(packet []byte, why reason) {
	packet = packet[:min(len(packet), quoteLimit)]
	var message []byte
	if packet[0]>>4 == header.IPv4Version {
		from, ok := s.own(false)
		if !ok || len(packet) < header.IPv4MinimumSize {
			return
		}
		body := append([]byte{3, why.v4, 0, 0, 0, 0, 0, 0}, packet...)
		binary.BigEndian.PutUint16(body[2:], ^checksum.Checksum(body, 0))
		message = ipv4Packet(from, netip.AddrFrom4([4]byte(packet[12:16])), unix.IPPROTO_ICMP, body)
	} else {
		from, ok := s.own(true)
		if !ok || len(packet) < header.IPv6MinimumSize {
			return
		}
		to := netip.AddrFrom16([16]byte(packet[8:24]))
		body := append([]byte{1, why.v6, 0, 0, 0, 0, 0, 0}, packet...)
		binary.BigEndian.PutUint16(body[2:], ^checksumV6(from, to, unix.IPPROTO_ICMPV6, body))
		message = ipv6Packet(from, to, unix.IPPROTO_ICMPV6, body)
	}
	s.link.send([][]byte{message})
}

// own gives the stack's first address of a version.
func (s *Stack) own(six bool) (netip.Addr, bool) {
	for _, a := range s.config.Own {
		if a.Is6() == six {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// ipv4Packet puts a header before body (RFC 791).
func ipv4Packet(from, to netip.Addr, protocol byte, body []byte) []byte {
	p := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(body))
	p[0] = 4<<4 | header.IPv4MinimumSize/4
	binary.BigEndian.PutUint16(p[2:], uint16(header.IPv4MinimumSize+len(body)))
	p[8], p[9] = 64, protocol
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	binary.BigEndian.PutUint16(p[10:], ^checksum.Checksum(p, 0))
	return append(p, body...)
}

// ipv6Packet puts a header before body (RFC 8200).
func ipv6Packet(from, to netip.Addr, protocol byte, body []byte) []byte {
	p := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(body))
	p[0] = 6 << 4
	binary.BigEndian.PutUint16(p[4:], uint16(len(body)))
	p[6], p[7] = protocol, 64
	copy(p[8:], from.AsSlice())
	copy(p[24:], to.AsSlice())
	return append(p, body...)
}

// checksumV6 sums body with the pseudo header of RFC 8200 §8.1.
func checksumV6(from, to netip.Addr, protocol byte, body []byte) uint16 {
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(body)))
	pseudo = append(pseudo, 0, 0, 0, protocol)
	return checksum.Checksum(body, checksum.Checksum(pseudo, 0))
}
