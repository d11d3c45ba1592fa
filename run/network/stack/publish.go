package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// maxAnswers bounds the connections of one published port that the container has yet to answer;
	// further ones wait in the host's queue.
	maxAnswers = 256
	// answerLimit is how long the container may take to answer: its queue of connections may be full.
	answerLimit = 30 * time.Second
)

// tidyAfter is how long after a connection's end the memory of a burst of them is given back: the
// process may wait for days then.
const tidyAfter = 5 * time.Second

// PublishTCP passes the connections that l accepts on to a port of the container, until the stack is
// closed. The listener stays the caller's.
func (s *Stack) PublishTCP(l *net.TCPListener, port uint16) {
	l.SetDeadline(time.Time{}) // of another stack's end
	if s.tidy == nil {
		s.tidy = time.AfterFunc(tidyAfter, func() {
			if s.tcp.count() == 0 && s.untidy.Swap(false) {
				runtime.GC() // what pools hold outlives one collection
				debug.FreeOSMemory()
			}
		})
		s.tidy.Stop()
	}
	s.published.Go(func() { s.accept(l, port) })
	s.unpublish = append(s.unpublish, func() { l.SetDeadline(time.Unix(1, 0)) })
}

const longestPause = time.Second // of a listener that finds no descriptor

func (s *Stack) accept(l *net.TCPListener, port uint16) {
	answering := make(chan struct{}, maxAnswers)
	var pause time.Duration
	for {
		select {
		case answering <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		host, err := l.AcceptTCP()
		if err != nil {
			<-answering
			if isTimeout(err) || errors.Is(err, net.ErrClosed) {
				return
			}
			// A client that has gone already, or no descriptor is free.
			pause = min(max(2*pause, 5*time.Millisecond), longestPause)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return
			}
			continue
		}
		pause = 0
		if s.tcp.count() >= s.tcp.limit {
			reset(host)
			<-answering
			continue
		}
		s.published.Go(func() {
			f, err := s.inbound(host, port)
			<-answering
			if err != nil {
				reset(host)
				return
			}
			s.untidy.Store(true)
			f.run()
			s.tidy.Reset(tidyAfter)
		})
	}
}

// inbound makes the container's side of a connection.
func (s *Stack) inbound(host *net.TCPConn, port uint16) (*flow, error) {
	ctx, cancel := context.WithTimeout(s.ctx, answerLimit)
	defer cancel()
	client := host.RemoteAddr().(*net.TCPAddr).AddrPort()
	var last error
	refused := netip.Addr{}
	for _, way := range s.ways(netip.AddrPortFrom(client.Addr().Unmap(), client.Port())) {
		if way.to == refused {
			continue // it has answered
		}
		f, err := s.connect(ctx, way, port)
		if err == nil {
			f.host = host
			return f, nil
		}
		if last = err; errors.Is(err, errAnswered) {
			refused = way.to
		}
	}
	return nil, last
}

// errAnswered says that the container does not take a connection.
var errAnswered = errors.New("refused by the container")

// way is how a client looks to the container.
type way struct {
	from netip.AddrPort // port 0: any
	to   netip.Addr     // of the container
}

// ways gives the ways to the container in the order they are tried. The first keeps the client's
// address and port, the second the address, where the port is in use already. Some addresses can not
// be kept: those of this host's loopback device and of links are not routed, and the container may
// have no IPv6. Such clients are seen as the gateway, with IPv4, which is where most programs listen;
// so are those of IPv6 whom the container refuses. No other client is: a refusal may be a firewall's,
// and it was meant.
func (s *Stack) ways(client netip.AddrPort) []way {
	var list []way
	if s.keeps(client.Addr()) {
		for _, inside := range s.config.Inside {
			if inside.Is4() == client.Addr().Is4() {
				list = append(list, way{client, inside}, way{netip.AddrPortFrom(client.Addr(), 0), inside})
			}
		}
	}
	if len(list) > 0 && client.Addr().Is4() {
		return list
	}
	for _, inside := range s.config.Inside {
		if gateway, ok := s.own(inside.Is6()); ok {
			list = append(list, way{netip.AddrPortFrom(gateway, 0), inside})
			break
		}
	}
	return list
}

// keeps tells whether the container's kernel takes packets from a and sends the answers here.
func (s *Stack) keeps(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == "" &&
		!(a.Is6() && a.IsLinkLocalUnicast()) && !(a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240)) &&
		!slices.Contains(s.config.Inside, a) && !slices.Contains(s.config.Own, a)
}

// connect connects to a port of the container.
func (s *Stack) connect(ctx context.Context, w way, port uint16) (*flow, error) {
	s.once.Do(s.start)
	g := s.gvisor.Load()
	if g == nil {
		return nil, net.ErrClosed
	}
	queue := &waiter.Queue{}
	endpoint, failed := g.NewEndpoint(tcp.ProtocolNumber, networkProtocol(w.to), queue)
	if failed != nil {
		return nil, errors.New(failed.String())
	}
	// Clients of two published ports may have one port of their own.
	endpoint.SocketOptions().SetReuseAddress(true)
	endpoint.SocketOptions().SetDelayOption(false)
	if s.tcp.count() >= manyFlows {
		endpoint.SocketOptions().SetReceiveBufferSize(bufferMany, false)
		endpoint.SocketOptions().SetSendBufferSize(bufferMany, false)
	}
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	if failed = endpoint.Bind(fullAddress(w.from)); failed == nil {
		failed = endpoint.Connect(fullAddress(netip.AddrPortFrom(w.to, port)))
	}
	if _, started := failed.(*tcpip.ErrConnectStarted); started {
		select {
		case <-connected:
			failed = endpoint.LastError()
		case <-ctx.Done():
			endpoint.Abort()
			return nil, ctx.Err()
		}
	}
	if failed != nil {
		endpoint.Close()
		switch failed.(type) {
		case *tcpip.ErrConnectionRefused, *tcpip.ErrConnectionReset, *tcpip.ErrTimeout, *tcpip.ErrHostUnreachable, *tcpip.ErrNetworkUnreachable:
			return nil, errAnswered
		}
		return nil, fmt.Errorf("connecting to the container: %s", failed)
	}
	return &flow{stack: s, inside: gonet.NewTCPConn(queue, endpoint), endpoint: endpoint, queue: queue}, nil
}

func networkProtocol(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is6() {
		return ipv6.ProtocolNumber
	}
	return ipv4.ProtocolNumber
}

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}
}
