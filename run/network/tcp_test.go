package network

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func isErrno(err error, errno syscall.Errno) bool { return errors.Is(err, errno) }

// noise gives n bytes that a seed determines.
func noise(seed uint64, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), n)
}

func sum(r io.Reader) string {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return err.Error()
	}
	return hex.EncodeToString(h.Sum(nil))
}

func init() {
	// exchange ADDRESS COUNT BYTES: COUNT connections at a time send BYTES each, end their side,
	// and read what comes back.
	inContainer["exchange"] = func(args []string, _ io.Reader) (any, error) {
		count, _ := strconv.Atoi(args[1])
		size, _ := strconv.ParseInt(args[2], 10, 64)
		sums := make([]string, count)
		errs := make([]error, count)
		var all sync.WaitGroup
		for i := range count {
			all.Go(func() {
				conn, err := net.Dial("tcp", args[0])
				if err != nil {
					errs[i] = err
					return
				}
				defer conn.Close()
				go func() {
					io.Copy(conn, noise(uint64(i), size))
					conn.(*net.TCPConn).CloseWrite()
				}()
				sums[i] = sum(conn)
			})
		}
		all.Wait()
		return sums, errors.Join(errs...)
	}
	// dial ADDRESS...: the error of each.
	inContainer["dial"] = func(args []string, _ io.Reader) (any, error) {
		words := make([]string, len(args))
		var all sync.WaitGroup
		for i, address := range args {
			all.Go(func() {
				conn, err := net.DialTimeout("tcp", address, 5*time.Second)
				words[i] = errorWord(err)
				if err == nil {
					conn.Close()
				}
			})
		}
		all.Wait()
		return words, nil
	}
	// after ADDRESS: sends a word and tells the error of the next read.
	inContainer["after"] = func(args []string, _ io.Reader) (any, error) {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		if _, err := conn.Write([]byte("word")); err != nil {
			return nil, err
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		return errorWord(err), nil
	}
	// throw ADDRESS BYTES: sends and ends at once, without waiting for anything.
	inContainer["throw"] = func(args []string, _ io.Reader) (any, error) {
		size, _ := strconv.ParseInt(args[1], 10, 64)
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(conn, noise(1, size))
		conn.Close()
		return "thrown", err
	}
	// pour ADDRESS: sends until nobody takes it and tells how much went.
	inContainer["pour"] = func(args []string, _ io.Reader) (any, error) {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		total := 0
		for {
			conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
			n, err := conn.Write(make([]byte, 64<<10))
			total += n
			if err != nil {
				return total, nil
			}
		}
	}
	// sit ADDRESS: connects, reads nothing until its input ends.
	inContainer["sit"] = func(args []string, in io.Reader) (any, error) {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		io.Copy(io.Discard, in)
		return "sat", nil
	}
	// interrupt ADDRESS: sends a word and resets.
	inContainer["interrupt"] = func(args []string, _ io.Reader) (any, error) {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		if _, err := conn.Write([]byte("word")); err != nil {
			return nil, err
		}
		time.Sleep(100 * time.Millisecond)
		conn.(*net.TCPConn).SetLinger(0)
		return "gone", conn.Close()
	}
}

// answering reads everything, then answers with bytes of the same number and another seed, and the
// sum of what came.
func answering(sums chan<- string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		defer conn.Close()
		h := sha256.New()
		n, err := io.Copy(h, conn)
		if err != nil {
			sums <- err.Error()
			return
		}
		sums <- hex.EncodeToString(h.Sum(nil))
		io.Copy(conn, noise(77, n))
	}
}

func TestManyConnections(t *testing.T) { both(t, tryManyConnections) }

func tryManyConnections(t *testing.T) {
	const count, size = 200, 100_000
	for _, host := range []string{hostV4, hostV6} {
		sums := make(chan string, count)
		address := listen(t, host, answering(sums))
		var got []string
		start(t, Config{}, "exchange", address, strconv.Itoa(count), strconv.Itoa(size)).wait(&got)
		want := map[string]int{}
		for i := range count {
			want[sum(noise(uint64(i), size))]++
		}
		for range count {
			want[<-sums]--
		}
		for s, n := range want {
			if n != 0 {
				t.Errorf("%s: %d connections with the sum %s too few", host, n, s)
			}
		}
		for i, s := range got {
			if s != sum(noise(77, size)) {
				t.Errorf("%s: connection %d read something else", host, i)
			}
		}
	}
}

