package ownership

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listener is one notification descriptor and the root directory of the container it came from.
type listener struct {
	s    *Supervisor
	fd   int
	ends bool // receive ends when the last process is gone
	// hearing is held from seeing that a process calls until it is received, where ends is not set.
	hearing sync.Mutex
	proc    int // the supervisor's /proc
	root    int // the container's root directory
	// users counts the workers; the last one closes the descriptors.
	users chan struct{}
}

// newListener prepares to serve fd for the container process pid, which waits meanwhile.
func (s *Supervisor) newListener(pid int, fd int) (*listener, error) {
	proc, err := openDir("/proc")
	if err != nil {
		return nil, err
	}
	root, err := openDir(fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		unix.Close(proc)
		return nil, err
	}
	err = s.greet(pid)
	if err == nil {
		err = s.files.enter(pid, root)
	}
	if err != nil {
		unix.Close(proc)
		unix.Close(root)
		return nil, err
	}
	setSyncWakeUp(fd)
	l := &listener{s: s, fd: fd, ends: receiveEnds(), proc: proc, root: root}
	l.users = make(chan struct{}, workersPerListener)
	return l, nil
}

// greet gives a new container process its credentials: root until it executes the payload.
func (s *Supervisor) greet(pid int) error {
	bounding, umask, err := readStatus(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return fmt.Errorf("reading the status of process %d: %w", pid, err)
	}
	who := s.expecting()
	payload := rootCreds(bounding, umask)
	payload.ruid, payload.rgid, payload.groups = who.uid, who.gid, packGroups(who.groups)
	payload.euid, payload.egid = who.uid, who.gid
	first := rootCreds(bounding, umask)
	first.onExec = s.creds.payload(payload)
	if s.creds.list.Load() == nil {
		_, e := s.creds.intern(first)
		return errorOf(e)
	}
	if e := s.creds.give(uint32(pid), first); e != 0 {
		return fmt.Errorf("giving process %d its credentials: %w", pid, e)
	}
	return nil
}

func errorOf(e unix.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

// readStatus gives the bounding set and the umask of a process (proc_pid_status(5)).
func readStatus(path string) (bounding uint64, umask uint16, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	umask = 0o022
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":\t"))
		switch string(key) {
		case "CapBnd":
			bounding, err = strconv.ParseUint(string(value), 16, 64)
		case "Umask":
			var n uint64
			n, err = strconv.ParseUint(string(value), 8, 16)
			umask = uint16(n) & 0o777
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return bounding, umask, nil
}

// worker answers notifications of one listener on a thread of its own. The thread shares neither
// root directory, working directory nor umask with the rest of dhow.
type worker struct {
	l *listener
	s *Supervisor
	n notification

	p, q  place // path arguments
	self  place // a descriptor of the supervisor's
	small [512]byte
	stx   unix.Statx_t
	umask int
	// strange is a root directory other than the container's, -1 for none.
	strange    int
	strangeKey rootKey
	dirs       map[string]dirEntry // directories known to access checks
	dirsAge    uint64
}

type rootKey struct{ mount, ino uint64 }

// work serves on a thread of its own. That must not be the process's first: what /proc/PID says of
// root and working directory, and of the mounts below them, is that thread's.
func (l *listener) work() {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		l.serve()
		return
	}
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(started)
		l.serve()
	}()
	<-started
	runtime.UnlockOSThread()
}

// serve answers until the container is gone. The goroutine never gives its thread back, so the thread
// ends with it; Go makes no new thread from a locked one, so none inherits what is changed here.
func (l *listener) serve() {
	defer l.leave()
	w := &worker{l: l, s: l.s, umask: -1, strange: -1, dirs: map[string]dirEntry{}}
	defer func() {
		if w.strange >= 0 {
			unix.Close(w.strange)
		}
	}()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		l.s.fail(fmt.Errorf("separating a supervisor thread: %w", err))
		return
	}
	if err := w.chroot(l.root); err != nil {
		l.s.fail(fmt.Errorf("entering the container's root directory: %w", err))
		return
	}
	for {
		e, over := l.hear(&w.n)
		if over {
			return
		}
		switch e {
		case 0:
			w.serve()
		case unix.EINTR, unix.EAGAIN:
		case unix.ENOENT:
			// The caller was killed before it was heard, or there is no caller left.
			if orphaned(l.fd) {
				return
			}
		default:
			l.s.fail(fmt.Errorf("receiving seccomp notifications: %w", e))
			return
		}
	}
}

// hear receives the next call. It tells with over that no process is left, or with ENOENT that none may be.
//
// Where receive sleeps for ever once the last process is gone it is not begun before there is a call. All
// workers see that one, and those who come too late must not begin either.
func (l *listener) hear(n *notification) (e unix.Errno, over bool) {
	if l.ends {
		return receive(l.fd, n), false
	}
	for wait(l.fd) {
		l.hearing.Lock()
		if called(l.fd) {
			e = receive(l.fd, n)
			l.hearing.Unlock()
			return e, false
		}
		l.hearing.Unlock()
	}
	return 0, true
}

