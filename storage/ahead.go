package storage

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/dhow-containers/dhow/storage/journal"
)

// ahead flushes the filesystem of the store while layers are unpacked, so that the disk is not idle until the
// end and all that waits for it then.
type ahead struct {
	used     atomic.Bool
	flushing sync.Mutex // held while it is flushed
}

// aheadBytes are worth a flush.
const aheadBytes = 16 << 20

// flushingAhead flushes what r gives, by and by, while it is unpacked. It is not for who keeps something else
// on that filesystem that is to be gone before the end, as the compressed bytes of a pull are.
func (s *Store) flushingAhead(r io.Reader) io.Reader { return &aheadReader{s: s, r: r} }

type aheadReader struct {
	s *Store
	r io.Reader
	n int // bytes since the last flush
}

func (a *aheadReader) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if a.n += n; a.n >= aheadBytes {
		a.n = 0
		a.s.ahead.flush(a.s.tmpDir())
	}
	return n, err
}

// flush begins a flush, unless one is under way. What fails here fails again for the lease, before the layer
// is put in place.
func (a *ahead) flush(dir string) {
	if !a.flushing.TryLock() {
		return
	}
	a.used.Store(true)
	go func() {
		defer a.flushing.Unlock()
		_ = journal.SyncFilesystem(dir)
	}()
}
