package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

func init() {
	// echo ADDRESS: datagrams of several sizes on several sockets come back as they went.
	inContainer["echo"] = func(args []string, _ io.Reader) (any, error) {
		errs := make([]error, 20)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = echo(args[0], i) })
		}
		all.Wait()
		return "done", errors.Join(errs...)
	}
	// udp ADDRESS...: sends and tells the error of the answer.
	inContainer["udp"] = func(args []string, _ io.Reader) (any, error) {
		words := make([]string, len(args))
		var all sync.WaitGroup
		for i, address := range args {
			all.Go(func() {
				conn, err := net.Dial("udp", address)
				if err != nil {
					words[i] = errorWord(err)
					return
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(1500 * time.Millisecond))
				if _, err = conn.Write([]byte("x")); err == nil {
					_, err = conn.Read(make([]byte, 10))
				}
				words[i] = errorWord(err)
			})
		}
		all.Wait()
		return words, nil
	}
	// lookup NAME...: asks the private network's resolver.
	inContainer["lookup"] = func(args []string, _ io.Reader) (any, error) {
		resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "10.0.2.3:53")
		}}
		answers := make([]string, len(args))
		for i, name := range args {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			addresses, err := resolver.LookupHost(ctx, name)
			cancel()
			slices.Sort(addresses)
			answers[i] = strings.Join(addresses, " ")
			var dnsErr *net.DNSError
			if errors.As(err, &dnsErr) {
				answers[i] = fmt.Sprintf("not found %v temporary %v", dnsErr.IsNotFound, dnsErr.IsTemporary)
			}
		}
		return answers, nil
	}
	// ping ADDRESS...: what ICMP says to an echo request, "kind/code".
	inContainer["ping"] = func(args []string, _ io.Reader) (any, error) {
		answers := make([]string, len(args))
		for i, address := range args {
			var err error
			if answers[i], err = ping(netip.MustParseAddr(address), uint16(4000+i)); err != nil {
				return nil, fmt.Errorf("%s: %w", address, err)
			}
		}
		return answers, nil
	}
}

func echo(address string, seed int) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := make([]byte, 64<<10)
	for _, size := range []int64{0, 1, 1400, 9000, 60000} {
		sent, _ := io.ReadAll(noise(uint64(seed), size))
		for try := 0; ; try++ { // a queue may overflow, as queues of datagrams do
			conn.SetDeadline(time.Now().Add(time.Second))
			if _, err := conn.Write(sent); err != nil {
				return err
			}
			n, err := conn.Read(buffer)
			if err == nil && bytes.Equal(buffer[:n], sent) {
				break
			}
			if try == 9 {
				return fmt.Errorf("%d bytes: %d came back: %v", size, n, err)
			}
			time.Sleep(time.Duration(seed*try) * 10 * time.Millisecond) // not all at once again
		}
	}
	return nil
}

func ping(to netip.Addr, identifier uint16) (string, error) {
	family, protocol, kind := unix.AF_INET, unix.IPPROTO_ICMP, byte(8)
	var address unix.Sockaddr
	if to.Is6() {
		family, protocol, kind = unix.AF_INET6, unix.IPPROTO_ICMPV6, 128
		address = &unix.SockaddrInet6{Addr: to.As16()}
	} else {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW, protocol)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2})
	message := append([]byte{kind, 0, 0, 0, 0, 0, 0, 1}, "payload of an echo"...)
	binary.BigEndian.PutUint16(message[4:], identifier)
	if to.Is4() { // the kernel sums version 6 itself
		var total uint32
		for i := 0; i < len(message); i += 2 {
			total += uint32(binary.BigEndian.Uint16(message[i:]))
		}
		binary.BigEndian.PutUint16(message[2:], ^uint16(total+total>>16))
	}
	if err := unix.Sendto(fd, message, 0, address); err != nil {
		return "", err
	}
	buffer := make([]byte, 2000)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EAGAIN) {
			return "nothing", nil
		}
		if err != nil {
			return "", err
		}
		answer := buffer[:n]
		if to.Is4() {
			answer = answer[int(answer[0]&0xf)*4:]
		}
		if answer[0] == kind {
			continue // our own question, on the loopback device
		}
		if kind := answer[0]; kind == 0 || kind == 129 {
			if binary.BigEndian.Uint16(answer[4:]) != identifier || !bytes.Equal(answer[8:], message[8:]) {
				return "changed", nil
			}
		}
		return fmt.Sprintf("%d/%d", answer[0], answer[1]), nil
	}
}

