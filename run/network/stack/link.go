package stack

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Device is where packets come from and go to; *device.Device is one.
type Device interface {
	Read(packet []byte) (int, error)
	WritePacket(pieces [][]byte) error
	Close() error
}

// link is the stack's side of the device. gVisor's own descriptor endpoint reads with a thread of
// its own and a poll for each packet; here the Go runtime's poller waits and large packets are
// handed over without a copy.
type link struct {
	device   Device
	mtu      uint32
	unsummed bool

	mu         sync.RWMutex
	dispatcher gvisor.NetworkDispatcher
}

// read waits for a packet and gives it with its bytes; the caller releases the view. The scratch
// buffer is kept for the next packet when this one is small.
func (l *link) read(scratch **buffer.View) (*buffer.View, error) {
	if *scratch == nil {
		*scratch = buffer.NewViewSize(maxPacket)
	}
	n, err := l.device.Read((*scratch).AsSlice())
	if err != nil {
		return nil, err
	}
	if n < keepFrom {
		return buffer.NewViewWithData((*scratch).AsSlice()[:n]), nil
	}
	view := *scratch
	*scratch = nil
	view.CapLength(n)
	return view, nil
}

const (
	maxPacket = 64 << 10
	// keepFrom is the size in bytes from which a packet keeps the buffer it was read into: below,
	// a copy is cheaper than the memory a queue of packets would hold.
	keepFrom = 32 << 10
)

// deliver hands a packet to the stack, which takes the view over.
func (l *link) deliver(view *buffer.View) {
	protocol := header.IPv4ProtocolNumber
	if view.AsSlice()[0]>>4 == header.IPv6Version {
		protocol = header.IPv6ProtocolNumber
	}
	packet := gvisor.NewPacketBuffer(gvisor.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
	defer packet.DecRef()
	l.mu.RLock()
	dispatcher := l.dispatcher
	l.mu.RUnlock()
	if dispatcher != nil {
		dispatcher.DeliverNetworkPacket(protocol, packet)
	}
}

// WritePackets implements stack.LinkWriter.
func (l *link) WritePackets(packets gvisor.PacketBufferList) (int, tcpip.Error) {
	sent := 0
	for _, packet := range packets.AsSlice() {
		if err := l.send(packet.AsSlices()); err != nil {
			if sent == 0 {
				return 0, err
			}
			break
		}
		sent++
	}
	return sent, nil
}

// send writes one packet given in pieces. A packet the device has no room for is dropped, as a wire
// would.
func (l *link) send(pieces [][]byte) tcpip.Error {
	switch err := l.device.WritePacket(pieces); {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed):
		return &tcpip.ErrClosedForSend{}
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return &tcpip.ErrNoBufferSpace{}
	}
	return &tcpip.ErrAborted{}
}

// The rest implements stack.NetworkLinkEndpoint for a device without link-layer addresses.

func (l *link) MTU() uint32                             { return l.mtu }
func (l *link) SetMTU(uint32)                           {}
func (l *link) MaxHeaderLength() uint16                 { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress          { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)        {}
func (l *link) Wait()                                   {}
func (l *link) Close()                                  {}
func (l *link) SetOnCloseAction(func())                 {}
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (l *link) AddHeader(*gvisor.PacketBuffer)          {}
func (l *link) ParseHeader(*gvisor.PacketBuffer) bool   { return true }

// Capabilities tells gVisor not to look at sums that are unfinished.
func (l *link) Capabilities() gvisor.LinkEndpointCapabilities {
	if l.unsummed {
		return gvisor.CapabilityRXChecksumOffload
	}
	return 0
}

func (l *link) Attach(d gvisor.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatcher = d
}

func (l *link) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.dispatcher != nil
}
