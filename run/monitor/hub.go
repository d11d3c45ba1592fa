package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/run/log"
)

// Streams of a frame; docker's numbers.
const (
	stdout byte = 1
	stderr byte = 2
)

// queued is how many pieces of output wait for one slow caller before the payload waits for it too.
const queued = 32

// Hub is where a container's streams meet: what the payload writes goes to the log and to everybody
// attached, and what they type goes to the payload. It is made before the container starts and closed
// when it has ended.
type Hub struct {
	// Terminal says that the payload has one: there is a single output then.
	Terminal bool
	// StdinOnce closes the payload's stdin with the first caller's.
	StdinOnce bool
	// Warn is told that the log of output which the caller itself has got is not whole; nil makes that an
	// error of the end, as it is where there is only the log.
	Warn func(string)

	direct [2]*os.File // where stdout and stderr go besides, see Tee
	joined bool        // they are one
	lost   error       // what of it could not be written; under mu

	log    *log.Writer // nil for none
	mu     sync.Mutex
	guests map[*guest]bool
	stdin  *os.File // write end; nil when closed or never open
	pumps  sync.WaitGroup
	ended  chan struct{}
	hurry  chan struct{} // closed by Hurry
	once   sync.Once
	rush   sync.Once
	out    []*os.File // read ends
	child  []*os.File // the payload's ends
}

// guest is one attached caller.
type guest struct {
	conn  net.Conn
	queue chan []byte
	gone  chan struct{}
	once  sync.Once
}

// NewHub makes a hub that keeps output in w, which may be nil.
func NewHub(w *log.Writer) *Hub {
	return &Hub{log: w, guests: map[*guest]bool{}, ended: make(chan struct{}), hurry: make(chan struct{})}
}

// Tee sends output to the caller's own streams, too, before it goes anywhere else: every byte, or the
// payload waits. Where both are one, the payload gets one stream for both, so that their order is kept.
// When the caller has hung up, the payload's next write fails, as it would without us.
func (h *Hub) Tee(out, errOut *os.File, joined bool) error {
	h.joined = joined
	for i, f := range []*os.File{out, errOut} {
		if f == nil || joined && i == 1 {
			continue
		}
		// Go ends the process at EPIPE on 1 and 2; on another number it is an error like others.
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fmt.Errorf("copying the descriptor of the output: %w", err)
		}
		h.direct[i] = os.NewFile(uintptr(fd), f.Name())
	}
	return nil
}

// Feed passes the caller's input on until it ends; it does not wait for that.
func (h *Hub) Feed(from *os.File) {
	h.mu.Lock()
	to := h.stdin
	h.mu.Unlock()
	if to == nil {
		return
	}
	go func() {
		if _, err := io.Copy(to, from); !errors.Is(err, os.ErrClosed) {
			h.closeStdin()
		}
	}()
}

// Hurry makes output no longer wait for callers that do not read.
func (h *Hub) Hurry() { h.rush.Do(func() { close(h.hurry) }) }

// Open makes the payload's streams: stdin only when it is wanted, and one output for both with a
// terminal. The files are to be closed by Started.
func (h *Hub) Open(stdin bool) (in, out, errOut *os.File, err error) {
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	if stdin {
		in, h.stdin = pipe()
		h.child = append(h.child, in)
	}
	for i := range 2 {
		if i == 1 && (h.Terminal || h.joined) {
			break
		}
		r, w := pipe()
		h.out, h.child = append(h.out, r), append(h.child, w)
	}
	if err != nil {
		h.Close()
		return nil, nil, nil, err
	}
	out = h.child[len(h.child)-1]
	if h.joined {
		errOut = out
	} else if !h.Terminal {
		out, errOut = h.child[len(h.child)-2], h.child[len(h.child)-1]
	}
	for i, r := range h.out {
		h.pumps.Add(1)
		go h.pump(r, []byte{stdout, stderr}[i])
	}
	return in, out, errOut, nil
}

// Started closes the payload's ends here.
func (h *Hub) Started() {
	for _, f := range h.child {
		if f != nil {
			f.Close()
		}
	}
	h.child = nil
}