// listenUDP opens a datagram service on the host.
func listenUDP(t *testing.T, address string, serve func(question []byte) (answer []byte)) string {
	t.Helper()
	if noNamespaces != "" {
		t.Skip("SKIPPED: " + noNamespaces)
	}
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := serve(bytes.Clone(buffer[:n])); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func TestDatagrams(t *testing.T) { both(t, tryDatagrams) }

func tryDatagrams(t *testing.T) {
	same := func(q []byte) []byte { return q }
	for _, host := range []string{hostV4, "[" + hostV6 + "]"} {
		var word string
		start(t, Config{}, "echo", listenUDP(t, host+":0", same)).wait(&word)
	}
	loopback := listenUDP(t, "127.0.0.1:0", same)
	everywhere := listenUDP(t, "0.0.0.0:0", same)
	cases := []struct{ address, want string }{
		{hostV4 + ":" + portOf(t, everywhere), "none"},
		{hostV4 + ":9", "refused"},
		{"[" + hostV6 + "]:9", "refused"},
		{"192.0.2.77:9", "timeout"}, // udp(7): not an error for a socket without IP_RECVERR
		{"10.0.2.2:" + portOf(t, everywhere), "refused"},
		{"10.0.2.2:" + portOf(t, loopback), "refused"},
		{"10.0.2.3:" + portOf(t, everywhere), "refused"},
		{"169.254.169.254:" + portOf(t, everywhere), "refused"},
		{"224.0.0.251:5353", "timeout"},
	}
	var addresses []string
	for _, c := range cases {
		addresses = append(addresses, c.address)
	}
	var got []string
	start(t, Config{}, "udp", addresses...).wait(&got)
	for i, c := range cases {
		if got[i] != c.want {
			t.Errorf("%s: %s, not %s", c.address, got[i], c.want)
		}
	}
}

func TestPings(t *testing.T) { both(t, tryPings) }

func tryPings(t *testing.T) {
	cases := []struct{ address, want string }{
		{"10.0.2.2", "0/0"},
		{"10.0.2.3", "0/0"},
		{hostV4, "0/0"},
		{"192.0.2.77", "3/0"},   // the tests' host has no default route
		{"169.254.1.1", "3/13"}, // refused
		{hostV6, "129/0"},
		{"fdd4:686f:7700::2", "129/0"},
		{"2001:dead::1", "1/0"},
	}
	var addresses []string
	for _, c := range cases {
		addresses = append(addresses, c.address)
	}
	var got []string
	start(t, Config{}, "ping", addresses...).wait(&got)
	for i, c := range cases {
		if got[i] != c.want {
			t.Errorf("%s: %s, not %s", c.address, got[i], c.want)
		}
	}
}

// zone answers for a few names; with limit an answer that is longer is marked cut.
func zone(question []byte, limit int) []byte {
	var parser dnsmessage.Parser
	head, err := parser.Start(question)
	if err != nil {
		return nil
	}
	asked, err := parser.Question()
	if err != nil {
		return nil
	}
	head.Response, head.RecursionAvailable = true, true
	build := func(head dnsmessage.Header, count int) []byte {
		b := dnsmessage.NewBuilder(nil, head)
		b.StartQuestions()
		b.Question(asked)
		b.StartAnswers()
		for i := range count {
			rr := dnsmessage.ResourceHeader{Name: asked.Name, Class: asked.Class, TTL: 1}
			switch asked.Type {
			case dnsmessage.TypeA:
				b.AResource(rr, dnsmessage.AResource{A: [4]byte{192, 0, byte(i >> 8), byte(i)}})
			case dnsmessage.TypeAAAA:
				b.AAAAResource(rr, dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 15: byte(i)}})
			}
		}
		m, _ := b.Finish()
		return m
	}
	count := 1
	switch asked.Name.String() {
	case "one.test.":
	case "large.test.":
		if count = 0; asked.Type == dnsmessage.TypeA {
			count = 400
		}
	case "silent.test.":
		return nil
	case "broken.test.":
		head.RCode = dnsmessage.RCodeServerFailure
		count = 0
	default:
		head.RCode = dnsmessage.RCodeNameError
		count = 0
	}
	if m := build(head, count); limit == 0 || len(m) <= limit {
		return m
	}
	head.Truncated = true
	return build(head, 0)
}

func setResolvConf(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := hostResolvConf
	hostResolvConf = path
	t.Cleanup(func() { hostResolvConf = before })
}

func TestResolver(t *testing.T) { both(t, tryResolver) }

func tryResolver(t *testing.T) {
	serve := func(conn *net.TCPConn) {
		defer conn.Close()
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		answer := zone(question, 0)
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
	// The first resolver is not there, the second on the host's own loopback device, as
	// systemd-resolved has it.
	setResolvConf(t, "nameserver "+hostV4+"\nnameserver 127.0.0.53\nsearch example.test\n")
	listenUDP(t, "127.0.0.53:53", func(q []byte) []byte { return zone(q, 512) })
	l, err := net.Listen("tcp", "127.0.0.53:53")
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
	var got []string
	start(t, Config{}, "lookup", "one.test.", "absent.test.", "large.test.", "broken.test.").wait(&got)
	if got[0] != "192.0.0.0 2001::" {
		t.Errorf("one.test: %s", got[0])
	}
	if got[1] != "not found true temporary false" {
		t.Errorf("absent.test: %s", got[1])
	}
	if n := len(strings.Fields(got[2])); n != 400 {
		t.Errorf("large.test has %d addresses", n)
	}
	if got[3] != "not found false temporary true" {
		t.Errorf("broken.test: %s", got[3])
	}
}

func TestResolverOfConfig(t *testing.T) {
	setResolvConf(t, "nameserver 192.0.2.77\n")
	listenUDP(t, hostV4+":53", func(q []byte) []byte { return zone(q, 512) })
	var got []string
	start(t, Config{DNS: []string{hostV4}}, "lookup", "one.test.").wait(&got)
	if got[0] != "192.0.0.0 2001::" {
		t.Errorf("one.test: %s", got[0])
	}
}

// TestNoResolver looks that a question is answered at once when the host has no resolver.
func TestNoResolver(t *testing.T) {
	setResolvConf(t, "")
	begin := time.Now()
	var got []string
	start(t, Config{}, "lookup", "one.test.").wait(&got)
	if got[0] != "not found false temporary true" || time.Since(begin) > 3*time.Second {
		t.Errorf("%s after %v", got[0], time.Since(begin))
	}
}
