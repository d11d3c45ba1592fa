package stack

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	maxTCP = 16384 // connections
	// maxDials bounds the connections that are being made; further ones wait for the container's
	// own retransmission.
	maxDials = 512
	// Buffers of a connection in bytes, one for each direction: what a peer that does not read can
	// make us hold. The latency to the container is next to none, so little is enough.
	bufferDefault = 256 << 10
	bufferMax     = 1 << 20
	// From so many connections on, further ones get smaller buffers: the memory is not the
	// container's, whose limits do not count it.
	manyFlows  = 1024
	bufferMany = 32 << 10
	// goneAfter is how long a connection may be idle after the container closed its side until the
	// container's kernel is asked whether the other half is still there.
	goneAfter = time.Minute
)

func (s *Stack) tuneTCP(g *gvisor.Stack) {
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: bufferDefault, Max: bufferMax}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: bufferDefault, Max: bufferMax}
	sack := tcpip.TCPSACKEnabled(true)
	// Nothing is lost or reordered on the way to the container, but its queue may overflow: plain
	// recovery is enough there and RACK's timers are not needed.
	recovery := tcpip.TCPRecovery(0)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	// Ports are the container's to choose, it keeps its own TIME_WAIT.
	timeWait := tcpip.TCPTimeWaitTimeoutOption(time.Second)
	for _, option := range []tcpip.SettableTransportProtocolOption{&receive, &send, &sack, &recovery, &moderate, &timeWait} {
		must(g.SetTransportProtocolOption(tcp.ProtocolNumber, option))
	}
}

// syns remembers the beginning of the packets that ask for connections while these are being made:
// an answer by ICMP must quote it (RFC 792), with the sequence number by which Linux knows its own.
type syns struct {
	mu     sync.Mutex
	quotes map[gvisor.TransportEndpointID][]byte
}

func (s *syns) put(id gvisor.TransportEndpointID, packet *gvisor.PacketBuffer) {
	quote := append(packet.NetworkHeader().View().ToSlice(), packet.TransportHeader().Slice()...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quotes == nil {
		s.quotes = map[gvisor.TransportEndpointID][]byte{}
	}
	if len(s.quotes) < 2*maxDials {
		s.quotes[id] = quote
	}
}

func (s *syns) get(id gvisor.TransportEndpointID) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quotes[id]
}

func (s *syns) drop(id gvisor.TransportEndpointID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.quotes, id)
}

func (s *Stack) tcpHandler(g *gvisor.Stack) func(gvisor.TransportEndpointID, *gvisor.PacketBuffer) bool {
	forwarder := tcp.NewForwarder(g, bufferDefault, maxDials, s.tcpRequest)
	return func(id gvisor.TransportEndpointID, packet *gvisor.PacketBuffer) bool {
		flags := header.TCP(packet.TransportHeader().Slice()).Flags()
		if flags&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
			return false // gVisor resets
		}
		s.asked.put(id, packet)
		if !forwarder.HandlePacket(id, packet) {
			s.asked.drop(id)
			return false
		}
		return true
	}
}

// tcpRequest answers a SYN: the host's side is connected first, so that the container hears what
// the peer says.
func (s *Stack) tcpRequest(r *tcp.ForwarderRequest) {
	id := r.ID()
	host, err := s.dial(netip.AddrPortFrom(address(id.LocalAddress), id.LocalPort))
	if err != nil {
		r.Complete(s.refuse(s.asked.get(id), err))
		s.asked.drop(id)
		return
	}
	var queue waiter.Queue
	endpoint, failed := r.CreateEndpoint(&queue)
	r.Complete(failed != nil)
	s.asked.drop(id)
	if failed != nil {
		if host != nil {
			reset(host)
		}
		return
	}
	if s.tcp.count() >= manyFlows {
		endpoint.SocketOptions().SetReceiveBufferSize(bufferMany, false)
		endpoint.SocketOptions().SetSendBufferSize(bufferMany, false)
	}
	inside := gonet.NewTCPConn(&queue, endpoint)
	if host == nil {
		s.config.Resolver.ServeTCP(s.ctx, inside)
		return
	}
	(&flow{stack: s, inside: inside, endpoint: endpoint, queue: &queue, host: host}).run()
}

var errRefused = errors.New("destination is not for containers")

// dial connects the host's side; it gives nil for the resolver, which is here.
func (s *Stack) dial(to netip.AddrPort) (*net.TCPConn, error) {
	if s.isResolver(to.Addr(), to.Port()) {
		return nil, nil
	}
	if !s.reachable(to.Addr()) {
		return nil, errRefused
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(s.ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// refuse tells the container why there is no connection. It gives true where a reset says it.
func (s *Stack) refuse(quote []byte, err error) (reset bool) {
	if code, ok := unreachable(err); ok && quote != nil {
		s.sendUnreachable(quote, code)
		return false
	}
	return !isTimeout(err) // the container's own timer is about to tell
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
