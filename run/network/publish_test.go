package network

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/network/port"
)

func init() {
	// serve: a TCP service on 80 that says who the client is, then gives back what it reads; one on 81
	// that reads a client to its end and then sends the sum of it; one on 82 like that on 80; UDP
	// services on 80 and 81 that answer with who the client is and what it said. Ends with its input.
	inContainer["serve"] = func(_ []string, in io.Reader) (any, error) {
		for _, address := range []string{":82", ":80"} {
			echo, err := net.Listen("tcp", address)
			if err != nil {
				return nil, err
			}
			go accept(echo, func(conn *net.TCPConn) {
				fmt.Fprintln(conn, conn.RemoteAddr())
				io.Copy(conn, conn)
				conn.CloseWrite()
			})
		}
		sums, err := net.Listen("tcp4", ":81")
		if err != nil {
			return nil, err
		}
		go accept(sums, func(conn *net.TCPConn) { io.WriteString(conn, sum(conn)) })
		for _, address := range []string{":80", ":81"} {
			u, err := net.ListenPacket("udp", address)
			if err != nil {
				return nil, err
			}
			go func() {
				b := make([]byte, 64<<10)
				for {
					n, from, err := u.ReadFrom(b)
					if err != nil {
						return
					}
					u.WriteTo(fmt.Appendf(nil, "%s %s %s", address, from, b[:n]), from)
				}
			}()
		}
		_, err = io.Copy(io.Discard, in)
		return "served", err
	}
}

func accept(l net.Listener, serve func(*net.TCPConn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			serve(conn.(*net.TCPConn))
		}()
	}
}

// published starts "serve" with ports published as -p has it, and gives the bindings.
func published(t testing.TB, specs ...string) (*container, []port.Binding) {
	t.Helper()
	if noNamespaces != "" {
		t.Skip("SKIPPED: " + noNamespaces)
	}
	mappings, err := port.Parse(specs)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(mappings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := start(t, Config{Listeners: l}, "serve")
	return c, l.Bindings()
}

// dialSoon dials until the service inside answers, and gives the connection and what it was told.
func dialSoon(t testing.TB, from, to string) (*net.TCPConn, string) {
	t.Helper()
	dialer := net.Dialer{Control: reuse}
	if from != "" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	}
	for range 500 {
		conn, err := dialer.Dial("tcp", to)
		if isErrno(err, unix.ECONNRESET) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var line []byte
		one := make([]byte, 1)
		for err == nil {
			if _, err = conn.Read(one); err == nil && one[0] == '\n' {
				return conn.(*net.TCPConn), string(line)
			}
			line = append(line, one[0])
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the service does not answer")
	return nil, ""
}

func TestPublishKeepsTheClient(t *testing.T) {
	both(t, func(t *testing.T) {
		_, bindings := published(t, "80", "127.0.0.1:8082:80")
		if len(bindings) != 3 || bindings[0].Host != bindings[1].Host || bindings[1].IP != "::" {
			t.Fatalf("bindings %v", bindings)
		}
		free := bindings[0].Host
		for _, c := range []struct{ from, to, want string }{
			{hostV4 + ":40001", fmt.Sprintf("%s:%d", hostV4, free), hostV4 + ":40001"},
			{"[" + hostV6 + "]:40002", fmt.Sprintf("[%s]:%d", hostV6, free), "[" + hostV6 + "]:40002"},
			{"", fmt.Sprintf("127.0.0.1:%d", free), "10.0.2.2:"},
			{"", fmt.Sprintf("[::1]:%d", free), "10.0.2.2:"},
			{"", "127.0.0.1:8082", "10.0.2.2:"},
		} {
			conn, got := dialSoon(t, c.from, c.to)
			if !strings.HasPrefix(v4(got), c.want) {
				t.Errorf("%s -> %s: the container sees %q, not %q", c.from, c.to, got, c.want)
			}
			conn.Close()
		}
		if _, err := net.Dial("tcp", hostV4+":8082"); !isErrno(err, unix.ECONNREFUSED) {
			t.Errorf("a port of the loopback device on another address: %v", err)
		}
	})
}

// One port of a client may lead to two published ports. Where these lead to one port of the container,
// the second connection is another only by its port.
func TestPublishSameClientPort(t *testing.T) {
	published(t, "8083:80", "8084:82", "8094:80")
	from := hostV4 + ":40010"
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)), Control: reuse}
	for _, c := range []struct{ to, want string }{{":8083", from}, {":8084", from}, {":8094", hostV4 + ":"}} {
		probe, _ := dialSoon(t, "", hostV4+c.to)
		probe.Close()
		conn, err := dialer.Dial("tcp", hostV4+c.to)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		got := make([]byte, len(from))
		if _, err := io.ReadFull(conn, got); err != nil || !strings.HasPrefix(v4(string(got)), c.want) {
			t.Errorf("%s: the container sees %q (%v)", c.to, got, err)
		}
	}
}

// v4 gives an address that a socket for both versions was told as what it is.
func v4(text string) string {
	if a, err := netip.ParseAddrPort(text); err == nil && a.Addr().Is4In6() {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
	}
	return text
}

func TestPublishHalfClose(t *testing.T) {
	both(t, func(t *testing.T) {
		published(t, "8085:80", "8086:81")
		probe, _ := dialSoon(t, "", hostV4+":8085")
		probe.Close()
		const count, size = 200, 100_000
		var all sync.WaitGroup
		for i := range count {
			all.Go(func() {
				to := hostV4 + ":8086"
				if i%2 == 1 {
					to = "127.0.0.1:8086"
				}
				conn, err := net.Dial("tcp", to)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				if _, err := io.Copy(conn, noise(uint64(i), size)); err != nil {
					t.Error(err)
					return
				}
				conn.(*net.TCPConn).CloseWrite()
				got, err := io.ReadAll(conn)
				if want := sum(noise(uint64(i), size)); err != nil || string(got) != want {
					t.Errorf("connection %d: %q (%v), not %q", i, got, err, want)
				}
			})
		}
		all.Wait()
	})
}

