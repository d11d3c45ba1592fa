// Package dns forwards a container's DNS questions to the resolvers that the host uses.
//
// Messages are passed on as they are (RFC 1035); of a question and an answer only the header is
// read. Answers that are too long for a datagram come back marked so, and the container asks again
// over TCP, which is forwarded over TCP.
package dns

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	headerSize = 12
	maxMessage = 64<<10 - 1
	// attempt is how long one resolver is waited for; the container's own resolver asks again after
	// five seconds by default, and another server has answered by then.
	attempt = 2500 * time.Millisecond
	// tcpIdle is how long a connection may be silent between two questions (RFC 7766 §6.2.3).
	tcpIdle = 10 * time.Second
)

// Codes of an answer, RFC 1035 §4.1.1.
const (
	serverFailure = 2
	refused       = 5
)

// Forwarder asks the host's resolvers.
type Forwarder struct {
	// Servers gives the resolvers in the order they are asked. It is called for every question, for
	// the host may change networks meanwhile.
	Servers func() []netip.AddrPort

	mu    sync.Mutex
	asked map[string]*shared // by the question without its identifier
}

// shared is an exchange on its way.
type shared struct {
	done   chan struct{}
	answer []byte // nil when it was cut
}

// Exchange gives the answer to a question that came in a datagram. When no resolver answers it says
// so by SERVFAIL; it gives nil for what is no question, and when ctx has ended. The same question is
// asked once at a time: two hundred processes of a build that begin by looking up the same name are
// too much for some resolvers.
func (f *Forwarder) Exchange(ctx context.Context, question []byte) []byte {
	if !isQuestion(question) {
		return nil
	}
	key := string(question[2:])
	f.mu.Lock()
	one, ok := f.asked[key]
	if !ok {
		one = &shared{done: make(chan struct{})}
		if f.asked == nil {
			f.asked = map[string]*shared{}
		}
		f.asked[key] = one
	}
	f.mu.Unlock()
	if !ok {
		one.answer = f.ask(ctx, question, exchangeUDP)
		f.mu.Lock()
		delete(f.asked, key)
		f.mu.Unlock()
		close(one.done)
		return one.answer
	}
	select {
	case <-ctx.Done():
		return nil
	case <-one.done:
	}
	if one.answer == nil {
		return nil
	}
	answer := append([]byte(nil), one.answer...)
	copy(answer, question[:2])
	return answer
}

type exchange func(ctx context.Context, server netip.AddrPort, question []byte) ([]byte, error)

func (f *Forwarder) ask(ctx context.Context, question []byte, one exchange) []byte {
	if !isQuestion(question) {
		return nil
	}
	var last []byte
	servers := f.Servers()
	// Two rounds: a lost datagram must not cost the container's own, longer timeout.
	for range 2 {
		for _, server := range servers {
			answer, err := one(ctx, server, question)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				continue
			}
			switch code := answer[3] & 0xf; code {
			case serverFailure, refused:
				last = answer // another server may know more
			default:
				return answer
			}
		}
		if last != nil {
			return last
		}
	}
	return failure(question)
}

// isQuestion tells whether m has a header that says it is a question.
func isQuestion(m []byte) bool {
	return len(m) >= headerSize && m[2]&0x80 == 0
}

// answers tells whether m is an answer to question: the resolver's socket is connected, so only the
// resolver itself could send another's.
func answers(m, question []byte) bool {
	return len(m) >= headerSize && m[2]&0x80 != 0 && m[0] == question[0] && m[1] == question[1]
}

// failure gives a SERVFAIL for question. It repeats the question proper, without which C libraries
// take an answer for somebody else's.
func failure(question []byte) []byte {
	m := append([]byte(nil), question[:questionEnd(question)]...)
	m[2] |= 0x80 // answer
	m[3] = m[3]&0x70 | 0x80 | serverFailure
	clear(m[6:headerSize]) // no other sections
	if len(m) == headerSize {
		clear(m[4:6])
	}
	return m
}

// questionEnd gives the end of the question section of m when it has one question, else that of the
// header.
func questionEnd(m []byte) int {
	if binary.BigEndian.Uint16(m[4:]) != 1 {
		return headerSize
	}
	for i := headerSize; i < len(m); i += 1 + int(m[i]) {
		switch {
		case m[i] > 63: // compressed, or no length at all
			return headerSize
		case m[i] == 0:
			if end := i + 1 + 4; end <= len(m) { // type and class
				return end
			}
			return headerSize
		}
	}
	return headerSize
}

func exchangeUDP(ctx context.Context, server netip.AddrPort, question []byte) ([]byte, error) {
	conn, err := dial(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	buffer := make([]byte, maxMessage)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		if answers(buffer[:n], question) {
			return append([]byte(nil), buffer[:n]...), nil
		}
	}
}

func exchangeTCP(ctx context.Context, server netip.AddrPort, question []byte) ([]byte, error) {
	conn, err := dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := writeFrame(conn, question); err != nil {
		return nil, err
	}
	for {
		answer, err := readFrame(conn)
		if err != nil {
			return nil, err
		}
		if answers(answer, question) {
			return answer, nil
		}
	}
}

// dial connects to a resolver; the connection ends after one attempt's time or with ctx.
func dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
	deadline := time.Now().Add(attempt)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	dialer := net.Dialer{Deadline: deadline}
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// ServeTCP answers the questions that come over conn, one after the other, and closes it.
func (f *Forwarder) ServeTCP(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for {
		if conn.SetDeadline(time.Now().Add(tcpIdle)) != nil {
			return
		}
		question, err := readFrame(conn)
		if err != nil {
			return
		}
		answer := f.ask(ctx, question, exchangeTCP)
		if answer == nil || conn.SetDeadline(time.Now().Add(tcpIdle)) != nil || writeFrame(conn, answer) != nil {
			return
		}
	}
}

// A message over TCP has its length before it (RFC 1035 §4.2.2).

func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, m)
	return m, err
}

func writeFrame(w io.Writer, m []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}