func TestHundredMegabytes(t *testing.T) { both(t, tryHundredMegabytes) }

func tryHundredMegabytes(t *testing.T) {
	const size = 100 << 20
	sums := make(chan string, 1)
	var got []string
	begin := time.Now()
	start(t, Config{}, "exchange", listen(t, hostV4, answering(sums)), "1", strconv.Itoa(size)).wait(&got)
	if up := <-sums; up != sum(noise(0, size)) {
		t.Error("the host read something else")
	}
	if got[0] != sum(noise(77, size)) {
		t.Error("the container read something else")
	}
	t.Logf("200 MB with their sums in %v", time.Since(begin))
}

func TestRefusals(t *testing.T) { both(t, tryRefusals) }

func tryRefusals(t *testing.T) {
	closed := listen(t, hostV4, func(*net.TCPConn) {})
	loopback := listen(t, "127.0.0.1", func(c *net.TCPConn) { c.Close() })
	everywhere := listen(t, "0.0.0.0", func(c *net.TCPConn) { c.Close() })
	loopback6 := listen(t, "::1", func(c *net.TCPConn) { c.Close() })
	free, err := net.Listen("tcp", hostV4+":0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	cases := []struct{ address, want string }{
		{closed, "none"},
		{free.Addr().String(), "refused"},
		{"192.0.2.77:80", "no route"}, // the tests' host has no default route
		// Attack R34: the host's loopback device by all its names.
		{"10.0.2.2:" + portOf(t, everywhere), "refused"},
		{"10.0.2.2:" + portOf(t, loopback), "refused"},
		{"10.0.2.3:" + portOf(t, everywhere), "refused"},
		{"127.0.0.1:" + portOf(t, loopback), "refused"}, // the container's own
		{"[::ffff:127.0.0.1]:" + portOf(t, loopback), "refused"},
		{"[::1]:" + portOf(t, loopback6), "refused"},
		{"[fdd4:686f:7700::2]:" + portOf(t, everywhere), "refused"},
		{"169.254.169.254:80", "refused"},
		{"[fd00:ec2::254]:80", "refused"},
	}
	var addresses []string
	for _, c := range cases {
		addresses = append(addresses, c.address)
	}
	var got []string
	start(t, Config{}, "dial", addresses...).wait(&got)
	for i, c := range cases {
		if got[i] != c.want {
			t.Errorf("%s: %s, not %s", c.address, got[i], c.want)
		}
	}
}

func TestResets(t *testing.T) { both(t, tryResets) }

func tryResets(t *testing.T) {
	address := listen(t, hostV4, func(c *net.TCPConn) {
		c.Read(make([]byte, 4))
		c.SetLinger(0)
		c.Close()
	})
	var got string
	start(t, Config{}, "after", address).wait(&got)
	if got != "reset" {
		t.Errorf("a reset of the host's side reads as %s in the container", got)
	}

	seen := make(chan error, 1)
	address = listen(t, hostV4, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		seen <- err
	})
	start(t, Config{}, "interrupt", address).wait(&got)
	if err := <-seen; errorWord(err) != "reset" {
		t.Errorf("a reset of the container reads as %v on the host", err)
	}
}

// TestThrownData sends more than the buffers on the way hold and ends the program at once; the
// network is closed right after. The reader is slow to begin.
func TestThrownData(t *testing.T) { both(t, tryThrownData) }

func tryThrownData(t *testing.T) {
	const size = 6 << 20
	got := make(chan string, 1)
	address := listen(t, hostV4, func(c *net.TCPConn) {
		c.SetReadBuffer(32 << 10)
		time.Sleep(300 * time.Millisecond)
		got <- sum(c)
	})
	var word string
	one := start(t, Config{}, "throw", address, strconv.Itoa(size))
	one.wait(&word)
	if err := one.stack.Close(); err != nil {
		t.Error(err)
	}
	if s := <-got; s != sum(noise(1, size)) {
		t.Error("the host did not get all of it: ", s)
	}
}

// TestSlowReaders holds connections open whose reader does nothing and looks at what they cost.
func TestSlowReaders(t *testing.T) { both(t, trySlowReaders) }

