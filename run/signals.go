package run

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// signals are those sent to this process, kept from the beginning so that none is lost before there
// is a container to pass it to.
type signals struct {
	ch   chan os.Signal
	done chan struct{}
}

// kept are the signals that are this process's own matter: its children, its runtime, its writes, and
// the size of the terminal, which sandbox follows.
var kept = []unix.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGWINCH, unix.SIGPROF}

// catchSignals asks for every signal a person can send. Ignored ones stay ignored (nohup).
func catchSignals(o Options) *signals {
	s := &signals{done: make(chan struct{})}
	if o.NoSigProxy {
		return s
	}
	s.ch = make(chan os.Signal, 128)
	var list []os.Signal
next:
	for n := unix.Signal(1); n < 65; n++ {
		for _, k := range kept {
			if n == k {
				continue next
			}
		}
		if n == 32 || n == 33 || signal.Ignored(n) { // 32 and 33 are the C library's
			continue
		}
		list = append(list, n)
	}
	signal.Notify(s.ch, list...)
	return s
}

// How soon after an interrupt another one is the same act delivered twice (timeout(1) signals the
// process and its group), and how soon it means that the first had no effect.
const (
	sameAct    = 100 * time.Millisecond
	impatience = time.Second
)

// forward passes signals on until stop. Two interrupts in quick succession kill: pid 1 of a pid
// namespace ignores signals it has no handler for, and a person must be able to end it. An
// interrupt that comes later is a new one, as for a program that cancels at each of them.
func (s *signals) forward(c *container) {
	if s.ch == nil {
		return
	}
	go func() {
		var last time.Time
		for {
			select {
			case <-s.done:
				return
			case got := <-s.ch:
				sig, ok := got.(unix.Signal)
				if !ok {
					continue
				}
				if sig == unix.SIGINT {
					switch since := time.Since(last); {
					case since < sameAct:
						continue
					case since < impatience:
						sig = unix.SIGKILL
					default:
						last = time.Now()
					}
				}
				if c.box.Signal(sig) == nil { // it may have gone meanwhile
					c.noteSignal(sig)
				}
			}
		}
	}()
}

func (s *signals) stop() {
	if s.ch != nil {
		signal.Stop(s.ch)
	}
	close(s.done)
}
