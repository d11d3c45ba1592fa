package stack

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	maxPings  = 64 // sockets: pairs of destination and identifier
	pingIdle  = 30 * time.Second
	echoBegin = 8 // bytes of an echo's header
)

// echo is a ping of the container to somewhere else.
type echo struct {
	from, to   netip.Addr
	identifier uint16
}

// pings are the sockets of pings on their way, by destination. The host's kernel chooses their
// identifiers (icmp(7)); the container's is put back into the answers.
type pings struct {
	mu     sync.Mutex
	open   map[echo]*os.File
	closed bool
}

// forwardPing takes care of a ping to somewhere else than the stack, which would answer in its name
// otherwise. It gives false for every other packet.
func (s *Stack) forwardPing(packet []byte) bool {
	e, message, ok := parseEcho(packet)
	if !ok {
		return false
	}
	for _, own := range s.config.Own {
		if e.to == own {
			return false
		}
	}
	if !s.reachable(e.to) {
		s.sendUnreachable(packet, prohibited)
		return true
	}
	socket, err := s.pings.socket(s, e)
	if err == nil && socket != nil {
		_, err = socket.Write(message)
	}
	if err != nil {
		why, known := unreachable(err)
		if !known {
			why = prohibited
		}
		s.sendUnreachable(packet, why)
	}
	return true
}

// parseEcho reads an echo request that is not a fragment; message is its ICMP part.
func parseEcho(packet []byte) (e echo, message []byte, ok bool) {
	const requestV4, requestV6 = 8, 128
	var kind byte
	switch packet[0] >> 4 {
	case header.IPv4Version:
		begin := int(packet[0]&0xf) * 4
		fragment := binary.BigEndian.Uint16(packet[6:]) & 0x3fff // more fragments, offset
		length := int(binary.BigEndian.Uint16(packet[2:]))
		if packet[9] != unix.IPPROTO_ICMP || begin < header.IPv4MinimumSize || fragment != 0 || length > len(packet) || length < begin+echoBegin {
			return e, nil, false
		}
		e.from, e.to = netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))
		message, kind = packet[begin:length], requestV4
	case header.IPv6Version:
		length := header.IPv6MinimumSize + int(binary.BigEndian.Uint16(packet[4:]))
		if packet[6] != unix.IPPROTO_ICMPV6 || length > len(packet) || length < header.IPv6MinimumSize+echoBegin {
			return e, nil, false
		}
		e.from, e.to = netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40]))
		message, kind = packet[header.IPv6MinimumSize:length], requestV6
	}
	if message[0] != kind || message[1] != 0 {
		return e, nil, false
	}
	e.identifier = binary.BigEndian.Uint16(message[4:])
	return e, message, true
}

// socket gives the socket for e; nil when there are too many, which loses the ping.
func (p *pings) socket(s *Stack, e echo) (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if file, ok := p.open[e]; ok {
		return file, nil
	}
	if p.closed || len(p.open) >= maxPings {
		return nil, nil
	}
	file, err := dialPing(e.to)
	if err != nil {
		return nil, err
	}
	if p.open == nil {
		p.open = map[echo]*os.File{}
	}
	p.open[e] = file
	go s.answers(e, file)
	return file, nil
}

// dialPing opens a ping socket, which needs no capability where net.ipv4.ping_group_range has one
// of the caller's groups.
func dialPing(to netip.Addr) (*os.File, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	var address unix.Sockaddr
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
		address = &unix.SockaddrInet6{Addr: to.As16()}
	} else {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, address); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "ping"), nil
}

// answers brings the replies for e until none came for a while.
func (s *Stack) answers(e echo, file *os.File) {
	defer func() {
		s.pings.mu.Lock()
		delete(s.pings.open, e)
		s.pings.mu.Unlock()
		file.Close()
	}()
	buffer := make([]byte, maxPacket)
	for {
		file.SetReadDeadline(time.Now().Add(pingIdle))
		n, err := file.Read(buffer)
		if err != nil {
			return
		}
		if n < echoBegin || n > s.config.MTU-header.IPv6MinimumSize {
			continue
		}
		message := buffer[:n]
		binary.BigEndian.PutUint16(message[4:], e.identifier)
		message[2], message[3] = 0, 0
		var packet []byte
		if e.to.Is4() {
			binary.BigEndian.PutUint16(message[2:], ^checksum.Checksum(message, 0))
			packet = ipv4Packet(e.to, e.from, unix.IPPROTO_ICMP, message)
		} else {
			binary.BigEndian.PutUint16(message[2:], ^checksumV6(e.to, e.from, unix.IPPROTO_ICMPV6, message))
			packet = ipv6Packet(e.to, e.from, unix.IPPROTO_ICMPV6, message)
		}
		s.link.send([][]byte{packet})
	}
}

func (p *pings) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, file := range p.open {
		file.SetReadDeadline(time.Unix(1, 0))
	}
}
