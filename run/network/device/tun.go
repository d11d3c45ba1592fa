package device

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// tunPath is the kernel's clone device for tun.
const tunPath = "/dev/net/tun"

func openTun(netns int, c Config) (*Device, error) {
	var d *Device
	err := onThread(func() error {
		if err := enter(netns); err != nil {
			return err
		}
		// The device belongs to the namespace of the thread that opens it.
		fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return &OpenError{Err: err}
		}
		if err := attachTun(fd, c); err != nil {
			unix.Close(fd)
			return err
		}
		d = New(fd, "tun")
		return nil
	})
	return d, err
}

func attachTun(fd int, c Config) error {
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

func checkTun() error {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &OpenError{Err: err}
	}
	return unix.Close(fd)
}
