package network

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tests run this binary three times over: the first starts the second as root of a user and
// network namespace of its own, the "host" of the tests, whose only device carries hostV4 and
// hostV6; the second starts the third as a "container" in one more network namespace.
const (
	roleVariable = "DHOW_TEST_NETWORK_ROLE"
	hostV4       = "198.51.100.1"
	hostV6       = "2001:db8:0:1::1"
)

// inContainer are the programs that containers run; they print their answer.
var inContainer = map[string]func(args []string, in io.Reader) (any, error){}

var noNamespaces string // why the tests that need them are skipped

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		if slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.fuzz=") }) {
			noNamespaces = "fuzzing starts processes of its own"
			os.Exit(m.Run())
		}
		os.Exit(asHost(m))
	case "host":
		if err := configureLoopback(); err != nil {
			fmt.Fprintln(os.Stderr, "configuring the host's loopback device:", err)
			os.Exit(1)
		}
		hostResolvConf = "/dev/null" // tests set their own
		os.Exit(m.Run())
	default:
		os.Exit(runInContainer(role))
	}
}

func asHost(m *testing.M) int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"=host")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		noNamespaces = fmt.Sprintf("no user and network namespace can be made: %v", err)
		return m.Run()
	}
	if err := cmd.Wait(); err != nil {
		return 1
	}
	return 0
}

func configureLoopback() error {
	v4, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(v4)
	up, _ := unix.NewIfreq("lo")
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(v4, unix.SIOCSIFFLAGS, up); err != nil {
		return err
	}
	alias, _ := unix.NewIfreq("lo:1")
	address := netip.MustParseAddr(hostV4).As4()
	if err := alias.SetInet4Addr(address[:]); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(v4, unix.SIOCSIFADDR, alias); err != nil {
		return err
	}
	v6, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil // a kernel without IPv6
	}
	defer unix.Close(v6)
	in6 := struct { // struct in6_ifreq, linux/ipv6.h
		address [16]byte
		prefix  uint32
		index   int32
	}{netip.MustParseAddr(hostV6).As16(), 32, 1}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(v6), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&in6))); errno != 0 {
		return errno
	}
	for range 1000 { // the kernel takes its time
		if _, err := net.DialTimeout("tcp", net.JoinHostPort(hostV6, "1"), 50*time.Millisecond); isErrno(err, unix.ECONNREFUSED) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	// Every user may ping here.
	return os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0o644)
}

// runInContainer waits for the word and runs the program.
func runInContainer(role string) int {
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadByte(); err != nil {
		return 1
	}
	answer, err := inContainer[role](os.Args[1:], in)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		return 1
	}
	return 0
}

// container is a running program in a network namespace of its own.
type container struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   bytes.Buffer
	err   bytes.Buffer
	stack *Stack
}

// both runs a test with each kind of device.
func both(t *testing.T, test func(t *testing.T)) {
	t.Run("tun", test)
	t.Run("veth", test)
}

// start runs program with the private network of c.
func start(t testing.TB, c Config, program string, args ...string) *container {
	t.Helper()
	if noNamespaces != "" {
		t.Skip("SKIPPED: " + noNamespaces)
	}
	if err := Check(); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	c.veth = strings.Contains(t.Name(), "/veth")
	one := &container{t: t, cmd: exec.Command("/proc/self/exe", args...)}
	one.cmd.Env = append(os.Environ(), roleVariable+"="+program)
	one.cmd.Stdout, one.cmd.Stderr = &one.out, &one.err
	one.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var err error
	if one.in, err = one.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	// The signal comes when the starting thread ends, and the one that Attach uses does.
	runtime.LockOSThread()
	if err := one.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.cmd.Process.Kill(); one.cmd.Wait() })
	if one.stack, err = Attach(context.Background(), one.cmd.Process.Pid, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.stack.Close() })
	if _, err := one.in.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	return one
}

// wait ends the program's input, waits for it and gives its answer in into.
func (c *container) wait(into any) {
	c.t.Helper()
	c.in.Close()
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			c.t.Fatalf("in the container: %v\n%s", err, c.err.String())
		}
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("the container does not end\n%s", c.err.String())
	}
	if err := json.Unmarshal(c.out.Bytes(), into); err != nil {
		c.t.Fatalf("answer %q: %v", c.out.String(), err)
	}
}

// listen opens a TCP service on the host and gives its address.
func listen(t testing.TB, host string, serve func(*net.TCPConn)) string {
	t.Helper()
	if noNamespaces != "" {
		t.Skip("SKIPPED: " + noNamespaces)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// errorWord names an error of the kernel in a way that survives JSON.
func errorWord(err error) string {
	for word, errno := range map[string]syscall.Errno{
		"refused": syscall.ECONNREFUSED, "reset": syscall.ECONNRESET, "no route": syscall.ENETUNREACH,
		"no host": syscall.EHOSTUNREACH, "pipe": syscall.EPIPE,
	} {
		if isErrno(err, errno) {
			return word
		}
	}
	if err == nil {
		return "none"
	}
	if strings.Contains(err.Error(), "timeout") {
		return "timeout"
	}
	return err.Error()
}

// reuse lets two connections of one client have the same port.
func reuse(_, _ string, c syscall.RawConn) (err error) {
	if failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}); failed != nil {
		return failed
	}
	return err
}
