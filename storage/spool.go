package storage

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// spool takes the tar-split form of a layer, which the library wants as a file, until it is put in place
// compressed. It is some 1.2 KB for each file of the layer; on the disk it would be flushed with the
// layer. So it stays in memory as long as that is not much.
type spool struct {
	s        *Store
	file     *os.File
	inMemory bool
}

// spooledInMemory bounds what all spools of a process together keep in memory, in bytes. What they kept
// is not given back: a process that has much goes to the disk in the end.
const spooledInMemory = 64 << 20

func (s *Store) newSpool() (*spool, error) {
	if s.spooled.Load() < spooledInMemory {
		if fd, err := unix.MemfdCreate("tar-split", unix.MFD_CLOEXEC); err == nil {
			return &spool{s: s, file: os.NewFile(uintptr(fd), "tar-split"), inMemory: true}, nil
		}
	}
	f, err := s.tempFile()
	return &spool{s: s, file: f}, err
}

func (p *spool) Write(b []byte) (int, error) {
	if p.inMemory && p.s.spooled.Add(int64(len(b))) > spooledInMemory {
		if err := p.move(); err != nil {
			return 0, err
		}
	}
	return p.file.Write(b)
}

// move goes on in a file.
func (p *spool) move() error {
	f, err := p.s.tempFile()
	if err != nil {
		return err
	}
	_, err = p.file.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(f, p.file)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	was := p.file
	p.file, p.inMemory = f, false
	return was.Close()
}
