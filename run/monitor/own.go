package monitor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Record has the monitor of the container in dir take down the owner of a symlink or FIFO that was made in
// it, which fd names. ErrGone when the container does not run any more.
func Record(dir string, fd int, o Own) error {
	c, err := Dial(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(own), o.Path)
	defer f.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := request(c, Request{Op: "own", Own: &o}, f); err != nil {
		return err
	}
	_, _, err = receiveReply(c)
	return err
}
