package stack

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	maxUDP = 1024 // flows; further ones push the longest idle one out
	// A flow ends when it was idle for so long: as Linux's connection tracking has it, less for
	// flows that are one question.
	udpIdle    = 3 * time.Minute
	udpIdleDNS = 15 * time.Second
	udpBuffer  = 256 << 10 // bytes a flow may queue
	// maxQuestions bounds the DNS questions of a container that are being answered.
	maxQuestions = 1024
)

// udpFlow is one pair of ports: an endpoint inside and a connected socket on the host.
type udpFlow struct {
	stack  *Stack
	inside *gonet.UDPConn
	host   *net.UDPConn // nil for the resolver
	from   netip.AddrPort
	to     netip.AddrPort
	idle   time.Duration
	last   atomic.Int64 // time of the last datagram, either way, in ns
}

type udpFlows struct {
	limit     int // of flows
	mu        sync.Mutex
	open      map[*udpFlow]struct{}
	closed    bool
	questions atomic.Int64
}

// add takes f in; when there are too many it ends the one that was idle for longest.
func (u *udpFlows) add(f *udpFlow) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return false
	}
	if u.open == nil {
		u.open = map[*udpFlow]struct{}{}
	}
	if len(u.open) >= u.limit {
		var oldest *udpFlow
		for other := range u.open {
			if oldest == nil || other.last.Load() < oldest.last.Load() {
				oldest = other
			}
		}
		oldest.close()
		delete(u.open, oldest)
	}
	u.open[f] = struct{}{}
	return true
}

func (u *udpFlows) remove(f *udpFlow) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, f)
}

func (u *udpFlows) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for f := range u.open {
		f.close()
	}
}

// udpRequest takes the first datagram of a flow. It gives false where there is nobody, which gVisor
// answers with "port unreachable".
func (s *Stack) udpRequest(r *udp.ForwarderRequest) bool {
	id := r.ID()
	f := &udpFlow{
		stack: s, idle: udpIdle,
		from: netip.AddrPortFrom(address(id.RemoteAddress), id.RemotePort),
		to:   netip.AddrPortFrom(address(id.LocalAddress), id.LocalPort),
	}
	if f.to.Port() == 53 {
		f.idle = udpIdleDNS
	}
	if !s.isResolver(f.to.Addr(), f.to.Port()) {
		if f.to.Addr().IsMulticast() || f.to.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return true // nobody answers for a group
		}
		if !s.reachable(f.to.Addr()) {
			return false
		}
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(f.to))
		if err != nil {
			f.unreachable(err)
			return true
		}
		f.host = conn
	}
	var queue waiter.Queue
	endpoint, err := r.CreateEndpoint(&queue)
	if err != nil {
		f.close()
		return true
	}
	endpoint.SocketOptions().SetReceiveBufferSize(udpBuffer, false)
	f.inside = gonet.NewUDPConn(&queue, endpoint)
	f.touch()
	if !s.udp.add(f) {
		f.close()
		return true
	}
	if f.host == nil {
		go f.resolve()
		return true
	}
	go f.up()
	go f.down()
	return true
}

func (f *udpFlow) touch() { f.last.Store(time.Now().UnixNano()) }

func (f *udpFlow) close() {
	if f.inside != nil {
		f.inside.Close()
	}
	if f.host != nil {
		f.host.Close()
	}
}

// up copies the container's datagrams.
func (f *udpFlow) up() {
	buffer := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	for {
		n, err := f.inside.Read(buffer[:])
		if err != nil {
			f.host.Close()
			return
		}
		f.touch()
		// An error is about an earlier datagram, or this one is too large: both are lost.
		if _, err := f.host.Write(buffer[:n]); err != nil {
			f.unreachable(err)
		}
	}
}

// down copies the peer's datagrams and ends the flow when it was idle.
func (f *udpFlow) down() {
	defer f.stack.udp.remove(f)
	defer f.close()
	buffer := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	for {
		f.host.SetReadDeadline(time.Unix(0, f.last.Load()).Add(f.idle))
		n, err := f.host.Read(buffer[:])
		switch {
		case err == nil:
			f.touch()
			if _, err := f.inside.Write(buffer[:n]); err != nil {
				return
			}
		case errors.Is(err, net.ErrClosed):
			return
		case isTimeout(err):
			if time.Since(time.Unix(0, f.last.Load())) >= f.idle {
				return
			}
		case !f.unreachable(err):
			return
		}
	}
}

// unreachable passes an error of the host's socket on to the container.
func (f *udpFlow) unreachable(err error) bool {
	why, ok := unreachable(err)
	if errors.Is(err, unix.ECONNREFUSED) {
		why, ok = noPort, true
	}
	if ok {
		f.stack.sendUnreachable(f.quote(), why)
	}
	return ok
}

// quote gives the head of a datagram as the container sent it.
func (f *udpFlow) quote() []byte {
	ports := make([]byte, header.UDPMinimumSize)
	binary.BigEndian.PutUint16(ports, f.from.Port())
	binary.BigEndian.PutUint16(ports[2:], f.to.Port())
	binary.BigEndian.PutUint16(ports[4:], header.UDPMinimumSize)
	if f.to.Addr().Is4() {
		return ipv4Packet(f.from.Addr(), f.to.Addr(), unix.IPPROTO_UDP, ports)
	}
	return ipv6Packet(f.from.Addr(), f.to.Addr(), unix.IPPROTO_UDP, ports)
}

// resolve answers DNS questions, several at a time: resolvers ask for both versions at once.
func (f *udpFlow) resolve() {
	defer f.stack.udp.remove(f)
	defer f.close()
	buffer := make([]byte, 64<<10)
	for {
		f.inside.SetReadDeadline(time.Now().Add(f.idle))
		n, err := f.inside.Read(buffer)
		if err != nil {
			return
		}
		f.touch()
		question := append([]byte(nil), buffer[:n]...)
		if f.stack.udp.questions.Add(1) > maxQuestions {
			f.stack.udp.questions.Add(-1)
			continue // asked again
		}
		go func() {
			defer f.stack.udp.questions.Add(-1)
			ctx, cancel := context.WithTimeout(f.stack.ctx, udpIdleDNS)
			defer cancel()
			if answer := f.stack.config.Resolver.Exchange(ctx, question); answer != nil {
				f.touch()
				_, _ = f.inside.Write(answer)
			}
		}()
	}
}
