package ownership

import (
	"bytes"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process carries its emulated credentials itself: the soft value of RLIMIT_LOCKS, which no kernel
// since 2.4.24 looks at, is an index into credTable, counted down from the hard value. The kernel
// passes it on at fork(2), keeps it over execve(2) and forgets it with the process, so there is
// nothing to seed, no race between a fork and a change of the parent, and no pid that could be
// mistaken for its predecessor. Limits are per process; that is what C libraries make of set*id
// calls too (nptl(7)). The container does not see it: calls on that limit are answered with
// "unlimited".
const credLimit = unix.RLIMIT_LOCKS

// Bounds of what a payload can make the table grow to.
const (
	maxCreds      = 1 << 16
	maxGroupBytes = 16 << 20
)

// credTable interns credentials. Index 0 stands for a process that was never given any.
type credTable struct {
	list atomic.Pointer[[]*creds]
	// several: there are others than the first, processes must be asked. impure: some are not plain,
	// accesses must be looked at.
	several, impure atomic.Bool

	mu     sync.Mutex
	index  map[creds]uint64
	groups int // bytes in all groups
	// joining are the values of onExec, each once: a health check joins every few seconds.
	joining []*creds
}

// intern gives the index of c.
func (t *credTable) intern(c creds) (uint64, unix.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.index[c]; ok {
		return i, 0
	}
	var list []*creds
	if p := t.list.Load(); p != nil {
		list = *p
	} else {
		t.index = map[creds]uint64{}
	}
	if len(list) >= maxCreds || t.groups+len(c.groups) > maxGroupBytes {
		return 0, unix.ENOMEM
	}
	t.groups += len(c.groups)
	list = append(list, &c)
	i := uint64(len(list)) // from 1
	t.index[c] = i
	if i > 1 {
		t.several.Store(true)
	}
	if !c.plain() {
		t.impure.Store(true)
	}
	t.list.Store(&list)
	return i, 0
}

// payload gives the one pointer to credentials equal to c.
func (t *credTable) payload(c creds) *creds {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, have := range t.joining {
		if *have == c {
			return have
		}
	}
	t.joining = append(t.joining, &c)
	return &c
}

// rebase makes c the first credentials: those of the payload take the place of the runtime's, which
// nobody has any more. So a container in which nobody changes ids never asks whose a process is.
func (t *credTable) rebase(c creds) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := append([]*creds(nil), *t.list.Load()...)
	delete(t.index, *list[0])
	if _, ok := t.index[c]; !ok {
		t.index[c] = 1
	}
	list[0] = &c
	if !c.plain() {
		t.impure.Store(true)
	}
	t.list.Store(&list)
}

// at gives the credentials with an index; unknown ones (a process that came from elsewhere) are the
// container's first.
func (t *credTable) at(i uint64) *creds {
	list := *t.list.Load()
	if i == 0 || i > uint64(len(list)) {
		i = 1
	}
	return list[i-1]
}

// of reads the credentials of a process or thread.
func (t *credTable) of(pid uint32) (*creds, unix.Errno) {
	if !t.several.Load() {
		return t.at(0), 0
	}
	var lim unix.Rlimit
	if _, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), credLimit, 0, uintptr(unsafe.Pointer(&lim)), 0, 0); e != 0 {
		return nil, e
	}
	return t.at(lim.Max - lim.Cur), 0
}

// give makes c the credentials of a process.
func (t *credTable) give(pid uint32, c creds) unix.Errno {
	i, e := t.intern(c)
	if e != 0 {
		return e
	}
	var lim unix.Rlimit
	if _, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), credLimit, 0, uintptr(unsafe.Pointer(&lim)), 0, 0); e != 0 {
		return e
	}
	lim.Cur = lim.Max - i
	_, _, e = unix.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), credLimit, uintptr(unsafe.Pointer(&lim)), 0, 0, 0)
	return e
}

// tokenOf finds the index of credentials in the text of /proc/PID/limits.
func tokenOf(limits []byte) uint64 {
	_, rest, ok := bytes.Cut(limits, []byte("Max file locks"))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0
	}
	value := func(b []byte) uint64 {
		if string(b) == "unlimited" {
			return math.MaxUint64
		}
		n, _ := strconv.ParseUint(string(b), 10, 64)
		return n
	}
	return value(fields[1]) - value(fields[0])
}
