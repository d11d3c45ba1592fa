package stack

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/network/device"
)

// FuzzPackets throws packets at a stack. What a container sends must not stop its network.
func FuzzPackets(f *testing.F) {
	syn := []byte{
		0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 2, 100, 127, 0, 0, 1,
		0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
	}
	f.Add(syn)
	f.Add(append([]byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 2, 100, 10, 0, 2, 3}, 0x30, 0x39, 0, 53, 0, 8, 0, 0))
	f.Add(append([]byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 2, 100, 127, 0, 0, 1}, 8, 0, 0, 0, 0, 1, 0, 1))
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 8, 58, 64, 31: 1, 39: 1}, 128, 0, 0, 0, 0, 1, 0, 1))
	f.Add([]byte{0x45})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) > 60000 {
			return
		}
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := device.New(fds[0], "ours"), os.NewFile(uintptr(fds[1]), "theirs")
		defer theirs.Close()
		s := New(ours, Config{MTU: 65520, Own: []netip.Addr{
			netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("10.0.2.3"), netip.MustParseAddr("fdd4:686f:7700::2"),
		}, Refuse: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}})
		if len(packet) > 0 { // an empty one is an end
			theirs.Write(packet)
		}
		// The network still answers.
		ask := append([]byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0x62, 0x7b, 10, 0, 2, 100, 10, 0, 2, 2}, 8, 0, 0xf7, 0xfd, 0, 1, 0, 1)
		theirs.Write(ask)
		theirs.SetReadDeadline(time.Now().Add(5 * time.Second))
		buffer := make([]byte, 64<<10)
		for {
			n, err := theirs.Read(buffer)
			if err != nil {
				t.Fatalf("no answer to a ping after %x: %v", packet, err)
			}
			if n >= 28 && buffer[9] == 1 && buffer[20] == 0 && bytes.Equal(buffer[12:16], []byte{10, 0, 2, 2}) {
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