// A client that does not read stops the container, not this process's memory.
func TestPublishBackpressure(t *testing.T) {
	published(t, "8087:80")
	conn, _ := dialSoon(t, "", hostV4+":8087")
	defer conn.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	n, err := io.Copy(conn, noise(1, 1<<30))
	if err == nil {
		t.Fatalf("%d bytes were taken from a client that does not read", n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the stack holds %d bytes", grown)
	}
}

func TestPublishRefused(t *testing.T) {
	published(t, "8088:80", "8089:99")
	probe, _ := dialSoon(t, "", hostV4+":8088")
	probe.Close()
	conn, err := net.Dial("tcp", hostV4+":8089")
	if err == nil {
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if !isErrno(err, unix.ECONNRESET) && !isErrno(err, unix.ECONNREFUSED) {
		t.Errorf("a port where nobody listens: %v", err)
	}
}

func TestPublishUDP(t *testing.T) {
	both(t, func(t *testing.T) {
		published(t, "8090:80/udp", "8091:81/udp", "8092:80")
		probe, _ := dialSoon(t, "", hostV4+":8092")
		probe.Close()
		for _, c := range []struct{ from, to, want string }{
			{hostV4 + ":40020", hostV4 + ":8090", ":80 " + hostV4 + ":40020 hello"},
			{hostV4 + ":40020", hostV4 + ":8091", ":81 " + hostV4 + ":40020 hello"},
			{"[" + hostV6 + "]:40021", "[" + hostV6 + "]:8090", ":80 [" + hostV6 + "]:40021 hello"},
			{"127.0.0.1:40022", "127.0.0.1:8090", ":80 10.0.2.2:"},
			{"127.0.0.1:40022", "127.0.0.2:8090", ":80 10.0.2.2:"},
		} {
			u, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.from)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.to)))
			if err != nil {
				t.Fatal(err)
			}
			u.SetDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 1000)
			for range 3 { // the second and third go to a client that is known
				u.Write([]byte("hello"))
				n, err := u.Read(b)
				words := strings.Fields(string(b[:n]))
				if err != nil || len(words) != 3 || !strings.HasPrefix(words[0]+" "+v4(words[1])+" "+words[2], c.want) {
					t.Errorf("%s -> %s: %q (%v), not %q", c.from, c.to, words, err, c.want)
				}
			}
			u.Close()
		}
	})
}

func TestListenErrors(t *testing.T) {
	if noNamespaces != "" {
		t.Skip("SKIPPED: " + noNamespaces)
	}
	taken := portOf(t, listen(t, "127.0.0.1", func(c *net.TCPConn) { c.Close() }))
	for _, c := range []struct{ spec, words, hint string }{
		{taken + ":80", "publishing port " + taken + ":80/tcp: opening " + taken + " on the host: address already in use", "-p 80/tcp"},
		{"192.0.2.77:8080:80", "cannot assign requested address", "no such address"},
	} {
		mappings, err := port.Parse([]string{"9321:1", c.spec})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Listen(mappings)
		var failed *ListenError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.words) || !strings.Contains(failed.Hint(), c.hint) {
			t.Errorf("%s: %v (%v)", c.spec, err, failed)
		}
		if _, err := net.Dial("tcp", "127.0.0.1:9321"); !isErrno(err, unix.ECONNREFUSED) {
			t.Errorf("%s: the other port was left open: %v", c.spec, err)
		}
	}
	// A range is walked until a port is free.
	mappings, err := port.Parse([]string{"127.0.0.1:9400-9402:80", "127.0.0.1:9400-9402:81", "9400-9402:82"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(mappings)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := port.Format(l.Bindings()); got != "127.0.0.1:9400->80/tcp, 127.0.0.1:9401->81/tcp, 0.0.0.0:9402->82/tcp, [::]:9402->82/tcp" {
		t.Error(got)
	}
}

// Connections that wait when the stack is closed, and those on their way, end at once, and the ports can
// be opened again.
func TestPublishEnd(t *testing.T) {
	c, _ := published(t, "8093:80")
	conn, _ := dialSoon(t, "", hostV4+":8093")
	c.cmd.Process.Kill()
	c.cmd.Wait()
	began := time.Now()
	if err := c.stack.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("closing took %v", took)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(&bytes.Buffer{}, conn); err != nil && !isErrno(err, unix.ECONNRESET) {
		t.Errorf("the client hears %v", err)
	}
}

// More clients than are remembered are all served; the longest idle are forgotten.
func TestPublishUDPClients(t *testing.T) {
	published(t, "8095:80/udp", "8096:80")
	probe, _ := dialSoon(t, "", hostV4+":8096")
	probe.Close()
	ask := func(u net.Conn) bool {
		b := make([]byte, 100)
		for range 5 { // the container's queue may overflow
			u.SetDeadline(time.Now().Add(2 * time.Second))
			u.Write([]byte("hello"))
			if n, err := u.Read(b); err == nil && strings.HasSuffix(string(b[:n]), v4(u.LocalAddr().String())+" hello") {
				return true
			}
		}
		return false
	}
	var first net.Conn
	for i := range 1100 {
		u, err := net.Dial("udp", hostV4+":8095")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		if first == nil {
			first = u
		}
		if !ask(u) {
			t.Fatalf("client %d has no answer", i)
		}
	}
	if !ask(first) {
		t.Error("a client that was forgotten is not served again")
	}
}
