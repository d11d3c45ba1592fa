package payload

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// plan is one that asks for nothing a normal user could not have.
func plan(args ...string) Plan {
	return Plan{
		Cwd: "/", UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Bounding: ^uint64(0), Umask: 0o027,
		Args: args, Env: []string{"PATH=/usr/bin:/bin", "HOME=/"},
	}
}

// begin starts a plan on a thread that lives until the test's end.
func begin(t *testing.T, p Plan) *Child {
	t.Helper()
	result, done := make(chan *Child), make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		runtime.LockOSThread()
		c, err := Start(p)
		if err != nil {
			t.Error(err)
		}
		result <- c
		<-done
	}()
	c := <-result
	if c == nil {
		t.FailNow()
	}
	return c
}

func wait(t *testing.T, pid int) syscall.WaitStatus {
	t.Helper()
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != syscall.EINTR {
			if err != nil {
				t.Fatal(err)
			}
			return ws
		}
	}
}

// run runs a plan to its end and gives its status and its output.
func run(t *testing.T, p Plan) (syscall.WaitStatus, string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c := begin(t, p)
	if _, _, err := c.Ready(); err != nil {
		t.Fatal(err)
	}
	if err = c.Prepare(-1, [3]*os.File{null, w, w}); err == nil {
		err = c.Execute()
	} else {
		c.Kill()
	}
	w.Close()
	out, _ := io.ReadAll(r)
	return wait(t, c.Pid), string(out), err
}

func TestPayloadSteps(t *testing.T) {
	dir, err := os.Open("/usr/bin")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	wayOut := fmt.Sprintf("/proc/self/fd/%d/env", dir.Fd())
	if _, err := os.Stat(wayOut); err != nil {
		t.Fatal("the control: it leads nowhere")
	}
	for _, c := range []struct {
		name   string
		change func(*Plan)
		status int
		out    string // a part of it
		err    string
	}{
		{"runs", func(p *Plan) { p.Args = []string{"sh", "-c", "echo $0; umask; pwd; exit 7"} }, 7, "sh\n0027\n/\n", ""},
		{"no descriptors", func(p *Plan) { p.Args = []string{"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"} }, 0, "0 1 2 3 ", ""},
		// A directory that this process has open, named by the program's path (CVE-2024-21626).
		{"a way out", func(p *Plan) { p.Args = []string{wayOut} }, 255, "", "no such file or directory"},
		{"not there", func(p *Plan) { p.Args = []string{"no-such-program"} }, 255, "", `exec: "no-such-program": executable file not found in $PATH`},
		{"no such path", func(p *Plan) { p.Args = []string{"/no/such"} }, 255, "", `exec: "/no/such": stat /no/such: no such file or directory`},
		{"a directory", func(p *Plan) { p.Args = []string{"/usr"} }, 255, "", `exec: "/usr": is a directory`},
		{"not executable", func(p *Plan) { p.Args = []string{"/etc/passwd"} }, 255, "", `exec: "/etc/passwd": permission denied`},
		{"relative PATH", func(p *Plan) { p.Cwd, p.Env = "/usr/bin", []string{"PATH=.:"}; p.Args = []string{"env"} }, 255, "", "executable file not found"},
		{"no PATH", func(p *Plan) { p.Env = nil; p.Args = []string{"env"} }, 255, "", "executable file not found"},
		{"no directory", func(p *Plan) { p.Cwd = "/no/such" }, 255, "", `chdir to cwd ("/no/such"): no such file or directory`},
		{"filter", func(p *Plan) {
			p.NoNewPrivs, p.Filter = true, append([]byte{6, 0, 0, 0, 0, 0, 0xff, 0x7f}, nil...) // ret allow
			p.Args = []string{"sh", "-c", "grep Seccomp: /proc/self/status"}
		}, 0, "Seccomp:\t2\n", ""},
		{"bad filter", func(p *Plan) { p.NoNewPrivs, p.Filter = true, make([]byte, 8) }, 255, "", "loading the seccomp filter: invalid argument"},
	} {
		p := plan("true")
		c.change(&p)
		ws, out, err := run(t, p)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if err == nil && ws.ExitStatus() != c.status || !strings.Contains(out, c.out) || !strings.Contains(got, c.err) || c.err == "" && err != nil {
			t.Errorf("%s: status %d, %q, %v", c.name, ws.ExitStatus(), out, err)
		}
		if d, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); d != 1 {
			t.Errorf("%s: this process is not what it was: dumpable %d", c.name, d)
		}
	}
}

// What execve(2) alone finds is said by the payload.
func TestPayloadInterpreter(t *testing.T) {
	name := t.TempDir() + "/odd"
	if err := os.WriteFile(name, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ws, out, err := run(t, plan(name))
	if err != nil || ws.ExitStatus() != 255 || out != "exec "+name+": no such file or directory\n" {
		t.Errorf("status %d, %q, %v", ws.ExitStatus(), out, err)
	}
}

// Whatever this process ignores and blocks, a payload begins with nothing ignored and nothing blocked.
func TestPayloadSignals(t *testing.T) {
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGHUP, syscall.SIGUSR2)
	_, out, err := run(t, plan("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"))
	if err != nil || strings.Count(out, "0000000000000000") != 2 {
		t.Errorf("%q, %v", out, err)
	}
}

// A limit that the Go runtime has raised is not the payload's.
func TestPayloadNoFile(t *testing.T) {
	if os.Getenv("PAYLOAD_LIMITED") == "" {
		cmd := exec.Command("sh", "-c", "ulimit -Sn 300; exec \"$0\" -test.run TestPayloadNoFile", "/proc/self/exe")
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Args[3] = exe
		cmd.Env = append(os.Environ(), "PAYLOAD_LIMITED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	if got := NoFile().Cur; got != 300 {
		t.Errorf("the limit was %d", got)
	}
}

// One that is given up leaves nothing, at each of its waits, and one that is killed tells so.
func TestPayloadKill(t *testing.T) {
	for _, ready := range []bool{false, true} {
		c := begin(t, plan("true"))
		if ready {
			if _, _, err := c.Ready(); err != nil {
				t.Fatal(err)
			}
		}
		c.Kill()
		if ws := wait(t, c.Pid); ws.Signal() != syscall.SIGKILL {
			t.Errorf("after %v: %#x", ready, ws)
		}
	}
	c := begin(t, plan("true"))
	if err := unix.Kill(c.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Ready(); !errors.Is(err, errEnded) {
		t.Errorf("killed from outside: %v", err)
	}
	c.Kill()
	wait(t, c.Pid)
}

// The keeper is there as long as the payload, whoever else ends.
func TestKeeper(t *testing.T) {
	c := begin(t, plan("sleep", "100"))
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, _, err := c.Ready(); err != nil {
		t.Fatal(err)
	}
	if err := c.Prepare(-1, [3]*os.File{null, null, null}); err != nil {
		t.Fatal(err)
	}
	k, err := Keep(c.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	if pid, err := unix.Wait4(k.pid, nil, unix.WALL|unix.WNOHANG, nil); pid != 0 || err != nil {
		t.Errorf("it has ended before the payload: %d, %v", pid, err)
	}
	if err := unix.Kill(c.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.End()
	if ws := wait(t, c.Pid); !ws.Signaled() {
		t.Errorf("the payload's status is %v", ws)
	}
}
