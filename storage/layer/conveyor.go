package layer

import (
	"errors"
	"sync/atomic"
)

// A conveyor carries pieces, of type P, with their content from who finds them to who does something with
// them, in order. Both take about as long where layers are written and read: one waits for the kernel while
// the other sums. What is more than one load is done beside finding the next ones.
//
// What is on the way is bounded: loads of loadBytes, and of what else pieces hold one that is heavy.
type conveyor[P any] struct {
	do   func(P, []byte) error // is called for all pieces, also after it has failed
	load *load[P]
	made int
	// Of the goroutine, once there is one.
	full, free chan *load[P]
	done       chan struct{}
	failed     atomic.Bool
	err        error // do's first; to be read after done
}

// load is some pieces. Their contents lie behind each other in buf.
type load[P any] struct {
	pieces []piece[P]
	buf    []byte
}

type piece[P any] struct {
	what P
	n    int // bytes of content
}

const (
	loadBytes  = 256 << 10
	loadPieces = 16 // some hold a descriptor
	// loads is how many there are at most: one is being filled, one done.
	loads = 4
	// worthReading is less than which a load that is all but full takes of a larger content.
	worthReading = 32 << 10
	// heavy is what a piece holds, besides its content, when nothing is to come until it is done: a header can
	// have a megabyte of records.
	heavy = 16 << 10
)

// errFailed is what the finder hears when do has failed: end tells why.
var errFailed = errors.New("what was found before could not be done")

func newConveyor[P any](do func(what P, content []byte) error) *conveyor[P] {
	c := &conveyor[P]{do: do}
	c.load = c.newLoad()
	return c
}

func (c *conveyor[P]) newLoad() *load[P] {
	c.made++
	return &load[P]{buf: make([]byte, 0, loadBytes)}
}

// room is where content of at most size bytes goes, some of them or all.
func (c *conveyor[P]) room(size int64) ([]byte, error) {
	if free := int64(cap(c.load.buf) - len(c.load.buf)); free < min(size, worthReading) {
		if err := c.hand(); err != nil {
			return nil, err
		}
	}
	at := len(c.load.buf)
	return c.load.buf[at : at+int(min(size, int64(cap(c.load.buf)-at)))], nil
}

// put hands a piece on, with the first n bytes of the room that was given last.
func (c *conveyor[P]) put(what P, n int) error {
	c.load.buf = c.load.buf[:len(c.load.buf)+n]
	c.load.pieces = append(c.load.pieces, piece[P]{what, n})
	if len(c.load.pieces) < loadPieces {
		return nil
	}
	return c.hand()
}

// hand gives the load away for an empty one.
func (c *conveyor[P]) hand() error {
	if c.done == nil {
		c.full, c.free, c.done = make(chan *load[P], loads), make(chan *load[P], loads), make(chan struct{})
		go func() {
			defer close(c.done)
			for l := range c.full {
				c.work(l)
				c.free <- l
			}
		}()
	}
	c.full <- c.load
	if c.made < loads {
		c.load = c.newLoad()
	} else {
		c.load = <-c.free
	}
	if c.failed.Load() {
		return errFailed
	}
	return nil
}

// drain waits until all that was put is done.
func (c *conveyor[P]) drain() error {
	if c.done == nil {
		c.work(c.load)
	} else {
		c.full <- c.load
		back := make([]*load[P], c.made)
		for i := range back {
			back[i] = <-c.free
		}
		c.load = back[0]
		for _, l := range back[1:] {
			c.free <- l
		}
	}
	if c.failed.Load() {
		return errFailed
	}
	return nil
}

func (c *conveyor[P]) work(l *load[P]) {
	rest := l.buf
	for _, p := range l.pieces {
		if err := c.do(p.what, rest[:p.n]); err != nil && c.err == nil {
			c.err = err
			c.failed.Store(true)
		}
		rest = rest[p.n:]
	}
	clear(l.pieces)
	l.pieces, l.buf = l.pieces[:0], l.buf[:0]
}

// end waits until all is done, and gives the first error of do.
func (c *conveyor[P]) end() error {
	if c.done == nil {
		c.work(c.load)
		return c.err
	}
	c.full <- c.load
	close(c.full)
	<-c.done
	return c.err
}