// leave closes what the listener holds when its last worker goes.
func (l *listener) leave() {
	l.users <- struct{}{}
	if len(l.users) == cap(l.users) {
		unix.Close(l.fd)
		unix.Close(l.proc)
		unix.Close(l.root)
		if l.s.serving.Add(-1) == 0 {
			select {
			case l.s.idle <- struct{}{}:
			default:
			}
		}
	}
	l.s.workers.Done()
}

// chroot makes the directory fd the thread's root and leaves it in /proc.
func (w *worker) chroot(fd int) error {
	if err := unix.Fchdir(fd); err != nil {
		return err
	}
	err := unix.Chroot(".")
	if back := unix.Fchdir(w.l.proc); err == nil {
		err = back
	}
	return err
}

// stand puts the thread into the root directory of the calling process, which is the container's
// unless the process may have changed it.
func (w *worker) stand(c *creds) unix.Errno {
	if !c.odd && !w.s.files.moved.Load() {
		return w.home()
	}
	fd, err := unix.Openat(w.l.proc, strconv.Itoa(int(w.n.pid))+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err.(unix.Errno)
	}
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_MNT_ID, &stx); err != nil {
		unix.Close(fd)
		return err.(unix.Errno)
	}
	key := rootKey{stx.Mnt_id, stx.Ino}
	switch {
	case w.strange < 0 && key == w.s.files.root:
		unix.Close(fd)
		return 0
	case w.strange >= 0 && key == w.strangeKey:
		unix.Close(fd)
		return 0
	}
	if err := w.chroot(fd); err != nil {
		unix.Close(fd)
		return err.(unix.Errno)
	}
	if w.strange >= 0 {
		unix.Close(w.strange)
	}
	w.strange, w.strangeKey = fd, key
	return 0
}

// home puts the thread back into the container's root directory.
func (w *worker) home() unix.Errno {
	if w.strange < 0 {
		return 0
	}
	if err := w.chroot(w.l.root); err != nil {
		return err.(unix.Errno)
	}
	unix.Close(w.strange)
	w.strange = -1
	return 0
}

// mask gives the thread the umask of the calling process.
func (w *worker) mask(c *creds) {
	if int(c.umask) != w.umask {
		unix.Umask(int(c.umask))
		w.umask = int(c.umask)
	}
}

// answer is what becomes of a call.
type answer struct {
	val  int64
	err  unix.Errno
	kind uint8
}

const (
	isResult   = iota // val, or err when that is not 0
	isProceed         // the kernel makes the call
	isAnswered        // already done
)

// proceed lets the kernel make the call.
func proceed() answer { return answer{kind: isProceed} }

// result answers with a value.
func result(v int64) answer { return answer{val: v} }

// refuse answers with an error; with 0 the call succeeds.
func refuse(e unix.Errno) answer { return answer{err: e} }

// serve answers w.n.
func (w *worker) serve() {
	a := proceed()
	defer func() {
		// A mistake here must not take the container down, let alone everything else dhow does.
		if p := recover(); p != nil {
			w.s.fail(fmt.Errorf("answering system call %d: %v", w.n.nr, p))
			send(w.l.fd, &response{id: w.n.id, flags: flagContinue})
		}
	}()
	switch {
	case w.n.arch == auditArch && w.n.nr >= 0 && int(w.n.nr) < len(calls) && calls[w.n.nr] != nil:
		a = calls[w.n.nr](w, &w.n.args)
	case w.n.arch != auditArch && foreignLimit(&w.n):
		a = refuse(unix.EPERM)
	}
	r := response{id: w.n.id}
	switch a.kind {
	case isAnswered:
		return
	case isProceed:
		r.flags = flagContinue
	default:
		r.val, r.err = a.val, -int32(a.err)
		if a.err != 0 {
			r.val = 0
		}
	}
	send(w.l.fd, &r) // ENOENT: killed meanwhile
}

// Raw calls on places, so that no path is copied.

func (w *worker) getRecord(p *place, follow bool) (int, unix.Errno) {
	nr := uintptr(unix.SYS_LGETXATTR)
	if follow {
		nr = unix.SYS_GETXATTR
	}
	n, _, e := unix.Syscall6(nr, p.z(), uintptr(unsafe.Pointer(&xattrNameZ[0])), uintptr(unsafe.Pointer(&w.small[0])), maxRecord+1, 0, 0)
	return int(n), e
}

func (w *worker) statx(p *place, follow bool, mask int, stx *unix.Statx_t) unix.Errno {
	return w.statxFlags(p, follow, 0, mask, stx)
}

func (w *worker) statxFlags(p *place, follow bool, flags, mask int, stx *unix.Statx_t) unix.Errno {
	if !follow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	_, _, e := unix.Syscall6(unix.SYS_STATX, uintptr(unix.AT_FDCWD&(1<<32-1)), p.z(), uintptr(flags), uintptr(mask), uintptr(unsafe.Pointer(stx)), 0)
	return e
}

func (w *worker) open(p *place, follow bool) (int, unix.Errno) {
	flags := uintptr(unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW)
	if follow {
		flags &^= unix.O_NOFOLLOW
	}
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(unix.AT_FDCWD&(1<<32-1)), p.z(), flags, 0, 0, 0)
	return int(fd), e
}
