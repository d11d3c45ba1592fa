// Package stack is the private network of one container: a user-space TCP/IP stack (gVisor's) that
// ends every connection of the container here and makes it again from this process.
//
//	container ── device ── link ── gVisor ── tcp.go  ── net.Dialer ── the host's network
//	                                 │   └── udp.go  ── connected sockets
//	                                 └────── icmp.go ── ping sockets
//
// Published ports go the other way: a listener of the host accepts, and the stack connects to the
// container with the client's address as its own (publish.go, publish_udp.go).
//
// Packets come from inside the container and are not trusted: they are parsed by gVisor or by the
// bounded code of icmp.go, the number of flows is limited, and addresses that only this host can
// reach are refused (policy.go). gVisor's stack is made when the first packet needs it, so that a
// container that does not use its network does not pay for it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/dhow-containers/dhow/run/network/dns"
)

// Config tells who the stack is on the container's network.
type Config struct {
	MTU int // of the device, in bytes
	// Unsummed says that the sums of the container's packets may be unfinished and are not checked.
	Unsummed bool
	// Inside are the container's addresses, where published ports lead to.
	Inside []netip.Addr
	// Own are the stack's addresses; it answers pings to them and nothing else, but for DNS.
	Own []netip.Addr
	// Resolver answers port 53 of the address DNS, one of Own.
	DNS      netip.Addr
	Resolver *dns.Forwarder
	// AllowHost lets the container reach the host's loopback and link-local addresses.
	AllowHost bool
	// Refuse are further destinations out of the container's reach.
	Refuse []netip.Prefix
}

// Stack is a running stack.
type Stack struct {
	config Config
	link   *link
	ctx    context.Context // ends with the stack: dials and exchanges are cut
	cancel context.CancelFunc
	read   chan struct{} // closed when the reader has ended

	once   sync.Once
	gvisor atomic.Pointer[gvisor.Stack] // nil until a packet or a published port needed it

	published sync.WaitGroup // what serves published ports
	unpublish []func()       // each makes a listener give up
	tidy      *time.Timer    // started by the ends of their connections
	untidy    atomic.Bool    // there were connections since memory was given back

	tcp   flows
	udp   udpFlows
	pings pings
	asked syns
}

const nic tcpip.NICID = 1

// New starts a stack on a device, which it takes over.
func New(d Device, c Config) *Stack {
	s := &Stack{config: c, read: make(chan struct{})}
	s.link = &link{device: d, mtu: uint32(c.MTU), unsummed: c.Unsummed}
	s.tcp.limit, s.udp.limit = limits()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.receive()
	return s
}

// limits gives the number of TCP and UDP flows that a container may have. Each is a descriptor of
// this process, which needs some for itself whatever the container does.
func limits() (tcp, udp int) {
	half := uint64(512)
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		half = min(files.Cur/2, maxTCP+maxUDP)
	}
	udp = min(maxUDP, int(half/4))
	return min(maxTCP, int(half)-udp), udp
}

// receive takes the container's packets until the device is closed.
func (s *Stack) receive() {
	defer close(s.read)
	var scratch *buffer.View
	for {
		view, err := s.link.read(&scratch)
		if err != nil {
			return
		}
		packet := view.AsSlice()
		if !wellFormed(packet) || chatter(packet) && s.gvisor.Load() == nil || s.forwardPing(packet) {
			view.Release()
			continue
		}
		s.once.Do(s.start)
		s.link.deliver(view)
	}
}

// wellFormed tells whether packet has a whole IP header of a version the stack speaks.
func wellFormed(packet []byte) bool {
	switch {
	case len(packet) >= header.IPv4MinimumSize && packet[0]>>4 == header.IPv4Version:
		return true
	case len(packet) >= header.IPv6MinimumSize && packet[0]>>4 == header.IPv6Version:
		return true
	}
	return false
}

// chatter tells what a kernel sends by itself to groups when a device comes up; it alone is no
// reason to make gVisor's stack.
func chatter(packet []byte) bool {
	if packet[0]>>4 == header.IPv6Version {
		return packet[24] == 0xff // destination
	}
	return packet[16]>>4 == 0xe
}

// start makes gVisor's stack.
func (s *Stack) start() {
	g := gvisor.New(gvisor.Options{
		NetworkProtocols:   []gvisor.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []gvisor.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	s.tuneTCP(g)
	g.SetTransportProtocolHandler(tcp.ProtocolNumber, s.tcpHandler(g))
	g.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(g, s.udpRequest).HandlePacket)
	// None of these can fail on a stack that nobody else has.
	must(g.CreateNIC(nic, s.link))
	for _, own := range s.config.Own {
		protocol := ipv4.ProtocolNumber
		if own.Is6() {
			protocol = ipv6.ProtocolNumber
		}
		must(g.AddProtocolAddress(nic, tcpip.ProtocolAddress{
			Protocol: protocol, AddressWithPrefix: tcpip.AddrFromSlice(own.AsSlice()).WithPrefix(),
		}, gvisor.AddressProperties{}))
	}
	// Every address is ours: connections to anywhere end here.
	must(g.SetPromiscuousMode(nic, true))
	must(g.SetSpoofing(nic, true))
	g.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	s.gvisor.Store(g)
}

func must(err tcpip.Error) {
	if err != nil {
		panic(fmt.Sprintf("setting up the network stack: %s", err))
	}
}

// Close ends the network after the container's last process did. What processes wrote before they
// ended is still delivered, as a kernel would: Close waits while data moves, at most drainLimit.
func (s *Stack) Close() error {
	for _, end := range s.unpublish {
		end() // at once
	}
	s.drain()
	s.cancel()
	s.once.Do(func() {}) // it is not made any more
	s.tcp.closeAll()
	s.udp.closeAll()
	s.pings.closeAll()
	s.published.Wait()
	if s.tidy != nil {
		s.tidy.Stop()
	}
	err := s.link.device.Close()
	<-s.read
	if g := s.gvisor.Load(); g != nil {
		g.Close()
		g.Wait()
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("closing the network device: %w", err)
	}
	return nil
}

const (
	drainLimit = 10 * time.Second
	drainIdle  = time.Second // without a byte moved
	drainStep  = time.Millisecond
)

// drain waits until no TCP flow has data of the container on its way. Processes that are gone have
// closed their sockets, so the end of each flow's data is in sight.
func (s *Stack) drain() {
	start := time.Now()
	moved, since := s.tcp.moved.Load(), start
	step := drainStep
	for s.tcp.sending.Load() > 0 && time.Since(start) < drainLimit {
		time.Sleep(step)
		step = min(2*step, 20*time.Millisecond)
		if now := s.tcp.moved.Load(); now != moved {
			moved, since = now, time.Now()
		} else if time.Since(since) > drainIdle {
			return
		}
	}
}

func address(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr.Unmap()
}
