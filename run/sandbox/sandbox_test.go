package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/opencontainers/runc/libcontainer/nsenter"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/spec"
)

// The test binary is a dhow of its own: libcontainer starts it as init, and it enters namespaces by
// starting itself again.
func TestMain(m *testing.M) {
	if IsInit(os.Args) {
		Init()
	}
	if !enter.Entered() && os.Getenv("SANDBOX_TEST_ENTERED") == "" {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Args[0] = os.Args[0]
		cmd.Env = append(os.Environ(), "DHOW_ENTER=1", "SANDBOX_TEST_ENTERED=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv("SANDBOX_TEST_VICTIM") != "" {
		victim()
	}
	os.Exit(m.Run())
}

// needs skips aloud what this host or this kind of user can not do.
func needs(t *testing.T) {
	t.Helper()
	if err := enter.Err(); err != nil || !enter.Entered() {
		t.Skipf("no namespaces can be entered here: %v", err)
	}
	if enter.Current().Kind == idmap.Single {
		t.Skip("a single-id map needs the ownership supervisor, which tests/scripts try")
	}
}

// rootfs makes a root filesystem of a static busybox.
func testRootfs(t testing.TB) string {
	t.Helper()
	var busybox string
	for _, p := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		if _, err := os.Stat(p); err == nil {
			busybox = p
		}
	}
	if busybox == "" {
		t.Skip("no busybox-static on this machine")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "etc", "proc", "sys", "dev", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "cat", "ls", "id", "echo", "sleep", "grep", "mknod", "head", "tty", "stty", "yes", "kill", "dd", "mount", "readlink"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "etc/noexec"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

var count int

func request(t testing.TB, root string, w spec.Wishes) Request {
	t.Helper()
	count++
	id := fmt.Sprintf("dhowtest%d-%d", os.Getpid(), count)
	m := enter.Current()
	s, _, err := spec.Make(spec.Image{}, w, spec.Host{ID: "0123456789abcdef", Mapping: m, Rootfs: root})
	if err != nil {
		t.Fatal(err)
	}
	return Request{ID: id, StateDir: filepath.Join(t.TempDir(), "state"), Rootfs: root, Spec: s, Mapping: m}
}

// run runs a command and gives its status and output.
func run(t *testing.T, root string, w spec.Wishes, stdin *os.File) (int, string) {
	t.Helper()
	r := request(t, root, w)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Stdio = Stdio{In: stdin, Out: pw, Err: pw}
	out := make(chan string)
	go func() {
		b, _ := io.ReadAll(pr)
		out <- string(b)
	}()
	c, err := Start(context.Background(), r)
	if err != nil {
		pw.Close()
		t.Fatalf("%q: %v", w.Args, err)
	}
	status, err := c.Wait()
	if err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	pw.Close()
	if _, err := os.Stat(r.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state is still there: %v", err)
	}
	return status, <-out
}

func sh(script string) spec.Wishes { return spec.Wishes{Args: []string{"sh", "-c", script}} }

func TestStatus(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "exit 255": 255} {
		if got, _ := run(t, root, sh(script), nil); got != want {
			t.Errorf("%s: status %d", script, got)
		}
	}
	r := request(t, root, sh("sleep 100"))
	c, err := Start(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if got, err := c.Wait(); got != 137 || err != nil {
		t.Errorf("killed: status %d, %v", got, err)
	}
	if err := c.Signal(unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signalling one that is gone: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestStartErrors(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	for _, c := range []struct {
		w    spec.Wishes
		code int
		text string
	}{
		{spec.Wishes{Args: []string{"nothere"}}, 127, `exec: "nothere": executable file not found in $PATH`},
		{spec.Wishes{Args: []string{"/nothere"}}, 127, `exec: "/nothere": stat /nothere: no such file or directory`},
		{spec.Wishes{Args: []string{"/etc/noexec"}}, 126, `exec: "/etc/noexec": permission denied`},
		{spec.Wishes{Args: []string{"/etc"}}, 126, `exec: "/etc": is a directory`},
		{spec.Wishes{Args: []string{"ls"}, WorkingDir: "/etc/noexec"}, 127, "not a directory"},
		{spec.Wishes{Args: []string{"ls"}, Mounts: []spec.Mount{{Type: "bind", Source: "/nothere", Target: "/x"}}}, 125, "/nothere"},
	} {
		r := request(t, root, c.w)
		got, err := Start(context.Background(), r)
		if err == nil {
			got.Close()
			t.Errorf("%q started", c.w.Args)
			continue
		}
		var failed *StartError
		if !errors.As(err, &failed) || failed.Status != c.code || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want status %d and %q", c.w.Args, err, c.code, c.text)
		}
		if _, err := os.Stat(r.StateDir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q left its state: %v", c.w.Args, err)
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if c, err := Start(cancelled, request(t, root, sh("exit 0"))); err == nil {
		c.Close()
		t.Error("a cancelled start started")
	}
}

// A script without an interpreter is found only by execve(2): the container says so itself, as
// docker's does.
func TestExecFormat(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	if err := os.WriteFile(filepath.Join(root, "bin/odd"), []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if status, out := run(t, root, spec.Wishes{Args: []string{"odd"}}, nil); status != 255 || !strings.Contains(out, "no such file") {
		t.Errorf("status %d, %q", status, out)
	}
}

func TestIsolation(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	_, out := run(t, root, sh(`
for f in /proc/self/fd/*; do echo fd ${f##*/}; done
grep -E '^(CapInh|CapPrm|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
echo pid $$
cat /proc/1/cmdline | grep -c dhow
ls /proc | grep -c '^[0-9]'
echo x > /proc/sysrq-trigger || echo sysrq refused
echo x > /proc/sys/kernel/hostname || echo sys refused
cat /proc/keys
`), nil)
	for _, want := range []string{
		"fd 0\n", "fd 1\n", "fd 2\n", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "Seccomp:\t2", "NoNewPrivs:\t0",
		"pid 1\n", "sysrq refused", "sys refused",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	for _, fd := range []string{"fd 4", "fd 5", "fd 6", "fd 7", "fd 8"} { // 3 is the shell's own
		if strings.Contains(out, fd) {
			t.Errorf("the container got a descriptor: %s", out)
		}
	}
}

// Whoever can make device nodes must not be able to open them.
func TestNoDevices(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	for _, dir := range []string{"/", "/dev", "/dev/shm", "/tmp/t"} {
		w := sh(fmt.Sprintf("mknod %s/disk c 1 3 && { cat %s/disk && echo opened; }", dir, dir))
		w.Mounts = []spec.Mount{{Type: "tmpfs", Target: "/tmp/t"}}
		if _, out := run(t, root, w, nil); strings.Contains(out, "opened") {
			t.Errorf("a device made in %s can be opened", dir)
		}
		os.Remove(filepath.Join(root, "disk"))
	}
	if status, out := run(t, root, sh("head -c 3 /dev/zero >/dev/null && head -c 3 /dev/urandom >/dev/null && exit 5"), nil); status != 5 {
		t.Errorf("the usual devices can not be used: status %d, %q", status, out)
	}
}

// What belongs to the caller keeps its owner, whoever the payload is.
func TestStdioOwners(t *testing.T) {
	needs(t)
	if enter.Current().Kind != idmap.Root {
		t.Skip("needs files of several owners")
	}
	root := testRootfs(t)
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, bytes.Repeat([]byte("0123456789abcdef"), 1<<16), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []int{0, 1234} {
		for _, user := range []string{"0", "4321"} {
			if err := os.Chown(path, owner, owner); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			w := sh("cat | wc -c; echo written > /dev/stderr")
			w.User = user
			status, out := run(t, root, w, f)
			f.Close()
			if status != 0 || !strings.Contains(out, "1048576") || !strings.Contains(out, "written") {
				t.Errorf("owner %d, user %s: status %d, %q", owner, user, status, out)
			}
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil || int(st.Uid) != owner {
				t.Errorf("user %s: the file of %d belongs to %d now", user, owner, st.Uid)
			}
		}
	}
}

// The reader of our output goes away: the payload must notice, pumped or not.
func TestBrokenPipe(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	for _, user := range []string{"0", "1000"} {
		w := spec.Wishes{Args: []string{"sh", "-c", "yes; exit 9"}, User: user}
		r := request(t, root, w)
		pr, pw, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Stdio.Out = pw
		c, err := Start(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		pw.Close()
		buf := make([]byte, 2)
		if _, err := io.ReadFull(pr, buf); err != nil || string(buf) != "y\n" {
			t.Errorf("read %q, %v", buf, err)
		}
		pr.Close()
		done := make(chan int)
		go func() {
			status, _ := c.Wait()
			done <- status
		}()
		select {
		case status := <-done:
			if status != 9 {
				t.Errorf("user %s: status %d", user, status)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("user %s: still writing to nobody", user)
			_ = c.Signal(unix.SIGKILL)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTerminal(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	r := request(t, root, spec.Wishes{Args: []string{"sh", "-c", "tty; stty size; cat; echo end"}, Terminal: true})
	inr, inw, _ := os.Pipe()
	outr, outw, _ := os.Pipe()
	r.Stdio = Stdio{In: inr, Out: outw, Terminal: true, Width: 91, Height: 17}
	c, err := Start(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inw.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	inw.Close() // becomes end of file on the terminal
	status, err := c.Wait()
	if err != nil || status != 0 {
		t.Errorf("status %d, %v", status, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	outw.Close()
	out, _ := io.ReadAll(outr)
	for _, want := range []string{"/dev/pts/0\r\n", "17 91\r\n", "typed\r\n", "end\r\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in %q", want, out)
		}
	}
}

// A terminal whose window is closed ends its container, also one that does not care.
func TestHangUp(t *testing.T) {
	needs(t)
	defer func(d time.Duration) { hangupGrace = d }(hangupGrace)
	hangupGrace = 300 * time.Millisecond
	root := testRootfs(t)
	for script, want := range map[string]int{
		"read line; exit 5":              5,
		"trap '' HUP; exec sleep 100000": 137,
	} {
		ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Skipf("no terminal to be had: %v", err)
		}
		if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
			t.Fatal(err)
		}
		n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
		if err != nil {
			t.Fatal(err)
		}
		tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		r := request(t, root, spec.Wishes{Args: []string{"sh", "-c", script}, Terminal: true})
		r.Stdio = Stdio{In: tty, Out: tty, Terminal: true, Console: tty}
		c, err := Start(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		ptmx.Close()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if status, err := c.Wait(); err != nil || status != want {
				t.Errorf("%s: status %d, %v", script, status, err)
			}
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: it goes on", script)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		tty.Close()
	}
}

// A dhow that is killed takes its container along.
func TestParentDeath(t *testing.T) {
	needs(t)
	root := testRootfs(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), "SANDBOX_TEST_VICTIM="+root, "SANDBOX_TEST_ENTERED=1", "DHOW_ENTER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := out.Read(line)
	pid, aerr := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil || aerr != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("no pid: %q, %v", line[:n], errors.Join(err, aerr))
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 10000); n != 1 {
		_ = unix.Kill(pid, unix.SIGKILL)
		t.Errorf("the container outlived its dhow: %v", err)
	}
}

// victim is the other half of TestParentDeath: it runs a container until it is killed.
func victim() {
	root := os.Getenv("SANDBOX_TEST_VICTIM")
	m := enter.Current()
	s, _, err := spec.Make(spec.Image{}, spec.Wishes{Args: []string{"sleep", "1000"}}, spec.Host{ID: "0123456789abcdef", Mapping: m, Rootfs: root})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "victim")
	if err != nil {
		os.Exit(1)
	}
	c, err := Start(context.Background(), Request{ID: "dhowvictim" + strconv.Itoa(os.Getpid()), StateDir: dir, Rootfs: root, Spec: s, Mapping: m})
	os.Remove(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(c.Pid())
	_, _ = c.Wait()
	os.Exit(0)
}

func TestStartErrorTexts(t *testing.T) {
	for text, want := range map[string]int{
		`unable to start container process: error during container init: exec: "x": executable file not found in $PATH`: 127,
		`unable to start container process: error during container init: exec: "/x": permission denied`:                 126,
		`error during container init: exec: "/x": is a directory`:                                                       126,
		`chdir to cwd ("/x") set in config.json failed: permission denied`:                                              126,
		`error mounting "/a" to rootfs at "/b": not a directory`:                                                        127,
		`error mounting "/a" to rootfs at "/b": no such file or directory`:                                              125,
		`something else`: 125,
	} {
		got := startError(errors.New(text))
		if got.Status != want || strings.Contains(got.Error(), "container init") {
			t.Errorf("%q: %d %q", text, got.Status, got)
		}
	}
}

// The other way to start a container, which this kernel does not need, keeps working.
func TestLibcontainersInit(t *testing.T) {
	needs(t)
	t.Setenv("DHOW_INIT", "libcontainer")
	for name, test := range map[string]func(*testing.T){
		"Status": TestStatus, "StartErrors": TestStartErrors, "ExecFormat": TestExecFormat, "Isolation": TestIsolation,
		"StdioOwners": TestStdioOwners, "Terminal": TestTerminal, "HangUp": TestHangUp, "ParentDeath": TestParentDeath,
	} {
		t.Run(name, test)
	}
}

func BenchmarkStart(b *testing.B) {
	if !enter.Entered() {
		b.Skip("no namespaces can be entered here")
	}
	root := testRootfs(b)
	for b.Loop() {
		c, err := Start(context.Background(), request(b, root, spec.Wishes{Args: []string{"echo"}}))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Wait(); err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
