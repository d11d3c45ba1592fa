package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// interruptCmd is `interrupt SIGNAL REGEX ARG…`: dhow with the arguments gets the signal (2, 15, 1), as from a
// terminal with its group of processes, when what it has written matches REGEX, or after a second where
// that is empty. Its stdin stays open and says nothing. It has to end by that signal, as a shell sees it,
// in a moment and with not more than one line more on stderr.
func interruptCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: interrupt SIGNAL REGEX ARG…")
	}
	sig, err := strconv.Atoi(args[0])
	ts.Check(err)
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	silent, keep, err := os.Pipe()
	ts.Check(err)
	defer silent.Close()
	defer keep.Close()
	cmd := exec.Command(ts.Getenv("DHOW"), args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"TERM=dumb"}
	for _, name := range terminalEnv {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	out, talk := &heard{}, &heard{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = silent, out, talk
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second // a process it has left would keep its streams
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	fail := func(format string, a ...any) {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		ts.Fatalf("%v: %s; it wrote:\n%s%s", args[2:], fmt.Sprintf(format, a...), out.text(), talk.text())
	}
	begin := time.Now()
	for args[1] != "" && !re.Match(out.text()) && !re.Match(talk.text()) || args[1] == "" && time.Since(begin) < time.Second {
		select {
		case err := <-ended:
			fail("it ended by itself: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(begin) > terminalPatience {
			fail("waited in vain for %q", args[1])
		}
	}
	before := len(talk.text())
	ts.Check(syscall.Kill(-cmd.Process.Pid, syscall.Signal(sig)))
	select {
	case <-ended:
	case <-time.After(terminalPatience / 2):
		fail("it does not end")
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if got := status.ExitStatus(); got != 128+sig && !(status.Signaled() && status.Signal() == syscall.Signal(sig)) {
		fail("it ended with %v, want %d", cmd.ProcessState, 128+sig)
	}
	if more := progressLine.ReplaceAll(talk.text()[before:], nil); bytes.Count(more, []byte("\n")) > 1 {
		fail("it said more than one line:\n%s", more)
	}
	fmt.Fprintf(ts.Stdout(), "%s", out.text())
	fmt.Fprintf(ts.Stderr(), "%s", talk.text())
}

// progressLine is one of plain progress: of a layer, or of a step of a build.
var progressLine = regexp.MustCompile(`(?m)^([0-9a-f]{12}: |#[0-9]+ |Copying |$).*\n`)

// heard is what a process has written so far.
type heard struct{ screen }

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, b...)
	return len(b), nil
}

func (h *heard) text() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.all)
}
