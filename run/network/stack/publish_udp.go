package stack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	maxClients = 1024 // of one published port; further ones push the longest idle one out
	// A client is forgotten when nothing moved for so long, sooner when the container never answered:
	// as Linux's connection tracking has it.
	clientIdle     = 3 * time.Minute
	clientIdleMute = 30 * time.Second
)

// udpPort is a published UDP port.
type udpPort struct {
	stack *Stack
	host  *net.UDPConn
	port  uint16 // of the container
	idle  time.Duration
	mute  time.Duration

	mu      sync.Mutex
	clients map[clientKey]*client
}

// clientKey tells clients apart. A host may have several addresses, and the answer must come from the
// one that was asked.
type clientKey struct {
	from  netip.AddrPort
	local string // the control message that makes the answer come from there
}

// client is what a datagram's sender is in the container.
type client struct {
	key      clientKey
	endpoint tcpip.Endpoint
	queue    waiter.Queue
	last     atomic.Int64 // time of the last datagram, either way, in ns
	answered atomic.Bool
	gone     chan struct{} // closed when the client was forgotten
}

// PublishUDP passes the datagrams that u receives on to a port of the container and its answers back,
// until the stack is closed. The socket stays the caller's.
func (s *Stack) PublishUDP(u *net.UDPConn, port uint16) {
	p := &udpPort{stack: s, host: u, port: port, idle: clientIdle, mute: clientIdleMute, clients: map[clientKey]*client{}}
	u.SetReadDeadline(time.Time{})
	s.published.Go(p.receive)
	s.unpublish = append(s.unpublish, func() { u.SetReadDeadline(time.Unix(1, 0)) })
}

// receive passes datagrams on.
func (p *udpPort) receive() {
	defer p.forgetAll()
	askAddress(p.host)
	buffer := make([]byte, 64<<10) // its pages are the host's until a datagram is as large
	control := make([]byte, 128)
	for {
		n, c, _, from, err := p.host.ReadMsgUDPAddrPort(buffer, control)
		switch {
		case isTimeout(err), errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // about an answer that somebody did not want
		}
		key := clientKey{netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), answerFrom(control[:c])}
		one, err := p.client(key)
		if err != nil {
			continue
		}
		one.last.Store(time.Now().UnixNano())
		// When the container's queue is full, the datagram is lost.
		_, _ = one.endpoint.Write(bytes.NewReader(buffer[:n]), tcpip.WriteOptions{})
	}
}

// client finds a client or makes it.
func (p *udpPort) client(key clientKey) (*client, error) {
	p.mu.Lock()
	one, ok := p.clients[key]
	p.mu.Unlock()
	if ok {
		return one, nil
	}
	var err error
	for _, w := range p.stack.ways(key.from) {
		if one, err = p.connect(key, w); err == nil {
			break
		}
	}
	if one == nil {
		return nil, err
	}
	p.mu.Lock()
	if len(p.clients) >= maxClients {
		p.forgetOldest()
	}
	p.clients[key] = one
	p.mu.Unlock()
	p.stack.published.Go(func() { p.answer(one) })
	return one, nil
}

func (p *udpPort) connect(key clientKey, w way) (*client, error) {
	p.stack.once.Do(p.stack.start)
	g := p.stack.gvisor.Load()
	if g == nil {
		return nil, net.ErrClosed
	}
	one := &client{key: key, gone: make(chan struct{})}
	endpoint, failed := g.NewEndpoint(udp.ProtocolNumber, networkProtocol(w.to), &one.queue)
	if failed != nil {
		return nil, errors.New(failed.String())
	}
	endpoint.SocketOptions().SetReusePort(true) // a client of two published ports has one port of its own
	endpoint.SocketOptions().SetReceiveBufferSize(udpBuffer, false)
	if failed = endpoint.Bind(fullAddress(w.from)); failed == nil {
		failed = endpoint.Connect(fullAddress(netip.AddrPortFrom(w.to, p.port)))
	}
	if failed != nil {
		endpoint.Close()
		return nil, fmt.Errorf("connecting to the container: %s", failed)
	}
	one.endpoint = endpoint
	return one, nil
}

// answer passes the container's datagrams back and forgets the client when it was idle.
func (p *udpPort) answer(one *client) {
	defer one.endpoint.Close()
	defer p.forget(one)
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	one.queue.EventRegister(&entry)
	defer one.queue.EventUnregister(&entry)
	timer := time.NewTimer(p.mute)
	defer timer.Stop()
	for {
		p.answerAvailable(one)
		select {
		case <-readable:
		case <-one.gone:
			return
		case <-timer.C:
			limit := p.mute
			if one.answered.Load() {
				limit = p.idle
			}
			left := limit - time.Since(time.Unix(0, one.last.Load()))
			if left <= 0 {
				return
			}
			timer.Reset(left)
		}
	}
}

// answerAvailable passes on what the container has sent. Errors are about earlier datagrams, as those
// of a port where nobody listens yet.
func (p *udpPort) answerAvailable(one *client) {
	buffer := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	for {
		w := tcpip.SliceWriter(buffer[:])
		result, err := one.endpoint.Read(&w, tcpip.ReadOptions{})
		if err != nil {
			if _, refused := err.(*tcpip.ErrConnectionRefused); refused {
				continue
			}
			return
		}
		one.answered.Store(true)
		one.last.Store(time.Now().UnixNano())
		_, _, _ = p.host.WriteMsgUDPAddrPort(buffer[:result.Count], []byte(one.key.local), one.key.from)
	}
}

func (p *udpPort) forget(one *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[one.key] == one {
		delete(p.clients, one.key)
	}
}

// forgetOldest makes room. The caller holds the lock.
func (p *udpPort) forgetOldest() {
	var oldest *client
	for _, other := range p.clients {
		if oldest == nil || other.last.Load() < oldest.last.Load() {
			oldest = other
		}
	}
	delete(p.clients, oldest.key)
	close(oldest.gone)
}

func (p *udpPort) forgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, one := range p.clients {
		delete(p.clients, key)
		close(one.gone)
	}
}

// askAddress has the kernel tell to which address a datagram was sent, ip(7) and ipv6(7). Where it can
// not, answers come from the address that the route gives.
func askAddress(u *net.UDPConn) {
	raw, err := u.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
}

// answerFrom turns the control messages of a datagram into one that makes the answer come from the
// address it was sent to.
func answerFrom(control []byte) string {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return ""
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[4:8])} // without the index: the route decides
			return string(unix.PktInfo4(&info))
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])}
			to := netip.AddrFrom16(info.Addr)
			if to.IsMulticast() {
				return ""
			}
			if to.IsLinkLocalUnicast() { // the same on every link
				info.Ifindex = binary.NativeEndian.Uint32(m.Data[16:])
			}
			return string(unix.PktInfo6(&info))
		}
	}
	return ""
}
