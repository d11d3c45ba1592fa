package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func question(t testing.TB, id uint16) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	b.StartQuestions()
	b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName("one.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
	b.StartAdditionals()
	b.OPTResource(dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Class: 1232}, dnsmessage.OPTResource{})
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// server answers with what reply makes of a question; nil is silence.
func server(t *testing.T, reply func([]byte) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, maxMessage)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, m := range reply(bytes.Clone(buffer[:n])) {
				conn.WriteTo(m, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// answer turns a question into an answer with a code.
func answer(q []byte, code byte) []byte {
	m := bytes.Clone(q)
	m[2] |= 0x80
	m[3] = m[3]&0xf0 | code
	return m
}

func TestExchange(t *testing.T) {
	closed := server(t, func([]byte) [][]byte { return nil }) // silent
	refusing := server(t, func(q []byte) [][]byte { return [][]byte{answer(q, refused)} })
	failing := server(t, func(q []byte) [][]byte { return [][]byte{answer(q, serverFailure)} })
	denying := server(t, func(q []byte) [][]byte { return [][]byte{answer(q, 3)} })
	good := server(t, func(q []byte) [][]byte { return [][]byte{answer(q, 0)} })
	noisy := server(t, func(q []byte) [][]byte {
		other := answer(q, 0)
		other[0]++
		return [][]byte{q, other, {1, 2, 3}, answer(q, 0)}
	})
	q := question(t, 0xabcd)
	for _, c := range []struct {
		name    string
		servers []netip.AddrPort
		code    byte
		within  time.Duration
	}{
		{"good", []netip.AddrPort{good}, 0, time.Second},
		{"somebody else's answers", []netip.AddrPort{noisy}, 0, time.Second},
		{"refusing and failing before good", []netip.AddrPort{refusing, failing, good}, 0, time.Second},
		{"an unknown name is an answer", []netip.AddrPort{denying, good}, 3, time.Second},
		{"refusing only", []netip.AddrPort{refusing}, refused, time.Second},
		{"none", nil, serverFailure, time.Second},
		{"silent before good", []netip.AddrPort{closed, good}, 0, attempt + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &Forwarder{Servers: func() []netip.AddrPort { return c.servers }}
			begin := time.Now()
			m := f.Exchange(context.Background(), q)
			if !answers(m, q) || m[3]&0xf != c.code {
				t.Errorf("answer %x", m)
			}
			if took := time.Since(begin); took > c.within {
				t.Errorf("after %v", took)
			}
		})
	}
	f := &Forwarder{Servers: func() []netip.AddrPort { return []netip.AddrPort{good} }}
	for _, bad := range [][]byte{nil, q[:11], answer(q, 0)} {
		if m := f.Exchange(context.Background(), bad); m != nil {
			t.Errorf("%x has the answer %x", bad, m)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if m := f.Exchange(ctx, q); m != nil {
		t.Errorf("after the end: %x", m)
	}
}

// TestSameQuestion asks the same from many sides at once.
func TestSameQuestion(t *testing.T) {
	var asked atomic.Int64
	slow := server(t, func(q []byte) [][]byte {
		asked.Add(1)
		time.Sleep(200 * time.Millisecond)
		return [][]byte{answer(q, 0)}
	})
	f := &Forwarder{Servers: func() []netip.AddrPort { return []netip.AddrPort{slow} }}
	var all sync.WaitGroup
	for id := range uint16(100) {
		all.Go(func() {
			q := question(t, id)
			if m := f.Exchange(context.Background(), q); !answers(m, q) || m[3]&0xf != 0 {
				t.Errorf("%d: answer %x", id, m)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n > 2 {
		t.Errorf("asked %d times", n)
	}
	if len(f.asked) != 0 {
		t.Errorf("%d exchanges are left", len(f.asked))
	}
}

func TestFailure(t *testing.T) {
	q := question(t, 7)
	var p dnsmessage.Parser
	head, err := p.Start(failure(q))
	if err != nil {
		t.Fatal(err)
	}
	if head.ID != 7 || !head.Response || head.RCode != dnsmessage.RCodeServerFailure || !head.RecursionDesired {
		t.Errorf("%+v", head)
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || asked[0].Name.String() != "one.test." {
		t.Errorf("%v %v", asked, err)
	}
	if rest, err := p.AllAnswers(); err != nil || len(rest) != 0 {
		t.Errorf("%v %v", rest, err)
	}
}

func FuzzFailure(f *testing.F) {
	f.Add(question(f, 1))
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, q []byte) {
		if !isQuestion(q) {
			return
		}
		m := failure(q)
		if !answers(m, q) || len(m) > len(q) {
			t.Fatalf("%x is no answer to %x", m, q)
		}
		if n := binary.BigEndian.Uint16(m[4:]); n > 1 || n == 1 && len(m) == headerSize {
			t.Fatalf("%d questions in %x", n, m)
		}
	})
}
