package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	vethName    = "dhow0" // of our end, alone in its namespace
	vethInfo    = 1       // VETH_INFO_PEER, linux/veth.h
	vethReceive = 8 << 20 // bytes of packets that may wait for us
)

// hardware is the link-layer address of the container's end, in Docker's manner.
var hardware = []byte{0x02, 0x42, 10, 0, 2, 100}

// openVeth makes the pair, gives one end to the namespace netns and reads the other.
//
// Neither end asks for link-layer addresses (IFF_NOARP): there is nobody else on the wire. Packets
// are read whoever they are for, and written to the address of the container's end.
func openVeth(netns int, c Config) (*Device, error) {
	ours, err := makePair(netns, c)
	if err != nil {
		return nil, err
	}
	defer ours.route.close()
	err = onThread(func() error {
		if err := enter(netns); err != nil {
			return err
		}
		r, err := dialRoute()
		if err != nil {
			return err
		}
		defer r.close()
		return r.configure(c)
	})
	if err == nil {
		err = ours.settle()
	}
	if err != nil {
		ours.device.Close()
		return nil, err
	}
	return ours.device, nil
}

// pair is our end of a veth pair. Its sockets stay in the namespace they were made in, whichever
// thread uses them.
type pair struct {
	device *Device
	route  *route
	index  uint32
}

// makePair makes the pair and our end's namespace.
func makePair(netns int, c Config) (*pair, error) {
	p := &pair{}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		if netns < 0 { // only to try
			if netns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
				return err
			}
			defer unix.Close(netns)
		}
		if p.route, err = dialRoute(); err != nil {
			return err
		}
		return p.make(netns, c)
	})
	if err != nil && p.route != nil {
		p.route.close()
	}
	return p, err
}

func (p *pair) make(netns int, c Config) error {
	if err := p.route.makeVeth(netns, c); err != nil {
		return fmt.Errorf("making network device %q: %w", c.Name, err)
	}
	var err error
	if p.index, err = p.route.index(vethName); err != nil {
		return err
	}
	if err := errors.Join(p.route.quiet(p.index), p.route.up(p.index, 0)); err != nil {
		return fmt.Errorf("bringing network device %q up: %w", vethName, err)
	}
	fd, err := packetSocket(int(p.index))
	if err != nil {
		return err
	}
	p.device = New(fd, "veth")
	p.device.send, p.device.Unsummed = sendTo(int(p.index)), true
	return nil
}

// settle waits until the kernel has noticed that our end has a carrier, which it has since the other
// end is up; what is sent before is lost.
func (p *pair) settle() error {
	for range settleSteps {
		state, err := p.route.operstate(p.index)
		if err != nil {
			return fmt.Errorf("looking at network device %q: %w", vethName, err)
		}
		if state == operUp {
			// The state is set a little before the device can send, under the lock that this takes.
			return p.route.up(p.index, 0)
		}
		time.Sleep(settleStep)
	}
	return nil
}

// makeVeth makes a pair whose peer is the container's.
func (r *route) makeVeth(netns int, c Config) error {
	mtu := binary.NativeEndian.AppendUint32(nil, uint32(c.MTU))

	peer := linkMessage(0, unix.IFF_NOARP, unix.IFF_NOARP)
	peer.attribute(unix.IFLA_IFNAME, append([]byte(c.Name), 0))
	peer.attribute(unix.IFLA_MTU, mtu)
	peer.attribute(unix.IFLA_ADDRESS, hardware)
	peer.attribute(unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(netns)))
	var data, info message
	data.attribute(vethInfo|unix.NLA_F_NESTED, peer)
	info.attribute(unix.IFLA_INFO_KIND, []byte("veth"))
	info.attribute(unix.IFLA_INFO_DATA|unix.NLA_F_NESTED, data)

	m := linkMessage(0, unix.IFF_NOARP, unix.IFF_NOARP)
	m.attribute(unix.IFLA_IFNAME, append([]byte(vethName), 0))
	m.attribute(unix.IFLA_MTU, mtu)
	m.attribute(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, info)
	return r.ask(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, m)
}

// packetSocket opens a socket that reads and writes packets of a device without their link-layer
// header.
func packetSocket(index int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("opening a packet socket: %w", err)
	}
	// What we send is not for us to read.
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	if err == nil && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, vethReceive) != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, vethReceive)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("setting up a packet socket: %w", err)
	}
	return fd, nil
}

func networkOrder(n uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, n))
}

// sendTo gives the function that sends to the container's end.
func sendTo(index int) func(fd int, pieces [][]byte) error {
	to := func(protocol uint16) *unix.SockaddrLinklayer {
		a := &unix.SockaddrLinklayer{Protocol: networkOrder(protocol), Ifindex: index, Halen: uint8(len(hardware))}
		copy(a.Addr[:], hardware)
		return a
	}
	return func(fd int, pieces [][]byte) error {
		protocol := uint16(unix.ETH_P_IP)
		if len(pieces) > 0 && len(pieces[0]) > 0 && pieces[0][0]>>4 == 6 {
			protocol = unix.ETH_P_IPV6
		}
		// The address is made each time: encoding it writes to it.
		_, err := unix.SendmsgBuffers(fd, pieces, nil, to(protocol), 0)
		return err
	}
}

// checkVeth makes a pair in a namespace of its own.
func checkVeth() error {
	p, err := makePair(-1, Config{Name: "eth0", MTU: 1500})
	if err != nil {
		return err
	}
	p.route.close()
	return p.device.Close()
}
