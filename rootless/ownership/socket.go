package ownership

import (
	"bytes"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const pidfdThread = unix.O_EXCL // PIDFD_THREAD, Linux 6.9

// theirFD takes a copy of a descriptor of the calling process.
func (w *worker) theirFD(fd int32) (int, bool) {
	pidfd, err := unix.PidfdOpen(int(w.n.pid), pidfdThread)
	if err == unix.EINVAL {
		pidfd, err = unix.PidfdOpen(int(w.n.pid), 0)
	}
	if err != nil {
		return -1, false
	}
	defer unix.Close(pidfd)
	copied, err := unix.PidfdGetfd(pidfd, int(fd), 0)
	return copied, err == nil
}

// bind answers bind(2) of a unix socket with a name in the file system, which makes a file there.
func (w *worker) bind(fd int32, addr uint64, length uint32) answer {
	var sa unix.RawSockaddrUnix
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	head := int(unsafe.Offsetof(sa.Path))
	if int(length) <= head || int(length) > len(raw) || w.readAll(addr, raw[:length]) != 0 ||
		sa.Family != unix.AF_UNIX || sa.Path[0] == 0 {
		return proceed()
	}
	name := raw[head:length]
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	p := &w.p
	p.text, p.end = front, front+copy(p.buf[front:], name)
	p.buf[p.end] = 0
	if w.spell(p, unix.AT_FDCWD, false) != 0 {
		return proceed()
	}
	b, e := w.newborn(p, false)
	if e != 0 {
		return w.refuseNew(p, e)
	}
	defer b.close()
	if b.dir < 0 {
		return proceed()
	}
	socket, ok := w.theirFD(fd)
	if !ok {
		return proceed()
	}
	defer unix.Close(socket)
	// From within the directory the name always fits into the address.
	if err := unix.Fchdir(b.dir); err != nil {
		return refuse(errno(err))
	}
	err := unix.Bind(socket, &unix.SockaddrUnix{Name: "./" + string(p.buf[p.cut():p.end])})
	if back := unix.Fchdir(w.l.proc); err == nil {
		err = back
	}
	if err != nil {
		return refuse(errno(err))
	}
	return w.ownNew(p, &b)
}

// peerCred answers getsockopt(SO_PEERCRED) with the emulated ids the peer has now. The kernel's
// answer would be the ids when it connected; where the peer is gone or root it is good enough.
func (w *worker) peerCred(fd int32, out, length uint64) answer {
	if !w.s.creds.impure.Load() {
		return proceed()
	}
	sock, ok := w.theirFD(fd)
	if !ok {
		return proceed()
	}
	defer unix.Close(sock)
	cred, err := unix.GetsockoptUcred(sock, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Pid <= 0 {
		return proceed()
	}
	c, e := w.s.creds.of(uint32(cred.Pid))
	if e != 0 || c.euid == 0 && c.egid == 0 {
		return proceed()
	}
	pid, ok := innerPid(cred.Pid)
	if !ok {
		return proceed()
	}
	answer := unix.Ucred{Pid: pid, Uid: c.euid, Gid: c.egid}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&answer)), unsafe.Sizeof(answer))
	var have [4]byte
	if e := w.readAll(length, have[:]); e != 0 {
		return refuse(e)
	}
	n := min(*(*uint32)(unsafe.Pointer(&have[0])), uint32(len(b)))
	*(*uint32)(unsafe.Pointer(&have[0])) = n
	if e := w.write(out, b[:n]); e != 0 {
		return refuse(e)
	}
	return refuse(w.write(length, have[:]))
}

// innerPid gives the number of a process in its own pid namespace.
func innerPid(pid int32) (int32, bool) {
	b, err := os.ReadFile(strconv.Itoa(int(pid)) + "/status") // in dhow's /proc
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(b, []byte("\nNSpid:\t"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[len(fields)-1]), 10, 32)
	return int32(n), err == nil
}
