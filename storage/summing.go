package storage

import (
	"crypto/sha256"
	"hash"

	"github.com/opencontainers/go-digest"
)

// summing is a SHA-256 that is computed beside whoever writes to it: reading a tree takes about as long
// as its digest does. What little comes of a small tree is summed at the end.
type summing struct {
	hash       hash.Hash
	size       int64
	buf        []byte // being filled
	made       int    // buffers
	full, free chan []byte
	done       chan struct{}
}

// summedAtOnce is what is handed over at a time, and summedBuffers how many of these there are.
const summedAtOnce, summedBuffers = 512 << 10, 4

func newSumming() *summing {
	return &summing{hash: sha256.New(), buf: make([]byte, 0, summedAtOnce/8), made: 1}
}

// Write never fails.
func (s *summing) Write(b []byte) (int, error) {
	n := len(b)
	s.size += int64(n)
	for len(b) > 0 {
		if len(s.buf) == cap(s.buf) {
			s.hand()
		}
		room := min(len(b), cap(s.buf)-len(s.buf))
		s.buf = append(s.buf, b[:room]...)
		b = b[room:]
	}
	return n, nil
}

// hand gives the buffer away for another one.
func (s *summing) hand() {
	if s.done == nil {
		s.full, s.free, s.done = make(chan []byte, summedBuffers), make(chan []byte, summedBuffers), make(chan struct{})
		go func() {
			defer close(s.done)
			for b := range s.full {
				s.hash.Write(b)
				s.free <- b[:0]
			}
		}()
	}
	s.full <- s.buf
	if s.made < summedBuffers {
		s.made++
		s.buf = make([]byte, 0, summedAtOnce)
		return
	}
	s.buf = <-s.free
}

// end gives the digest of everything and how much that was. It is called once, also after an error.
func (s *summing) end() (digest.Digest, int64) {
	if s.done != nil {
		close(s.full)
		<-s.done
	}
	s.hash.Write(s.buf)
	return digest.NewDigest(digest.SHA256, s.hash), s.size
}
