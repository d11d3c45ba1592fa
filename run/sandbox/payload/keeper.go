package payload

/*
#include "payload.h"
*/
import "C"

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Keeper is a process that has this one's memory and does nothing: as long as it is there, nobody can
// write to this program's file, which is executed (ETXTBSY). It ends with the process it was started for,
// so that a container which has the file open – it had itself started as /proc/self/exe, say – is gone before
// it can be written to, also when this process is killed (CVE-2019-5736).
type Keeper struct {
	pid   int
	stack unsafe.Pointer
}

// Keep starts the keeper for the process pid, a child of this one. The calling thread is in this process's own
// namespaces.
func Keep(pid int) (*Keeper, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("watching the payload: %w", err)
	}
	defer unix.Close(fd)
	var k Keeper
	// The keeper closes its copies of all descriptors, but not at once.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	n := C.dhow_keeper_start(C.int(fd), &k.stack)
	if n < 0 {
		return nil, fmt.Errorf("keeping the program: clone: %w", syscall.Errno(-n))
	}
	k.pid = int(n)
	return &k, nil
}

// End waits for the keeper, whose process has ended.
func (k *Keeper) End() {
	for {
		// Its end is told to nobody by a signal: such children are waited for with __WALL (clone(2)).
		if _, err := unix.Wait4(k.pid, nil, unix.WALL, nil); err != unix.EINTR {
			break
		}
	}
	C.dhow_keeper_free(k.stack)
}
