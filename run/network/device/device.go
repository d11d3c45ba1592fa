// Package device makes the network device of a container's private network: one end is a device in
// the container's network namespace, the other a descriptor in this process.
//
// The device is a tun where /dev/net/tun can be opened. Where it can not, as in containers and pods
// that were not given it, it is one end of a veth pair, whose other end stands in a network
// namespace of its own that nothing but a packet(7) socket of this process holds.
//
// The package configures the namespace's side (addresses, routes, loopback) and leaves the packets
// to whoever reads and writes them. Nothing else of the host is touched; the device is gone when the
// descriptor is closed and the namespace's last process has ended.
package device

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Config tells how the device looks from inside the namespace.
type Config struct {
	Name      string         // at most 15 bytes
	MTU       int            // largest IP packet in bytes
	Addresses []netip.Prefix // of the device
	Gateways  []netip.Addr   // one default route each
	Veth      bool           // a veth pair even where a tun could be had
}

// Device is our end. Read and WritePacket take one IP packet each, without any header, and may be
// used at the same time; Close ends them.
type Device struct {
	file *os.File
	// Unsummed says that the checksums of packets from the container may be unfinished, as those of
	// packets that never leave a machine are.
	Unsummed bool

	mu   sync.RWMutex // held for reading while the descriptor is written to
	fd   int          // -1 when closed
	send func(fd int, pieces [][]byte) error
}

// Open makes the device in the network namespace of process pid and brings it and the loopback
// device up. The process needs CAP_SYS_ADMIN and CAP_NET_ADMIN over the namespace. The calling
// thread is not changed. When there is neither tun nor veth the error is an [*OpenError].
func Open(pid int, c Config) (*Device, error) {
	netns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer unix.Close(netns)
	if c.Veth {
		return openVeth(netns, c)
	}
	d, err := openTun(netns, c)
	var missing *OpenError
	if errors.As(err, &missing) {
		if veth, err := openVeth(netns, c); err == nil {
			return veth, nil
		}
	}
	return d, err
}

// Check tries whether a device can be made. The error is an [*OpenError].
func Check() error {
	err := checkTun()
	if err == nil || checkVeth() == nil {
		return nil
	}
	return err
}

// OpenError says that there is no usable tun device; its cause is the kernel's.
type OpenError struct{ Err error }

func (e *OpenError) Error() string { return fmt.Sprintf("opening %s: %v", tunPath, e.Err) }

func (e *OpenError) Unwrap() error { return e.Err }

// Hint names the cure.
func (e *OpenError) Hint() string {
	switch {
	case errors.Is(e.Err, unix.EACCES), errors.Is(e.Err, unix.EPERM):
		return "let users open it (as root: chmod 666 " + tunPath + "), or use --network none or host"
	case errors.Is(e.Err, unix.ENOENT), errors.Is(e.Err, unix.ENODEV), errors.Is(e.Err, unix.ENXIO):
		return "load the module (as root: modprobe tun), give an outer container the device (--device " + tunPath + "), or use --network none or host"
	}
	return "use --network none or host"
}

// New gives a device for a descriptor that takes and gives one packet a call. It is taken over, and
// must be non-blocking.
func New(fd int, name string) *Device {
	return &Device{file: os.NewFile(uintptr(fd), name), fd: fd, send: writev}
}

func (d *Device) Read(packet []byte) (int, error) { return d.file.Read(packet) }

// WritePacket sends the packet whose bytes are in pieces. Where the device has no room for it the
// error is unix.ENOBUFS or unix.EAGAIN.
func (d *Device) WritePacket(pieces [][]byte) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.fd < 0 {
		return os.ErrClosed
	}
	for {
		if err := d.send(d.fd, pieces); err != unix.EINTR {
			return err
		}
	}
}

// Close ends reads and writes.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fd = -1
	return d.file.Close()
}

func writev(fd int, pieces [][]byte) error {
	_, err := unix.Writev(fd, pieces)
	return err
}

// onThread calls do on a thread that may change namespaces, and throws the thread away: it stays
// locked until its goroutine ends. The main thread is not used, it can not be thrown away.
func onThread(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onThread(do) // on another thread: this one is held meanwhile
			runtime.UnlockOSThread()
			return
		}
		done <- do()
	}()
	return <-done
}

func enter(netns int) error {
	if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the container's network namespace: %w", err)
	}
	return nil
}