func trySlowReaders(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	address := listen(t, hostV4, func(c *net.TCPConn) {
		c.SetReadBuffer(16 << 10)
		<-stop
		c.Close()
	})
	var poured int
	start(t, Config{}, "pour", address).wait(&poured)
	if poured > 32<<20 {
		t.Errorf("%d bytes went to a host that does not read", poured)
	}

	sent := make(chan int, 1)
	address = listen(t, hostV4, func(c *net.TCPConn) {
		total := 0
		for {
			c.SetWriteDeadline(time.Now().Add(2 * time.Second))
			n, err := c.Write(make([]byte, 64<<10))
			total += n
			if err != nil {
				sent <- total
				return
			}
		}
	})
	one := start(t, Config{}, "sit", address)
	if n := <-sent; n > 32<<20 {
		t.Errorf("%d bytes went to a container that does not read", n)
	}
	var word string
	one.wait(&word)
}

// TestCloseLeavesNothing looks for goroutines and descriptors after a busy network was closed.
func TestCloseLeavesNothing(t *testing.T) { both(t, tryCloseLeavesNothing) }

func tryCloseLeavesNothing(t *testing.T) {
	if noNamespaces != "" {
		t.Skip("SKIPPED: " + noNamespaces)
	}
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	stop := make(chan struct{})
	defer close(stop)
	address := listen(t, hostV4, func(c *net.TCPConn) { <-stop; c.Close() })
	goroutines := func() (list []string) {
		text := make([]byte, 4<<20)
		text = text[:runtime.Stack(text, true)]
		for _, one := range bytes.Split(text, []byte("\n\n")) {
			if strings.Contains(string(one), "run/network/stack.") || strings.Contains(string(one), "gvisor.dev") {
				list = append(list, string(one))
			}
		}
		return list
	}
	before := descriptors()
	var accepted int
	for range 3 {
		one := start(t, Config{}, "sit", address)
		time.Sleep(300 * time.Millisecond)
		one.cmd.Process.Kill()
		one.cmd.Wait()
		begin := time.Now()
		if err := one.stack.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*drainAtMost {
			t.Errorf("closing took %v", took)
		}
		accepted++
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(goroutines()) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if left := goroutines(); len(left) > 0 {
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	// The host's accepted connections stay until the end of the test.
	if after := descriptors(); after > before+accepted {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

const drainAtMost = time.Second

func BenchmarkUp(b *testing.B) {
	b.Run("tun", func(b *testing.B) { benchmark(b, "up") })
	b.Run("veth", func(b *testing.B) { benchmark(b, "up") })
}

func BenchmarkDown(b *testing.B) {
	b.Run("tun", func(b *testing.B) { benchmark(b, "down") })
	b.Run("veth", func(b *testing.B) { benchmark(b, "down") })
}

func init() {
	// up ADDRESS BYTES and down ADDRESS: throughput without sums.
	inContainer["up"] = func(args []string, _ io.Reader) (any, error) {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		size, _ := strconv.ParseInt(args[1], 10, 64)
		block := make([]byte, 128<<10)
		for sent := int64(0); sent < size; sent += int64(len(block)) {
			if _, err := conn.Write(block); err != nil {
				return nil, err
			}
		}
		conn.(*net.TCPConn).CloseWrite()
		_, err = conn.Read(block)
		return fmt.Sprint(err), nil
	}
	inContainer["down"] = func(args []string, _ io.Reader) (any, error) {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return nil, err
		}
		block := make([]byte, 128<<10)
		for {
			if _, err := conn.Read(block); err != nil {
				return fmt.Sprint(err), nil
			}
		}
	}
}

func benchmark(b *testing.B, direction string) {
	const size = 1 << 30
	address := listen(b, hostV4, func(c *net.TCPConn) {
		defer c.Close()
		block := make([]byte, 128<<10)
		if direction == "up" {
			for {
				if _, err := c.Read(block); err != nil {
					return
				}
			}
		}
		for sent := 0; sent < size; sent += len(block) {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	b.SetBytes(size)
	for range b.N {
		var word string
		start(b, Config{}, direction, address, strconv.Itoa(size)).wait(&word)
		if word != "EOF" {
			b.Fatal(word)
		}
	}
}
