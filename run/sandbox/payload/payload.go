// Package payload makes a process and takes it through the last steps before its program: standard
// streams, session, root, keyring, filter, credentials, execve(2).
//
// A second start of the Go runtime would cost more than everything else a container's start does. So
// the child is a clone of the calling thread that shares this process's memory (CLONE_VM) and runs a
// page of C, payload.c; what needs paths, mounts or libraries is done before, in Go, by a thread in the
// child's namespaces, see run/sandbox. The child waits three times:
//
//	Start    clone(2), in the namespaces of the thread
//	Ready    it has its control group; it makes its cgroup namespace and its proc
//	Prepare  everything is there: root, streams, filter, credentials; the program is found
//	Execute  the program
package payload

/*
#include <stdlib.h>
#include "payload.h"
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Plan is what a child is to become. Descriptors stay the caller's, and stay open until Prepare has returned.
type Plan struct {
	// Flags are the namespaces of clone(2) it gets; others are those of the calling thread.
	Flags uintptr
	// CgroupNS gives it a cgroup namespace, rooted in the group it is in at Ready.
	CgroupNS bool
	// Proc are the options of a filesystem proc that Ready gives, nil for none, and ProcAttrs the
	// attributes of its mount (fsmount(2)): it shows the processes of the child's pid namespace.
	Proc      []string
	ProcAttrs uint64
	// Joins says that processes which are not trusted see it from the beginning: it gets memory of its own.
	// What can be done against being traced is done for others, too: containers may see the host's processes.
	Joins bool
	// OwnMemory makes it by fork(2): what it then does to its memory's attributes, as its
	// oom_score_adj, does not concern this process.
	OwnMemory bool
	// Pivot says that Prepare will bring a new root.
	Pivot bool
	// Terminal makes descriptor 0 its controlling terminal.
	Terminal bool
	Umask    uint32

	// Keyring is the name of its session keyring, "" for the caller's; KeyringAdd are permissions
	// added to it (keyctl(2), KEYCTL_SETPERM).
	Keyring    string
	KeyringAdd uint32

	NoNewPrivs bool
	// Filter is a program for seccomp(2), nil for none; Listener is called with the notification
	// descriptor that FilterFlags asked for, which it takes over.
	Filter      []byte
	FilterFlags uint32
	Listener    func(pid, fd int) error

	Cwd                                                  string
	UID, GID                                             uint32
	SetGroups                                            bool
	Groups                                               []uint32
	Bounding, Effective, Permitted, Inheritable, Ambient uint64 // bits of capabilities(7)
	Args, Env                                            []string
}

func (p Plan) ownMemory() bool { return p.OwnMemory || p.Joins }

// Child is a process on its way. One of Execute and Kill ends that, whatever fails.
type Child struct {
	Pid  int
	plan Plan
	sock *os.File // lets it on, and hears what it says
	c    *C.struct_payload
	free []unsafe.Pointer
}

// NoFile is the limit of open files this process was started with, before the Go runtime raised it.
func NoFile() unix.Rlimit {
	return unix.Rlimit{Cur: uint64(C.dhow_payload_nofile.rlim_cur), Max: uint64(C.dhow_payload_nofile.rlim_max)}
}

// Start clones the child, which then waits for Ready. The calling goroutine is locked to its thread,
// which makes no call into C and does not end before Execute has returned; the child dies with it.
func Start(p Plan) (*Child, error) {
	for _, list := range [][]string{p.Args, p.Env, {p.Cwd, p.Keyring}} {
		if slices.ContainsFunc(list, func(s string) bool { return strings.IndexByte(s, 0) >= 0 }) {
			return nil, errors.New("a string for the payload has a zero byte")
		}
	}
	if len(p.Args) == 0 {
		return nil, errors.New("no command specified")
	}
	// Nobody else's child may keep an end of the socket.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	ch := &Child{plan: p}
	ch.fill(ends)
	if !p.ownMemory() {
		shared.begin()
	}
	pid := C.dhow_payload_start(ch.c)
	unix.Close(ends[0])
	ch.sock = os.NewFile(uintptr(ends[1]), "payload")
	if pid < 0 {
		ch.release()
		return nil, fmt.Errorf("clone: %w", syscall.Errno(-pid))
	}
	ch.Pid = int(pid)
	return ch, nil
}

// fill writes the plan into C's memory, which the child reads while this process goes on.
func (ch *Child) fill(ends [2]int) {
	p := ch.plan
	c := (*C.struct_payload)(ch.alloc(C.sizeof_struct_payload))
	ch.c = c
	c.here, c.there = C.int(ends[0]), C.int(ends[1])
	c.clone_flags, c.own_memory, c.cgroupns = C.uint64_t(p.Flags), flag(p.ownMemory()), flag(p.CgroupNS)
	c.pivot, c.terminal, c.umask, c.no_new_privs = flag(p.Pivot), flag(p.Terminal), C.int(p.Umask), flag(p.NoNewPrivs)
	if p.Keyring != "" {
		c.keyring, c.keyring_add = ch.text(p.Keyring), C.uint32_t(p.KeyringAdd)
	}
	if len(p.Filter) > 0 {
		code := ch.alloc(len(p.Filter))
		copy(unsafe.Slice((*byte)(code), len(p.Filter)), p.Filter)
		c.filter, c.filter_len = (*C.uint8_t)(code), C.uint16_t(len(p.Filter)/unix.SizeofSockFilter)
		c.filter_flags, c.listener = C.uint32_t(p.FilterFlags), flag(p.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0)
	}
	listens := p.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0
	// Who answers for a listener reads the child's memory, which hiding may close to this process too.
	// Without that capabilities protect it that nobody in a container has.
	c.hide, c.hide_early = flag(!listens), flag(!listens && p.Joins)
	c.leave_caps = flag(listens && p.UID == 0 && !p.NoNewPrivs)
	c.guard_caps = flag(listens && p.UID == 0 && p.NoNewPrivs)
	c.cwd = ch.text(p.Cwd)
	c.bounding, c.effective, c.permitted = C.uint64_t(p.Bounding), C.uint64_t(p.Effective), C.uint64_t(p.Permitted)
	c.inheritable, c.ambient = C.uint64_t(p.Inheritable), C.uint64_t(p.Ambient)
	c.uid, c.gid, c.set_groups, c.ngroups = C.uint32_t(p.UID), C.uint32_t(p.GID), flag(p.SetGroups), C.uint32_t(len(p.Groups))
	if len(p.Groups) > 0 {
		groups := ch.alloc(4 * len(p.Groups))
		copy(unsafe.Slice((*uint32)(groups), len(p.Groups)), p.Groups)
		c.groups = (*C.uint32_t)(groups)
	}
	if p.Proc != nil {
		c.proc, c.proc_attrs = ch.texts(p.Proc), C.uint64_t(p.ProcAttrs)
	}
	c.argv, c.envp = ch.texts(p.Args), ch.texts(p.Env)
	for _, kv := range p.Env {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			c.path = ch.text(value)
		}
	}
}

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

func (ch *Child) alloc(size int) unsafe.Pointer {
	p := C.calloc(1, C.size_t(size)) // aborts without memory, as Go does
	ch.free = append(ch.free, p)
	return p
}

func (ch *Child) text(s string) *C.char {
	p := ch.alloc(len(s) + 1)
	copy(unsafe.Slice((*byte)(p), len(s)), s)
	return (*C.char)(p)
}

func (ch *Child) texts(list []string) **C.char {
	p := ch.alloc((len(list) + 1) * int(unsafe.Sizeof(uintptr(0))))
	for i, s := range list {
		unsafe.Slice((**C.char)(p), len(list))[i] = ch.text(s)
	}
	return (**C.char)(p)
}

// Ready lets the child make its cgroup namespace and gives what the plan asked for, nil for what it did
// not: the mount of Plan.Proc, and the cgroup namespace of Plan.CgroupNS. The error is an *Error when
// the child can not.
func (ch *Child) Ready() (proc, cgroupNS *os.File, err error) {
	if err := ch.let(); err != nil {
		return nil, nil, err
	}
	_, files, err := ch.hear(C.STEP_READY)
	if err != nil {
		return nil, nil, err
	}
	for _, want := range []struct {
		to    **os.File
		asked bool
	}{{&proc, ch.plan.Proc != nil}, {&cgroupNS, ch.plan.CgroupNS}} {
		if want.asked && len(files) > 0 {
			*want.to, files = files[0], files[1:]
		}
	}
	return proc, cgroupNS, nil
}

// Prepare gives the child its standard streams and, with Plan.Pivot, the mount that becomes its root, and
// returns when there is nothing left but its program. The error is an *Error or one of the listener's.
func (ch *Child) Prepare(root int, stdio [3]*os.File) error {
	defer runtime.KeepAlive(stdio)
	var fds []int
	for _, f := range stdio {
		fds = append(fds, int(f.Fd()))
	}
	if ch.plan.Pivot {
		fds = append(fds, root)
	}
	if err := unix.Sendmsg(int(ch.sock.Fd()), []byte{1}, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL); err != nil && err != unix.EPIPE {
		return fmt.Errorf("letting the payload on: %w", err)
	}
	return ch.listen(C.STEP_LAST)
}

// Execute has the child execute its program and returns when it does: then it is a process like others, and
// what it can not say any more its status tells. An error is one of the listener's.
func (ch *Child) Execute() error {
	err := ch.let()
	if err == nil {
		err = ch.listen(0)
	}
	if errors.Is(err, errEnded) {
		err = nil
	}
	if err != nil {
		ch.stop()
	}
	ch.settle()
	return err
}

// listen hears the child until it says that step, and takes its listener meanwhile.
func (ch *Child) listen(step int32) error {
	for {
		w, files, err := ch.hear(step, C.STEP_LISTENER)
		if err != nil || w.step == step {
			return err
		}
		if err = ch.giveListener(files); err == nil {
			err = ch.let()
		}
		if err != nil {
			return err
		}
	}
}

// Kill ends the child before its program; it is to be waited for.
func (ch *Child) Kill() {
	ch.stop()
	ch.settle()
}

// shared counts the children that have this process's memory. One that takes the credentials of another
// user makes the memory one that the same user's processes may not look into (PR_SET_DUMPABLE), which this
// process would stay; the last one gone gives that back.
var shared sharing

type sharing struct {
	sync.Mutex
	children, before int
}

func (s *sharing) begin() {
	s.Lock()
	defer s.Unlock()
	if s.children++; s.children == 1 {
		s.before, _ = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	}
}

func (s *sharing) end() {
	s.Lock()
	defer s.Unlock()
	if s.children--; s.children == 0 && s.before == 1 {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}

func (ch *Child) stop() { _ = unix.Kill(ch.Pid, unix.SIGKILL) }

// settle waits until the child has let go of this process's memory, by its program or its end: the
// kernel takes a process's memory before its descriptors (do_exit in kernel/exit.c).
func (ch *Child) settle() {
	_, _ = io.Copy(io.Discard, ch.sock)
	ch.release()
}

func (ch *Child) giveListener(files []*os.File) error {
	if len(files) != 1 || ch.plan.Listener == nil {
		return errors.New("taking the seccomp listener: there is none, or nobody wants it")
	}
	defer files[0].Close()
	fd, err := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("taking the seccomp listener: %w", err)
	}
	return ch.plan.Listener(ch.Pid, fd)
}

func (ch *Child) let() error {
	// Its last word says more than a broken pipe.
	if err := unix.Sendto(int(ch.sock.Fd()), []byte{1}, unix.MSG_NOSIGNAL, nil); err != nil && err != unix.EPIPE {
		return fmt.Errorf("letting the payload on: %w", err)
	}
	return nil
}

// errEnded means that the socket was closed: by execve(2), or by the child's death.
var errEnded = errors.New("the payload's process was killed before its program began (too little memory?)")

type word struct {
	step  int32
	errno syscall.Errno
}

// hear waits for a word of the child, which is to be one of want, and the files that come with it.
func (ch *Child) hear(want ...int32) (word, []*os.File, error) {
	raw, oob := make([]byte, C.sizeof_struct_payload_word), make([]byte, unix.CmsgSpace(2*4))
	var n, oobn int
	var err error
	for {
		if n, oobn, _, _, err = unix.Recvmsg(int(ch.sock.Fd()), raw, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL); err != unix.EINTR {
			break
		}
	}
	switch {
	case err == unix.ECONNRESET, err == nil && n == 0:
		return word{}, nil, errEnded
	case err != nil || n < len(raw):
		return word{}, nil, fmt.Errorf("hearing of the payload: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	w := word{int32(binary.NativeEndian.Uint32(raw)), syscall.Errno(binary.NativeEndian.Uint32(raw[4:]))}
	if !slices.Contains(want, w.step) {
		return w, nil, ch.failed(w)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return w, nil, fmt.Errorf("hearing of the payload: %w", err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return w, nil, fmt.Errorf("hearing of the payload: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "from the payload"))
		}
	}
	return w, files, nil
}

func (ch *Child) release() {
	if !ch.plan.ownMemory() {
		shared.end()
	}
	ch.sock.Close()
	if ch.c != nil {
		C.dhow_payload_free(ch.c)
		ch.c = nil
	}
	for _, p := range ch.free {
		C.free(p)
	}
	ch.free = nil
}

// Error tells at which step a payload failed.
type Error struct {
	text string
	err  error
}

func (e *Error) Error() string { return e.text + ": " + e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// ProcError tells why a filesystem proc could not be made; a host that hides parts of its own refuses
// others in user namespaces.
type ProcError struct{ err error }

func (e *ProcError) Error() string { return "proc: " + e.err.Error() }
func (e *ProcError) Unwrap() error { return e.err }

// failed is the error of a step, in the words libcontainer has for it.
func (ch *Child) failed(w word) error {
	p := ch.plan
	var err error = w.errno
	switch w.step {
	case C.STEP_STAT:
		return &exec.Error{Name: p.Args[0], Err: &fs.PathError{Op: "stat", Path: p.Args[0], Err: err}}
	case C.STEP_ACCESS:
		return &exec.Error{Name: p.Args[0], Err: err}
	case C.STEP_SEARCH:
		return &exec.Error{Name: p.Args[0], Err: exec.ErrNotFound}
	case C.STEP_PROC:
		return &ProcError{err}
	case C.STEP_GID:
		return &Error{"setting the group " + strconv.FormatUint(uint64(p.GID), 10), err}
	case C.STEP_UID:
		return &Error{"setting the user " + strconv.FormatUint(uint64(p.UID), 10), err}
	case C.STEP_CHDIR:
		return &Error{fmt.Sprintf("chdir to cwd (%q)", p.Cwd), err}
	case C.STEP_OUTSIDE:
		return errors.New("current working directory is outside of container mount namespace root -- possible container breakout detected")
	}
	text, ok := steps[w.step]
	if !ok {
		text = "step " + strconv.Itoa(int(w.step))
	}
	return &Error{text, err}
}

var steps = map[int32]string{
	C.STEP_CGROUP:       "making the cgroup namespace",
	C.STEP_STDIO:        "taking the standard streams",
	C.STEP_SESSION:      "setsid",
	C.STEP_TERMINAL:     "taking the controlling terminal",
	C.STEP_ROOT:         "pivot_root",
	C.STEP_KEYRING:      "unable to join session keyring",
	C.STEP_KEYRING_MODE: "unable to mod keyring permissions",
	C.STEP_NO_NEW_PRIVS: "setting no_new_privs",
	C.STEP_SECCOMP:      "loading the seccomp filter",
	C.STEP_BOUNDING:     "dropping capabilities",
	C.STEP_GROUPS:       "setgroups",
	C.STEP_CAPS:         "setting capabilities",
	C.STEP_PARENT:       "setting the parent-death signal",
}
