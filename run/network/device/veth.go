package device

import (
	"encoding/binary"
	"errors"
	"fmt"

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
	var d *Device
	err := onThread(func() (err error) {
		d, err = makePair(netns, c)
		return err
	})
	if err != nil {
		return nil, err
	}
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
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// makePair makes the pair and our end's namespace, in which it leaves the thread.
func makePair(netns int, c Config) (*Device, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	r, err := dialRoute()
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.makeVeth(netns, c); err != nil {
		return nil, fmt.Errorf("making network device %q: %w", c.Name, err)
	}
	index, err := r.index(vethName)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.quiet(index), r.up(index, 0)); err != nil {
		return nil, fmt.Errorf("bringing network device %q up: %w", vethName, err)
	}
	fd, err := packetSocket(int(index))
	if err != nil {
		return nil, err
	}
	d := New(fd, "veth")
	d.send, d.Unsummed = sendTo(int(index)), true
	return d, nil
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
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		netns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(netns)
		d, err := makePair(netns, Config{Name: "eth0", MTU: 1500})
		if err != nil {
			return err
		}
		return d.Close()
	})
}
