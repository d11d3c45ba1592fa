// Package trace runs a command and all that comes of it under ptrace(2), counts the system calls by
// which the whole tree changes anything, and does something to it before the N-th: strace counts per
// thread, and a Go program's work wanders between threads.
//
// Root traces what other users run, so that newuidmap keeps its privileges: the kernel looks at those of
// the tracer when it attached (cap_bprm_creds_from_file), which for PTRACE_TRACEME are the child's own.
// So the child is a shell that stops, is seized, and becomes the command. Everything traced dies with
// this process.
package trace

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Command is what to run.
type Command struct {
	Path                  string
	Args                  []string // with the program's name
	Env                   []string
	Dir                   string
	Stdin, Stdout, Stderr *os.File
	UID, GID              int // of the command; those of this process change nothing
	// At is before which call Then is done, counted from 1; 0 is never. Then runs while the caller of the
	// N-th is stopped and the call is not made yet.
	At   int
	Then func(t *Tree)
	// Record keeps the name of every call that was counted.
	Record bool
}

// Result is how it went.
type Result struct {
	Status syscall.WaitStatus // of the command itself
	Calls  int                // how many were counted, up to At
	Hit    string             // the call At came to, "" when there were fewer
	Names  []string           // with Record
}

// Tree is what the command and its children are.
type Tree struct {
	Main  int
	alive map[int]bool // threads
	dead  bool
}

// Kill kills everything.
func (t *Tree) Kill() {
	t.dead = true
	for tid := range t.alive {
		_ = unix.Kill(tid, unix.SIGKILL)
	}
}

// Signal signals the command's process group, or the command alone.
func (t *Tree) Signal(s unix.Signal, group bool) {
	pid := t.Main
	if group {
		pid = -pid
	}
	_ = unix.Kill(pid, s)
}

// Running is a started command.
type Running struct {
	main chan error
	all  chan struct{}
	res  Result
	pid  int
}

// Start starts the command as the leader of a process group of its own.
func Start(c Command) *Running {
	r := &Running{main: make(chan error, 1), all: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread() // ptrace belongs to a thread; it ends with this goroutine
		defer close(r.all)
		err := r.run(c, started)
		select {
		case r.main <- err:
		default:
		}
	}()
	<-started
	return r
}

// Pid is the command's.
func (r *Running) Pid() int { return r.pid }

// Wait waits until the command itself has ended.
func (r *Running) Wait() (Result, error) {
	err := <-r.main
	return r.res, err
}

// All waits until everything the command left has ended too; false when that takes longer.
func (r *Running) All(d time.Duration) bool {
	select {
	case <-r.all:
		return true
	case <-time.After(d):
		return false
	}
}

func (r *Running) run(c Command, started chan struct{}) error {
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Files: []uintptr{c.Stdin.Fd(), c.Stdout.Fd(), c.Stderr.Fd()},
		Sys: &syscall.SysProcAttr{Setpgid: true}}
	if c.UID != os.Getuid() {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.GID)}
	}
	stopping := []string{"sh", "-c", `kill -STOP $$; exec "$0" "$@"`, c.Path}
	pid, err := syscall.ForkExec("/bin/sh", append(stopping, c.Args[1:]...), attr)
	r.pid = pid
	close(started)
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.Path, err)
	}
	tree := &Tree{Main: pid, alive: map[int]bool{pid: true}}
	if err := seize(pid); err != nil {
		tree.Kill()
		return err
	}
	resume, begun := unix.PTRACE_SYSCALL, false
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
		if err == unix.EINTR {
			continue
		}
		if err == unix.ECHILD {
			return nil
		}
		if err != nil {
			tree.Kill()
			return fmt.Errorf("waiting for %s: %w", c.Path, err)
		}
		if ws.Exited() || ws.Signaled() {
			delete(tree.alive, tid)
			if tid == pid {
				r.res.Status = syscall.WaitStatus(ws)
				r.main <- nil
				if c.At == 0 && !c.Record {
					resume = unix.PTRACE_CONT
				}
			}
			continue
		}
		tree.alive[tid] = true
		if tree.dead {
			_ = unix.Kill(tid, unix.SIGKILL)
			continue
		}
		deliver := 0
		switch sig := ws.StopSignal(); {
		case sig == unix.SIGTRAP|0x80:
			if begun && r.counted(tid, c) && r.res.Calls == c.At {
				c.Then(tree)
				resume = unix.PTRACE_CONT
			}
		case int(ws)>>16 == unix.PTRACE_EVENT_EXEC:
			begun = true
			if old, err := unix.PtraceGetEventMsg(tid); err == nil && int(old) != tid {
				delete(tree.alive, int(old)) // the leader's id is the one of the thread that called exec now
			}
		case int(ws)>>16 != 0: // fork, clone, the first stop of what came of it
		default:
			deliver = int(sig)
		}
		_, _, _ = unix.Syscall6(unix.SYS_PTRACE, uintptr(resume), uintptr(tid), 0, uintptr(deliver), 0, 0)
	}
}

// seize attaches to the shell once it has stopped, and lets it go on.
func seize(pid int) error {
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WUNTRACED|unix.WALL, nil); err != nil {
		return err
	}
	if !ws.Stopped() {
		return errors.New("the command ended before it began")
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, uintptr(options), 0, 0); e != 0 {
		return fmt.Errorf("tracing: %w", e)
	}
	return unix.Kill(pid, unix.SIGCONT)
}

// syscallInfo is struct ptrace_syscall_info (ptrace(2)) of an entry.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	nr     uint64
	args   [6]uint64
	_      [4]uint64
}

func (r *Running) counted(tid int, c Command) bool {
	if c.At > 0 && r.res.Calls >= c.At {
		return false
	}
	var info syscallInfo
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if e != 0 || info.op != 1 {
		return false
	}
	k, ok := calls[info.nr]
	if !ok || k.counts != nil && !k.counts(tid, info.args) {
		return false
	}
	r.res.Calls++
	if c.Record {
		r.res.Names = append(r.res.Names, k.name)
	}
	if r.res.Calls == c.At {
		r.res.Hit = k.describe(tid, info.args)
	}
	return true
}
