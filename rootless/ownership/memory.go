package ownership

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageSize is the smallest any supported kernel uses; reads never cross such a border in one piece,
// because process_vm_readv(2) gives all of a piece or nothing.
const pageSize = 4096

// read copies memory of the calling process; it gives how much could be read.
func (w *worker) read(addr uint64, b []byte) (int, unix.Errno) {
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(b)}
	n, _, e := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(w.n.pid),
		uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	return int(n), e
}

// readAll fills b or fails.
func (w *worker) readAll(addr uint64, b []byte) unix.Errno {
	if len(b) == 0 {
		return 0
	}
	n, e := w.read(addr, b)
	if e == 0 && n != len(b) {
		e = unix.EFAULT
	}
	return e
}

// write copies b into the calling process, if that still waits for the answer.
func (w *worker) write(addr uint64, b []byte) unix.Errno {
	if len(b) == 0 {
		return 0
	}
	if !valid(w.l.fd, w.n.id) {
		return unix.ENOENT
	}
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(b)}
	n, _, e := unix.RawSyscall6(unix.SYS_PROCESS_VM_WRITEV, uintptr(w.n.pid),
		uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if e == 0 && int(n) != len(b) {
		e = unix.EFAULT
	}
	return e
}

// readString reads a NUL-terminated string into b and gives its length without the NUL.
// ENAMETOOLONG: there is no NUL within b.
func (w *worker) readString(addr uint64, b []byte) (int, unix.Errno) {
	have := 0
	for piece := 256; have < len(b); piece = pageSize {
		at := addr + uint64(have)
		n := min(piece, pageSize-int(at%pageSize), len(b)-have)
		n, e := w.read(at, b[have:have+n])
		if e != 0 {
			return 0, e
		}
		if i := bytes.IndexByte(b[have:have+n], 0); i >= 0 {
			return have + i, 0
		}
		have += n
	}
	return 0, unix.ENAMETOOLONG
}

// place is a path of the calling process, spelled so that it means the same to the worker: the
// worker's root directory is the process's own and its working directory is the /proc it was started
// in, so a relative path begins with the process's cwd or descriptor there ("812/cwd/etc/passwd",
// "812/fd/3/x") and an absolute one stays as it is. Nothing needs to be opened to use it.
type place struct {
	buf   [front + unix.PathMax]byte
	start int
	end   int // of the text; buf[end] is NUL
	text  int // where the process's own words begin
}

// front is room for "4194304/fd/2147483647/".
const front = 32

// z gives the NUL-terminated path for a system call.
func (p *place) z() uintptr { return uintptr(unsafe.Pointer(&p.buf[p.start])) }

func (p *place) bytes() []byte { return p.buf[p.start:p.end] }

// prefix puts s before the text.
func (p *place) prefix(text int, parts ...[]byte) {
	p.start = text
	for i := len(parts) - 1; i >= 0; i-- {
		p.start -= len(parts[i])
		copy(p.buf[p.start:], parts[i])
	}
}

// at reads a path argument. emptyOK: an empty or missing path means the descriptor itself
// (AT_EMPTY_PATH).
func (w *worker) at(p *place, dirfd int32, addr uint64, emptyOK bool) unix.Errno {
	p.text, p.end = front, front
	if addr != 0 {
		n, e := w.readString(addr, p.buf[front:len(p.buf)-1])
		if e != 0 {
			return e
		}
		p.end += n
	} else if !emptyOK {
		return unix.EFAULT
	}
	p.buf[p.end] = 0
	return w.spell(p, dirfd, emptyOK)
}

// spell finds the beginning of a place whose text is read.
func (w *worker) spell(p *place, dirfd int32, emptyOK bool) unix.Errno {
	var digits [24]byte
	pid := strconv.AppendUint(digits[:0], uint64(w.n.pid), 10)
	text := p.buf[p.text:p.end]
	switch {
	case len(text) == 0 && !emptyOK:
		return unix.ENOENT
	case len(text) > 0 && text[0] == '/':
		p.start = p.text
		w.ownProc(p, pid)
	case dirfd == unix.AT_FDCWD:
		if len(text) == 0 {
			p.prefix(p.text, pid, cwdName)
		} else {
			p.prefix(p.text, pid, cwdSlash)
		}
	case dirfd < 0:
		return unix.EBADF
	default:
		var more [16]byte
		fd := strconv.AppendInt(more[:0], int64(dirfd), 10)
		if len(text) == 0 {
			p.prefix(p.text, pid, fdSlash, fd)
		} else {
			p.prefix(p.text, pid, fdSlash, fd, slash)
		}
	}
	return 0
}

var (
	cwdName  = []byte("/cwd")
	cwdSlash = []byte("/cwd/")
	fdSlash  = []byte("/fd/")
	slash    = []byte("/")

	procSelf   = []byte("/proc/self")
	procThread = []byte("/proc/thread-self")
	devFD      = []byte("/dev/fd")
	devStdin   = []byte("/dev/stdin")
	devStdout  = []byte("/dev/stdout")
	devStderr  = []byte("/dev/stderr")
)

// ownProc respells the ways a process names itself, which would mean the supervisor here.
func (w *worker) ownProc(p *place, pid []byte) {
	text := p.buf[p.start:p.end]
	if len(text) < 7 || (text[1] != 'p' && text[1] != 'd') {
		return
	}
	under := func(name []byte) bool {
		return bytes.HasPrefix(text, name) && (len(text) == len(name) || text[len(name)] == '/')
	}
	switch {
	case under(procSelf):
		p.prefix(p.start+len(procSelf), pid)
	case under(procThread):
		p.prefix(p.start+len(procThread), pid)
	case under(devFD):
		p.prefix(p.start+len(devFD), pid, fdSlash[:3])
	case bytes.Equal(text, devStdin):
		p.prefix(p.end, pid, fdSlash, []byte("0"))
	case bytes.Equal(text, devStdout):
		p.prefix(p.end, pid, fdSlash, []byte("1"))
	case bytes.Equal(text, devStderr):
		p.prefix(p.end, pid, fdSlash, []byte("2"))
	}
}

// descriptor spells a descriptor of the calling process.
func (w *worker) descriptor(p *place, fd int32) unix.Errno {
	p.text, p.end = front, front
	p.buf[p.end] = 0
	if fd < 0 {
		return unix.EBADF
	}
	return w.spell(p, fd, true)
}
