// Package tun makes the device of a container's private network: a tun in the container's network
// namespace, whose other end is a descriptor in this process.
//
// It configures the namespace's side (addresses, routes, loopback) and leaves the packets to
// whoever reads the descriptor. Nothing else of the host is touched; the device is gone when the
// descriptor is closed and the namespace's last process has ended.
package tun

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Path is the kernel's clone device for tun.
const Path = "/dev/net/tun"

// Config tells how the device looks from inside the namespace.
type Config struct {
	Name      string         // at most 15 bytes
	MTU       int            // largest IP packet in bytes
	Addresses []netip.Prefix // of the device
	Gateways  []netip.Addr   // one default route each
}

// Open makes the device in the network namespace of process pid, brings it and the loopback device
// up and gives its descriptor: reads and writes are one IP packet each, without any header. The
// process needs CAP_SYS_ADMIN over the namespace. The calling thread is not changed.
func Open(pid int, c Config) (*os.File, error) {
	netns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer unix.Close(netns)
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result, 1)
	go inNamespace(netns, func() {
		file, err := open(c)
		done <- result{file, err}
	}, func(err error) { done <- result{nil, err} })
	r := <-done
	return r.file, r.err
}

// inNamespace calls do on a thread in the network namespace, and throws the thread away: it stays
// locked until its goroutine ends. The main thread is not used, it can not be thrown away.
func inNamespace(netns int, do func(), fail func(error)) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		held := make(chan struct{})
		go func() { // on another thread: this one is held until it is done
			defer close(held)
			inNamespace(netns, do, fail)
		}()
		<-held
		return
	}
	if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
		fail(fmt.Errorf("entering the container's network namespace: %w", err))
		return
	}
	do()
}

func open(c Config) (*os.File, error) {
	// The device belongs to the namespace of the thread that opens it.
	fd, err := unix.Open(Path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &OpenError{Err: err}
	}
	if err := attach(fd, c); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), Path), nil
}

func attach(fd int, c Config) error {
	request, err := unix.NewIfreq(c.Name)
	if err != nil {
		return fmt.Errorf("naming network device %q: %w", c.Name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("making network device %q: %w", c.Name, err)
	}
	// The device goes with its namespace, which the kernel does behind everybody's back. Without
	// this, closing the descriptor would wait some 15 ms for the device to be taken down.
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("keeping network device %q: %w", c.Name, err)
	}
	r, err := dialRoute()
	if err != nil {
		return err
	}
	defer r.close()
	return r.configure(c)
}

// OpenError says that there is no usable tun device; its cause is the kernel's.
type OpenError struct{ Err error }

func (e *OpenError) Error() string { return fmt.Sprintf("opening %s: %v", Path, e.Err) }
func (e *OpenError) Unwrap() error { return e.Err }

// Hint names the cure.
func (e *OpenError) Hint() string {
	switch {
	case errors.Is(e.Err, unix.EACCES), errors.Is(e.Err, unix.EPERM):
		return "let users open it (as root: chmod 666 " + Path + "), or use --network none or host"
	case errors.Is(e.Err, unix.ENOENT), errors.Is(e.Err, unix.ENODEV), errors.Is(e.Err, unix.ENXIO):
		return "load the module (as root: modprobe tun), give an outer container the device (--device " + Path + "), or use --network none or host"
	}
	return "use --network none or host"
}

// Check tries whether the device can be opened. The error is an [*OpenError].
func Check() error {
	fd, err := unix.Open(Path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &OpenError{Err: err}
	}
	unix.Close(fd)
	return nil
}
