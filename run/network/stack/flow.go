package stack

import (
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/waiter"
)

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