func (h *Hub) pump(r *os.File, stream byte) {
	defer h.pumps.Done()
	name := "stdout"
	if stream == stderr {
		name = "stderr"
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 && !h.passDirect(stream, buf[:n]) {
			r.Close()
			n, err = 0, io.EOF
		}
		if n > 0 {
			if h.log != nil {
				h.log.Write(name, buf[:n])
			}
			h.pass(stream, buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// passDirect writes output to the caller's own stream, and reports false when nobody reads there.
func (h *Hub) passDirect(stream byte, data []byte) bool {
	to := h.direct[stream-1]
	if to == nil {
		return true
	}
	_, err := to.Write(data)
	if errors.Is(err, unix.EPIPE) {
		return false
	}
	if err != nil {
		h.mu.Lock()
		if h.lost == nil {
			h.lost = fmt.Errorf("passing on the container's output: %w", err)
		}
		h.mu.Unlock()
	}
	return true
}

// pass gives output to everybody attached.
func (h *Hub) pass(stream byte, data []byte) {
	h.mu.Lock()
	guests := make([]*guest, 0, len(h.guests))
	for g := range h.guests {
		guests = append(guests, g)
	}
	h.mu.Unlock()
	if len(guests) == 0 {
		return
	}
	frame := make([]byte, 8, 8+len(data))
	frame[0] = stream
	binary.BigEndian.PutUint32(frame[4:], uint32(len(data)))
	frame = append(frame, data...)
	for _, g := range guests {
		select {
		case g.queue <- frame:
			continue
		default:
		}
		select {
		case g.queue <- frame:
		case <-g.gone:
		case <-h.hurry:
		case <-h.ended:
		}
	}
}

// Attach makes conn a caller of the container until it hangs up or the container ends; it takes conn
// over and returns at once.
func (h *Hub) Attach(conn net.Conn, stdin bool) {
	g := &guest{conn: conn, queue: make(chan []byte, queued), gone: make(chan struct{})}
	h.mu.Lock()
	h.guests[g] = true
	h.mu.Unlock()
	go h.write(g)
	go h.read(g, stdin)
}

func (h *Hub) write(g *guest) {
	defer h.leave(g)
	for {
		select {
		case frame := <-g.queue:
			if _, err := g.conn.Write(frame); err != nil {
				return
			}
		case <-g.gone:
			return
		case <-h.ended:
			// What is queued is all there is.
			_ = g.conn.SetWriteDeadline(time.Now().Add(lastWords))
			for {
				select {
				case frame := <-g.queue:
					if _, err := g.conn.Write(frame); err != nil {
						return
					}
				default:
					return
				}
			}
		}
	}
}

// lastWords is how long a caller may take to read the rest of the output of a container that ended.
const lastWords = 10 * time.Second

func (h *Hub) read(g *guest, stdin bool) {
	h.mu.Lock()
	to := h.stdin
	h.mu.Unlock()
	if !stdin || to == nil {
		_, _ = io.Copy(io.Discard, g.conn)
	} else {
		_, err := io.Copy(to, g.conn)
		if h.StdinOnce && !errors.Is(err, os.ErrClosed) {
			h.closeStdin()
		}
	}
	// A half-closed connection still wants output; one that is gone is noticed by the writer.
	if c, ok := g.conn.(*net.UnixConn); ok && hungUp(c) {
		h.leave(g)
	}
}

func (h *Hub) leave(g *guest) {
	g.once.Do(func() {
		h.mu.Lock()
		delete(h.guests, g)
		h.mu.Unlock()
		close(g.gone)
		g.conn.Close()
	})
}

func (h *Hub) closeStdin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stdin != nil {
		h.stdin.Close()
		h.stdin = nil
	}
}

// Finish is called when the payload has ended: it waits until the rest of the output is in the log, at
// most the time given (negative is without limit), and lets the callers go. Callers that do not read keep nothing waiting.
func (h *Hub) Finish(limit time.Duration) error {
	if limit < 0 {
		h.pumps.Wait()
		return h.Close()
	}
	done := make(chan struct{})
	go func() { h.pumps.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		h.Hurry()
	}
	return h.Close()
}

// Close ends the hub. The callers get what was passed before.
func (h *Hub) Close() error {
	var err error
	h.once.Do(func() {
		close(h.ended)
		h.closeStdin()
		h.Started()
		for _, r := range h.out {
			if r != nil {
				r.Close()
			}
		}
		h.pumps.Wait()
		if h.log != nil {
			if err = h.log.Close(); err != nil && h.Warn != nil {
				h.Warn(err.Error())
				err = nil
			}
		}
		for _, f := range h.direct {
			if f != nil {
				f.Close()
			}
		}
		err = errors.Join(h.lost, err)
	})
	return err
}

// Drained waits until every caller has read its last words or gone.
func (h *Hub) Drained() {
	for until := time.Now().Add(lastWords); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		n := len(h.guests)
		h.mu.Unlock()
		if n == 0 {
			return
		}
	}
}
