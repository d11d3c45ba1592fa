package stack

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
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

// flows are the connections that exist.
type flows struct {
	limit   int // of connections
	mu      sync.Mutex
	open    map[*flow]struct{}
	closed  bool
	sending atomic.Int64 // flows whose container may still send
	moved   atomic.Int64 // bytes from the container
}

func (f *flows) add(one *flow) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.open) >= f.limit {
		return false
	}
	if f.open == nil {
		f.open = map[*flow]struct{}{}
	}
	f.open[one] = struct{}{}
	return true
}

func (f *flows) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

func (f *flows) remove(one *flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, one)
}

func (f *flows) closeAll() {
	f.mu.Lock()
	f.closed = true
	open := make([]*flow, 0, len(f.open))
	for one := range f.open {
		open = append(open, one)
	}
	f.mu.Unlock()
	for _, one := range open {
		one.host.Close() // unsent data stays with the kernel
		one.endpoint.Abort()
	}
}

// flow is one connection of the container and its continuation on the host.
type flow struct {
	stack    *Stack
	inside   *gonet.TCPConn
	endpoint tcpip.Endpoint // of inside
	queue    *waiter.Queue  // of endpoint
	host     *net.TCPConn
}

// run copies both ways. Each direction ends by itself, so that half-closed connections work; a
// reset on either side is one on the other.
func (f *flow) run() {
	defer f.inside.Close()
	defer f.host.Close()
	if !f.stack.tcp.add(f) {
		f.abort()
		return
	}
	defer f.stack.tcp.remove(f)
	var both sync.WaitGroup
	f.stack.tcp.sending.Add(1)
	both.Go(func() {
		defer f.stack.tcp.sending.Add(-1)
		f.up()
	})
	both.Go(f.down)
	both.Wait()
}

// buffers are held while there is something to copy: a connection that is idle needs none.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// up copies what the container sends.
func (f *flow) up() {
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	f.queue.EventRegister(&entry)
	defer f.queue.EventUnregister(&entry)
	for {
		err := f.upAvailable()
		switch err.(type) {
		case *tcpip.ErrWouldBlock:
			<-readable
		case *tcpip.ErrClosedForReceive: // its end
			if f.host.CloseWrite() != nil {
				f.abort()
				return
			}
			f.watch()
			return
		default:
			f.abort()
			return
		}
	}
}

// upAvailable copies what has come from the container and gives the reason why there is no more.
func (f *flow) upAvailable() tcpip.Error {
	buffer := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	for {
		w := tcpip.SliceWriter(buffer[:])
		result, err := f.endpoint.Read(&w, tcpip.ReadOptions{})
		if err != nil {
			return err
		}
		f.stack.tcp.moved.Add(int64(result.Count))
		if _, err := f.host.Write(buffer[:result.Count]); err != nil {
			return &tcpip.ErrConnectionAborted{}
		}
	}
}

// down copies what the peer sends.
func (f *flow) down() {
	raw, err := f.host.SyscallConn()
	if err != nil {
		f.abort()
		return
	}
	for {
		var buffer *[64 << 10]byte
		var n int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			buffer = buffers.Get().(*[64 << 10]byte)
			for {
				if n, failed = unix.Read(int(fd), buffer[:]); failed != unix.EINTR {
					break
				}
			}
			if failed == unix.EAGAIN {
				buffers.Put(buffer)
				return false
			}
			return true
		})
		if err != nil { // closed by abort
			f.abort()
			return
		}
		if n > 0 {
			_, failed = f.inside.Write(buffer[:n])
		}
		buffers.Put(buffer)
		switch {
		case failed != nil:
			f.abort()
			return
		case n == 0:
			if f.inside.CloseWrite() != nil {
				f.abort()
			}
			return
		}
	}
}

// watch finds out when the container's socket is gone altogether after it has sent its end, which
// no packet tells as long as the peer is silent: the container's kernel resets probes then.
func (f *flow) watch() {
	idle, interval := tcpip.KeepaliveIdleOption(goneAfter), tcpip.KeepaliveIntervalOption(goneAfter)
	if f.endpoint.SetSockOpt(&idle) == nil && f.endpoint.SetSockOpt(&interval) == nil {
		f.endpoint.SocketOptions().SetKeepAlive(true)
	}
}

// abort resets both sides.
func (f *flow) abort() {
	f.endpoint.Abort()
	reset(f.host)
}

// reset closes a connection so that the peer sees an error, not an end.
func reset(c net.Conn) {
	if c, ok := c.(*net.TCPConn); ok {
		c.SetLinger(0)
	}
	c.Close()
}
