package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/console"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminalPatience is how long a program may take until the screen holds what a script waits for.
const terminalPatience = 20 * time.Second

// terminalEnv names the variables of a script that a program on a terminal gets.
var terminalEnv = []string{"PATH", "HOME", "TMPDIR", "XDG_DATA_HOME", "REGISTRY", "KIND", "DHOW"}

// terminalCmd is `terminal FILE PROGRAM ARG…`: PROGRAM on a terminal of its own, all three streams,
// with somebody in front of it who does what FILE says, line by line:
//
//	> TEXT    types TEXT and return; keys without a letter as \x10
//	< REGEX   waits until what was written since the last match matches
//	size C R  makes the window C columns and R rows
//	= N       at the end: the exit status, 0 when not said
//
// What was written is the script's stdout afterwards. It fails when the terminal's modes are not, at
// the end, what they were at the start.
func terminalCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: terminal FILE PROGRAM [ARG…]")
	}
	master, name, err := console.NewPty()
	ts.Check(err)
	defer master.Close()
	ts.Check(master.Resize(console.WinSize{Width: 80, Height: 24}))
	slave, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	defer slave.Close()
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	ts.Check(err)

	var path string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err = exec.LookPath(filepath.Join(dir, args[1])); err == nil {
			break
		}
	}
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"TERM=xterm"}
	for _, name := range terminalEnv {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	ts.Check(cmd.Start())
	s := &screen{}
	go s.read(master)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func(format string, a ...any) {
		_ = cmd.Process.Kill()
		ts.Fatalf("%s; on the screen:\n%s", fmt.Sprintf(format, a...), s.text())
	}

	status := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch verb {
		case ">":
			text, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
			ts.Check(err)
			if text == "" || text[len(text)-1] >= ' ' {
				text += "\r"
			}
			_, err = master.Write([]byte(text))
			ts.Check(err)
		case "<":
			re, err := regexp.Compile(rest)
			ts.Check(err)
			if !s.wait(re) {
				stop("waited in vain for %q", rest)
			}
		case "size":
			var w, h uint16
			_, err := fmt.Sscan(rest, &w, &h)
			ts.Check(err)
			ts.Check(master.Resize(console.WinSize{Width: w, Height: h}))
		case "=":
			status, err = strconv.Atoi(rest)
			ts.Check(err)
		case "":
		default:
			stop("%q is no line of a terminal's script", line)
		}
	}
	select {
	case err = <-ended:
	case <-time.After(terminalPatience):
		stop("the program does not end")
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		stop("exit status %d, want %d", got, status)
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	ts.Check(err)
	if *after != *before {
		stop("the terminal was left as %+v, it was %+v", *after, *before)
	}
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(s.text(), "\r\n", "\n"))
}

// screen is what a terminal has shown so far.
type screen struct {
	mu   sync.Mutex
	all  []byte
	seen int // up to where wait has matched
}

func (s *screen) read(master console.Console) {
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		s.mu.Lock()
		s.all = append(s.all, buf[:n]...)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.all)
}

// wait tells whether re has matched what follows the last match, in good time.
func (s *screen) wait(re *regexp.Regexp) bool {
	for end := time.Now().Add(terminalPatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		at := re.FindIndex(bytes.ReplaceAll(s.all[s.seen:], []byte("\r"), []byte(" ")))
		if at != nil {
			s.seen += at[1]
		}
		s.mu.Unlock()
		if at != nil {
			return true
		}
	}
	return false
}
